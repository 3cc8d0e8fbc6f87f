/**
 * DTLS with OpenSSL's own client and server over loopback: every suite, group and kind of certificate in both roles;
 * exported keys for SRTP are the same on both sides, application data goes both ways, and closing is understood.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  certificateFingerprint,
  type TlsCertificate,
  tlsCertificateFromPem,
} from '../../src/crypto/tls-certificate.ts';
import { DtlsClient } from '../../src/dtls/client.ts';
import { DtlsCookie } from '../../src/dtls/cookie.ts';
import { DtlsServer } from '../../src/dtls/server.ts';
import type { DtlsOptions, DtlsServerOptions, DtlsSrtpKeys } from '../../src/dtls/settings.ts';
import { DTLS_SUITE, TLS_GROUP } from '../../src/wire/dtls/numbers.ts';
import {
  AEAD_AES_128_GCM,
  AEAD_AES_256_GCM,
  AES128_CM_SHA1_32,
  AES128_CM_SHA1_80,
  srtpProfileOf,
} from '../../src/wire/srtp/srtp-profile.ts';
import { missing } from '../support/programs.ts';

const LIMIT_MS = 10_000;
const SKIP = missing('openssl');

type KeyName = 'p256' | 'p384' | 'rsa';
const KEYS: readonly KeyName[] = ['p256', 'p384', 'rsa'];
const NEW_KEY: Record<KeyName, readonly string[]> = {
  p256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  p384: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1'],
  rsa: ['-newkey', 'rsa:2048'],
};
const SRTP: readonly (readonly [string, number])[] = [
  ['SRTP_AEAD_AES_128_GCM', AEAD_AES_128_GCM.dtlsId],
  ['SRTP_AEAD_AES_256_GCM', AEAD_AES_256_GCM.dtlsId],
  ['SRTP_AES128_CM_SHA1_80', AES128_CM_SHA1_80.dtlsId],
  ['SRTP_AES128_CM_SHA1_32', AES128_CM_SHA1_32.dtlsId],
];
const SUITES: readonly (readonly [string, number, KeyName])[] = [
  ['ECDHE-ECDSA-AES128-GCM-SHA256', DTLS_SUITE.ecdheEcdsaAes128Gcm, 'p256'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', DTLS_SUITE.ecdheEcdsaAes256Gcm, 'p384'],
  ['ECDHE-ECDSA-CHACHA20-POLY1305', DTLS_SUITE.ecdheEcdsaChaCha20, 'p256'],
  ['ECDHE-RSA-AES128-GCM-SHA256', DTLS_SUITE.ecdheRsaAes128Gcm, 'rsa'],
  ['ECDHE-RSA-AES256-GCM-SHA384', DTLS_SUITE.ecdheRsaAes256Gcm, 'rsa'],
  ['ECDHE-RSA-CHACHA20-POLY1305', DTLS_SUITE.ecdheRsaChaCha20, 'rsa'],
];
const GROUPS: readonly (readonly [string, number])[] = [
  ['X25519', TLS_GROUP.x25519],
  ['P-256', TLS_GROUP.p256],
  ['P-384', TLS_GROUP.p384],
];

const folder = mkdtempSync(join(tmpdir(), 'sluice-dtls-'));
const certificates = new Map<KeyName, TlsCertificate>();

const certFile = (name: KeyName): string => join(folder, `${name}.crt`);
const keyFile = (name: KeyName): string => join(folder, `${name}.key`);

function certificateOf(name: KeyName): TlsCertificate {
  const found = certificates.get(name);
  assert.ok(found);
  return found;
}

before(() => {
  if (SKIP !== false) return;
  for (const name of KEYS) {
    const files = ['-keyout', keyFile(name), '-out', certFile(name)];
    const common = ['-x509', '-nodes', '-days', '2', '-subj', '/CN=peer'];
    execFileSync('openssl', ['req', ...common, ...NEW_KEY[name], ...files], { stdio: 'ignore' });
    certificates.set(
      name,
      tlsCertificateFromPem({
        key: readFileSync(keyFile(name), 'utf8'),
        cert: readFileSync(certFile(name), 'utf8'),
      }),
    );
  }
});

/** OpenSSL has no option for this in its programs, but one in its configuration. */
const NO_EXTENDED_MASTER_SECRET = join(folder, 'no-ems.cnf');
writeFileSync(
  NO_EXTENDED_MASTER_SECRET,
  'openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n[default]\nOptions = -ExtendedMasterSecret\n',
);

after(() => rmSync(folder, { recursive: true, force: true }));

function fingerprintOf(name: KeyName) {
  const value = certificateFingerprint(certificateOf(name).certDer, 'sha-256');
  assert.equal(value, new X509Certificate(readFileSync(certFile(name))).fingerprint256);
  return { algorithm: 'sha-256', value } as const;
}

/** OpenSSL's program with its output so far. */
class Program {
  output = '';
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn('openssl', args, { stdio: 'pipe', env: { ...process.env, ...env } });
    const keep = (chunk: Buffer): void => {
      this.output += chunk.toString('latin1');
    };
    this.child.stdout?.on('data', keep);
    this.child.stderr?.on('data', keep);
    this.ended = new Promise((done) => this.child.once('exit', () => done()));
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const limit = performance.now() + LIMIT_MS;
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (performance.now() > limit) throw new Error(`no ${pattern} in:\n${this.output}`);
      await new Promise((next) => setTimeout(next, 10));
    }
  }

  /** The exported key as the program prints it. */
  async keyMaterial(): Promise<string> {
    return (await this.until(/Keying material: ([0-9A-F]+)/))[1]!.toLowerCase();
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

type End = DtlsClient | DtlsServer;

/** One of our ends on a UDP socket. */
class UdpEnd {
  readonly closed: string[] = [];
  readonly data: string[] = [];
  keys: DtlsSrtpKeys | null = null;
  /** Datagrams of the peer before our first one: more than one when its hello is in pieces. */
  datagramsBeforeAnswer = 0;
  readonly socket: Socket;
  private hasAnswered = false;
  private readonly end: End;
  private peerPort: number;
  private readonly timer: NodeJS.Timeout;

  static async open(make: (events: UdpEvents) => End, peerPort = 0): Promise<UdpEnd> {
    const socket = createSocket('udp4');
    await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
    return new UdpEnd(socket, make, peerPort);
  }

  private constructor(socket: Socket, make: (events: UdpEvents) => End, peerPort: number) {
    this.socket = socket;
    this.peerPort = peerPort;
    this.end = make({
      send: (datagram) => {
        this.hasAnswered = true;
        this.socket.send(datagram, this.peerPort, '127.0.0.1');
      },
      onConnected: (keys) => {
        this.keys = keys;
      },
      onClosed: (code, detail) => this.closed.push(`${code} ${detail}`),
      onData: (payload) => this.data.push(Buffer.from(payload).toString('latin1')),
    });
    socket.on('message', (datagram, { port }) => {
      this.peerPort = port;
      if (!this.hasAnswered) this.datagramsBeforeAnswer++;
      this.end.receive(datagram, nowUs());
    });
    this.timer = setInterval(() => this.end.tick(nowUs()), 50);
    if (this.end instanceof DtlsClient) this.end.start(nowUs());
  }

  get port(): number {
    return this.socket.address().port;
  }

  async until(what: string, isDone: () => boolean): Promise<void> {
    const limit = performance.now() + LIMIT_MS;
    while (!isDone()) {
      if (performance.now() > limit) throw new Error(`${what} did not come; closed: ${this.closed.join()}`);
      await new Promise((next) => setTimeout(next, 10));
    }
  }

  sendData(text: string): void {
    assert.ok(this.end.sendData(Buffer.from(text, 'latin1')));
  }

  stop(): void {
    clearInterval(this.timer);
    this.socket.close();
  }

  close(): void {
    this.end.close();
  }
}

interface UdpEvents {
  send(datagram: Uint8Array): void;
  onConnected(keys: DtlsSrtpKeys): void;
  onClosed(code: string, detail: string): void;
  onData(payload: Uint8Array): void;
}

function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

/** All four parts in the order in which they are exported. */
function materialOf(keys: DtlsSrtpKeys | null): string {
  assert.ok(keys !== null);
  const parts = [keys.clientKey, keys.serverKey, keys.clientSalt, keys.serverSalt];
  return Buffer.concat(parts).toString('hex');
}

function exportArgs(profile: number): string[] {
  const { keyBytes, saltBytes } = srtpProfileOf(profile)!;
  return ['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', String(2 * (keyBytes + saltBytes))];
}

interface Case {
  readonly name: string;
  /** Of our end. */
  readonly options?: Partial<DtlsServerOptions>;
  readonly certificate?: KeyName;
  /** Options of OpenSSL. */
  readonly args?: readonly string[];
  /** Certificate of OpenSSL, and whether its client shows it. */
  readonly peer?: KeyName;
  readonly profile?: (typeof SRTP)[number];
  /** More of OpenSSL's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** What OpenSSL must say. */
  readonly says?: readonly RegExp[];
  readonly clientSays?: readonly RegExp[];
}

const CASES: readonly Case[] = [
  ...SUITES.map(
    ([name, id, key]): Case => ({
      name: `suite ${name}`,
      certificate: key,
      peer: key,
      args: ['-cipher', name],
      options: { suites: [id] },
      says: [new RegExp(`(Cipher is |CIPHER is |Cipher {4}: )${name}`)],
    }),
  ),
  ...GROUPS.map(
    ([name, group]): Case => ({
      name: `group ${name}`,
      // The curve of an ECDSA certificate would have to be among the groups (RFC 8422 section 5.1).
      certificate: 'rsa',
      peer: 'rsa',
      args: ['-groups', name],
      options: { groups: [group] },
    }),
  ),
  ...SRTP.map((profile): Case => ({ name: `profile ${profile[0]}`, profile })),
  ...KEYS.flatMap((certificate) =>
    KEYS.map((peer): Case => ({ name: `we have ${certificate}, OpenSSL ${peer}`, certificate, peer })),
  ),
  {
    name: 'without extended master secret',
    env: { OPENSSL_CONF: NO_EXTENDED_MASTER_SECRET },
    clientSays: [/Extended master secret: no/],
  },
  { name: 'fragments of 300 bytes', options: { mtu: 300 }, certificate: 'rsa', peer: 'rsa' },
];

const DEFAULT_PROFILE = SRTP[0]!;
/** A list of names makes the hello longer than the MTU. */
const LONG_HELLO = [
  '-mtu',
  '300',
  '-alpn',
  Array.from({ length: 40 }, (_, i) => `some-protocol-${i}`).join(','),
];

describe('DTLS with OpenSSL', { skip: SKIP }, () => {
  for (const entry of [
    ...CASES,
    ...['RSA-PSS+SHA256', 'RSA-PSS+SHA384', 'RSA+SHA256', 'RSA+SHA512'].map(
      (scheme): Case => ({
        name: `signature ${scheme}`,
        certificate: 'rsa',
        peer: 'rsa',
        args: ['-sigalgs', scheme, '-client_sigalgs', scheme],
      }),
    ),
    { name: 'small datagrams of OpenSSL', args: ['-mtu', '256'], peer: 'rsa' },
  ] satisfies Case[]) {
    test(`our server: ${entry.name}`, async () => {
      await serverCase(entry);
    });
  }

  test('our server: cookie', async () => {
    const cookie = new DtlsCookie(nowUs());
    await serverCase({ name: 'cookie', options: { requireCookie: { cookie, address: '127.0.0.1' } } });
  });

  test('our server: hello in several datagrams', async () => {
    const end = await serverCase({ name: 'fragments', args: LONG_HELLO });
    assert.ok(end.datagramsBeforeAnswer >= 3, `${end.datagramsBeforeAnswer} datagrams`);
  });

  test('our server: cookie and hello in several datagrams', async () => {
    const cookie = new DtlsCookie(nowUs());
    await serverCase({
      name: 'fragments',
      args: LONG_HELLO,
      options: { requireCookie: { cookie, address: '127.0.0.1' } },
    });
  });

  test('our server: another certificate than the announced one', async () => {
    const options = { certificate: certificateOf('p256'), remoteFingerprint: fingerprintOf('p384') };
    const end = await UdpEnd.open((events) => new DtlsServer(options, events, nowUs()));
    const program = new Program([
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${end.port}`, '-use_srtp', DEFAULT_PROFILE[0]],
      ...['-cert', certFile('p256'), '-key', keyFile('p256')],
    ]);
    try {
      await end.until('the end', () => end.closed.length > 0);
      assert.match(end.closed[0]!, /^dtls\.fingerprint /);
      await program.until(/alert bad certificate/);
      assert.equal(end.keys, null);
    } finally {
      await program.stop();
      end.stop();
    }
  });

  for (const entry of CASES) {
    test(`our client: ${entry.name}`, async () => clientCase(entry));
  }

  test('our client: server with cookies', async () => {
    await clientCase({ name: 'cookie', args: ['-listen'] });
  });

  test('closing: ours is understood by OpenSSL', async () => {
    const end = await UdpEnd.open((events) => new DtlsServer(serverOptions(), events, nowUs()));
    const program = new Program(['s_client', '-dtls1_2', '-connect', `127.0.0.1:${end.port}`, ...PEER]);
    try {
      await end.until('a connection', () => end.keys !== null);
      end.close();
      await program.until(/closed/);
      assert.deepEqual(end.closed, []);
    } finally {
      await program.stop();
      end.stop();
    }
  });

  test("closing: OpenSSL's is understood by us", async () => {
    const end = await UdpEnd.open((events) => new DtlsServer(serverOptions(), events, nowUs()));
    const program = new Program(['s_client', '-dtls1_2', '-connect', `127.0.0.1:${end.port}`, ...PEER]);
    try {
      await end.until('a connection', () => end.keys !== null);
      program.say('Q');
      await end.until('the end', () => end.closed.length > 0);
      assert.deepEqual(end.closed, ['dtls.closed by the peer']);
    } finally {
      await program.stop();
      end.stop();
    }
  });

  test('our client: server that asks for no certificate', async () => {
    await clientCase({ name: 'no request' }, false);
  });
});

const PEER = [...['-use_srtp', DEFAULT_PROFILE[0]], ...['-cert', certFile('p256'), '-key', keyFile('p256')]];

function serverOptions(): DtlsServerOptions {
  return { certificate: certificateOf('p256'), remoteFingerprint: fingerprintOf('p256') };
}

async function serverCase(entry: Case): Promise<UdpEnd> {
  const peer = entry.peer ?? 'p256';
  const profile = entry.profile ?? DEFAULT_PROFILE;
  const options: DtlsServerOptions = {
    certificate: certificateOf(entry.certificate ?? 'p256'),
    remoteFingerprint: fingerprintOf(peer),
    ...entry.options,
  };
  const end = await UdpEnd.open((events) => new DtlsServer(options, events, nowUs()));
  const program = new Program(
    [
      ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${end.port}`, '-use_srtp', profile[0]],
      ...['-cert', certFile(peer), '-key', keyFile(peer)],
      ...exportArgs(profile[1]),
      ...(entry.args ?? []),
    ],
    entry.env,
  );
  await converse(end, program, profile[1], [...(entry.says ?? []), ...(entry.clientSays ?? [])]);
  return end;
}

async function clientCase(entry: Case, isCertificateWanted = true): Promise<void> {
  const peer = entry.peer ?? 'p256';
  const profile = entry.profile ?? DEFAULT_PROFILE;
  const options: DtlsOptions = {
    certificate: certificateOf(entry.certificate ?? 'p256'),
    remoteFingerprint: fingerprintOf(peer),
    ...entry.options,
  };
  const port = await freeUdpPort();
  const program = new Program(
    [
      ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-use_srtp', profile[0]],
      ...['-cert', certFile(peer), '-key', keyFile(peer), ...(isCertificateWanted ? ['-Verify', '1'] : [])],
      ...exportArgs(profile[1]),
      ...(entry.args ?? []),
    ],
    entry.env,
  );
  await program.until(/ACCEPT/);
  const end = await UdpEnd.open((events) => new DtlsClient(options, events, nowUs()), port);
  await converse(end, program, profile[1], entry.says ?? []);
}

async function converse(
  end: UdpEnd,
  program: Program,
  profile: number,
  says: readonly RegExp[],
): Promise<void> {
  try {
    await end.until('a connection', () => end.keys !== null);
    assert.equal(end.keys?.srtpProfile, profile);
    assert.equal(await program.keyMaterial(), materialOf(end.keys));
    for (const pattern of says) await program.until(pattern);
    program.say('from openssl');
    await end.until('data', () => end.data.length > 0);
    assert.equal(end.data[0], 'from openssl\n');
    end.sendData('from sluice\n');
    await program.until(/from sluice/);
    assert.deepEqual(end.closed, []);
  } finally {
    await program.stop();
    end.stop();
  }
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}
