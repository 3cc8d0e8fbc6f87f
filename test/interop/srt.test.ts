/**
 * SRT with programs of others (libsrt all of them): FFmpeg 8, Debian's ffmpeg, srt-live-transmit, GStreamer; as
 * publisher, player, and listener to pull from, each without encryption and with the three key lengths.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { missing, NODE_AV_MISSING, type Running, run, start } from '../support/programs.ts';
import { bodyOf, demoRecording, StreamWitness } from '../support/publish-body.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { UdpRelay } from '../support/udp-relay.ts';
import { until } from '../support/until.ts';

const NODE_AV = fileURLToPath(new URL('../support/node-av-ffmpeg.mjs', import.meta.url));
const SECRET = 'correct-horse-battery';
const KEYS = [0, 16, 24, 32] as const;
type KeyBytes = (typeof KEYS)[number];
const QUIET = ['-nostdin', '-hide_banner', '-loglevel', 'error'];
const LIMIT_MS = 25_000;

const folder = mkdtempSync(join(tmpdir(), 'sluice-srt-'));
const clip = join(folder, 'clip.ts');
writeFileSync(clip, Buffer.concat(bodyOf('ts', demoRecording(5))));

let server: TestServer;
let publishers: ClipPublisher[] = [];

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live"><publish grace="0"/><srt latency="80ms"/>
      <stream name="locked*"><srt passphrase="${SECRET}"/></stream></application>`,
  });
  publishers = [
    await ClipPublisher.start({ port: server.rtmpPort, name: 'clip' }),
    await ClipPublisher.start({ port: server.rtmpPort, name: 'locked' }),
  ];
});

after(async () => {
  for (const publisher of publishers) publisher.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Options of an address, as libsrt's own programs and FFmpeg spell them. */
function secret(key: KeyBytes): string {
  return key === 0 ? '' : `&passphrase=${SECRET}&pbkeylen=${key}`;
}

function gstSecret(key: KeyBytes): string[] {
  return key === 0 ? [] : [`passphrase=${SECRET}`, `pbkeylen=${key}`];
}

function own(query: string): string {
  return `srt://127.0.0.1:${server.srtPort}?${query}`;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}

type Fed = Pick<Running, 'done' | 'stop'>;

/** Feeds the clip to a program's standard input about as fast as it plays. */
function startFed(command: string, args: readonly string[]): Fed {
  const child = spawn(
    'sh',
    ['-c', `ffmpeg ${QUIET.join(' ')} -re -i ${clip} -c copy -f mpegts - | ${command} "$@"`, 'sh', ...args],
    {
      stdio: 'ignore',
      detached: true,
    },
  );
  const done = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out: '', err: '' })),
  );
  const stop = () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(stop, LIMIT_MS);
  void done.then(() => clearTimeout(timer));
  return { done, stop };
}

/** What a program writes to its standard output, until there is enough. */
async function collect(command: string, args: readonly string[], enough: number): Promise<Buffer> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const parts: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      size += bytes.length;
      if (size >= enough) child.kill('SIGKILL');
    });
    child.on('close', () => resolve());
  });
  clearTimeout(timer);
  const bytes = Buffer.concat(parts);
  return bytes.subarray(0, bytes.length - (bytes.length % 188));
}

interface Program {
  readonly name: string;
  readonly skip: string | false;
  /** Publishes the clip to an address. */
  publish(url: string, key: KeyBytes): Fed;
  /** Plays an address for about a second; fails when nothing comes. */
  play(url: string, key: KeyBytes): Promise<void>;
  /** Sends the clip to whoever calls the port. */
  serve(port: number, key: KeyBytes): Fed;
}

function assertTs(bytes: Buffer, what: string): void {
  assert.ok(bytes.length > 20_000, `${what}: ${bytes.length} bytes`);
  const checker = new TsChecker();
  checker.chunk(bytes);
  assert.deepEqual(checker.violations, []);
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'FFmpeg 8',
    skip: NODE_AV_MISSING,
    publish: (url, key) =>
      start(process.execPath, [NODE_AV, 'copy', '-re', clip, url + secret(key), 'mpegts'], LIMIT_MS),
    play: async (url, key) => {
      const ran = await run(
        process.execPath,
        [NODE_AV, 'watch', '1', '15', `x=${url}${secret(key)}`],
        LIMIT_MS,
      );
      assert.equal(ran.code, 0, ran.err);
      const { x } = JSON.parse(ran.out.trim().split('\n').at(-1)!) as {
        x: { error?: string; streams: { codec: string; packets: string[] }[] };
      };
      assert.equal(x.error, undefined);
      assert.deepEqual(new Set(x.streams.map(({ codec }) => codec)), new Set(['aac', 'h264']));
      for (const { packets } of x.streams) assert.ok(packets.length > 10);
    },
    serve: (port, key) =>
      start(
        process.execPath,
        [NODE_AV, 'copy', '-re', clip, `srt://127.0.0.1:${port}?mode=listener${secret(key)}`, 'mpegts'],
        LIMIT_MS,
      ),
  },
  {
    name: 'ffmpeg',
    skip: missing('ffmpeg'),
    publish: (url, key) =>
      start(
        'ffmpeg',
        [...QUIET, '-re', '-i', clip, '-c', 'copy', '-f', 'mpegts', url + secret(key)],
        LIMIT_MS,
      ),
    play: async (url, key) => {
      const args = [
        ...QUIET,
        '-i',
        url + secret(key),
        '-t',
        '1',
        '-map',
        '0',
        '-c',
        'copy',
        '-f',
        'framecrc',
        '-',
      ];
      const ran = await run('ffmpeg', args, LIMIT_MS);
      assert.equal(ran.code, 0, ran.err);
      for (const stream of [0, 1])
        assert.ok(ran.out.split('\n').filter((line) => line.startsWith(`${stream},`)).length > 10, ran.out);
    },
    serve: (port, key) => {
      const url = `srt://127.0.0.1:${port}?mode=listener${secret(key)}`;
      return start('ffmpeg', [...QUIET, '-re', '-i', clip, '-c', 'copy', '-f', 'mpegts', url], LIMIT_MS);
    },
  },
  {
    name: 'srt-live-transmit',
    skip: missing('srt-live-transmit', 'ffmpeg'),
    publish: (url, key) =>
      startFed('srt-live-transmit', ['-q', '-chunk:1316', 'file://con', url + secret(key)]),
    play: async (url, key) => {
      const bytes = await collect('srt-live-transmit', ['-q', url + secret(key), 'file://con'], 100_000);
      assertTs(bytes, 'srt-live-transmit');
    },
    serve: (port, key) =>
      startFed('srt-live-transmit', [
        '-q',
        '-chunk:1316',
        'file://con',
        `srt://127.0.0.1:${port}?mode=listener${secret(key)}`,
      ]),
  },
  {
    name: 'GStreamer',
    skip:
      missing('gst-launch-1.0') || (await run('gst-inspect-1.0', ['srtsink'])).code !== 0
        ? 'GStreamer with srtsink is not installed'
        : false,
    publish: (url, key) => {
      const [address = '', id = ''] = url.split('?streamid=');
      return start(
        'gst-launch-1.0',
        [...GST_SOURCE, `uri=${address}?mode=caller`, `streamid=${id}`, ...gstSecret(key)],
        LIMIT_MS,
      );
    },
    play: async (url, key) => {
      const [address = '', id = ''] = url.split('?streamid=');
      const from = ['-q', 'srtsrc', `uri=${address}?mode=caller`, `streamid=${id}`, ...gstSecret(key)];
      assertTs(await collect('gst-launch-1.0', [...from, '!', 'fdsink', 'fd=1'], 100_000), 'GStreamer');
    },
    serve: (port, key) =>
      start(
        'gst-launch-1.0',
        [...GST_SOURCE, `uri=srt://127.0.0.1:${port}?mode=listener`, ...gstSecret(key)],
        LIMIT_MS,
      ),
  },
];

const GST_SOURCE = [
  '-q',
  'filesrc',
  `location=${clip}`,
  '!',
  'tsparse',
  'set-timestamps=true',
  'alignment=7',
  '!',
  'identity',
  'sync=true',
  '!',
  'srtsink',
];

for (const program of PROGRAMS) {
  describe(program.name, { skip: program.skip, concurrency: true }, () => {
    for (const key of KEYS) {
      const name = key === 0 ? 'in the clear' : `AES-${key * 8}`;
      const slug = `${key === 0 ? 'open' : 'locked'}-${program.name.replace(/\W/g, '')}-${key}`;

      test(`publishes ${name}`, async () => {
        const witness = new StreamWitness(server.application.context.hub, 'live', slug);
        const running = program.publish(own(`streamid=publish:live/${slug}`), key);
        try {
          const enough = () => witness.ofKind('video').length > 20 && witness.ofKind('audio').length > 20;
          await until(`frames of ${program.name}`, enough, LIMIT_MS);
          const [session] = server.application.context.sessions
            .all()
            .filter(({ streamText }) => streamText === `live/${slug}`);
          assert.equal(session?.details?.()['pktRcvUndecrypt'], 0);
        } finally {
          running.stop();
          await running.done;
          witness.detach();
        }
      });

      test(`plays ${name}`, async () => {
        await program.play(own(`streamid=read:live/${key === 0 ? 'clip' : 'locked'}`), key);
      });

      test(`is pulled from ${name}`, async () => {
        const port = await freeUdpPort();
        const running = program.serve(port, key);
        const pulled = new Pulled(`srt://127.0.0.1:${port}?latency=80${secret(key)}`, {
          connectMs: LIMIT_MS,
        });
        try {
          await until(
            `frames of ${program.name} (${pulled.end?.reason ?? ''})`,
            () => pulled.end !== null || pulled.frames.length > 40,
            LIMIT_MS,
          );
          assert.ok(pulled.frames.length > 40, pulled.end?.reason);
          assert.equal(pulled.codecs, 'aac+h264');
        } finally {
          pulled.pull.close();
          running.stop();
          await running.done;
        }
      });
    }
  });
}

test('ffmpeg calls a pull that listens', { skip: missing('ffmpeg') }, async () => {
  const port = await freeUdpPort();
  const pulled = new Pulled(`srt://127.0.0.1:${port}?mode=listener&latency=80${secret(16)}`);
  const target = `srt://127.0.0.1:${port}?streamid=any&passphrase=${SECRET}`;
  const ffmpeg = start(
    'ffmpeg',
    [...QUIET, '-re', '-i', clip, '-c', 'copy', '-f', 'mpegts', target],
    LIMIT_MS,
  );
  await pulled.media(['h264', 'aac'], 10);
  pulled.pull.close();
  ffmpeg.stop();
  await ffmpeg.done;
});

test('srt-live-transmit meets a pull', { skip: missing('srt-live-transmit', 'ffmpeg') }, async () => {
  const [ours, theirs] = [await freeUdpPort(), await freeUdpPort()];
  const target = `srt://127.0.0.1:${ours}?mode=rendezvous&port=${theirs}${secret(16)}`;
  const running = startFed('srt-live-transmit', ['-q', '-chunk:1316', 'file://con', target]);
  const pulled = new Pulled(
    `srt://127.0.0.1:${theirs}?mode=rendezvous&localport=${ours}&latency=80${secret(16)}`,
  );
  try {
    await pulled.media(['h264', 'aac'], 10);
  } finally {
    pulled.pull.close();
    running.stop();
    await running.done;
  }
});

describe('5 % loss and a round trip of 120 ms with srt-live-transmit', {
  skip: missing('srt-live-transmit', 'ffmpeg'),
  concurrency: true,
}, () => {
  async function lossyPath(seed: number): Promise<UdpRelay> {
    const relay = await UdpRelay.open(seed);
    relay.setTarget(server.srtPort);
    relay.setFaults({ loss: 0.05, delayMs: 60 });
    return relay;
  }

  test('nothing is missing of what it publishes', async () => {
    const relay = await lossyPath(31);
    const witness = new StreamWitness(server.application.context.hub, 'live', 'lossy');
    const running = startFed('srt-live-transmit', [
      '-q',
      '-chunk:1316',
      'file://con',
      `srt://127.0.0.1:${relay.frontPort}?streamid=publish:live/lossy&latency=600`,
    ]);
    try {
      await until('frames over a bad path', () => witness.ofKind('video').length > 100, LIMIT_MS);
      const [session] = server.application.context.sessions
        .all()
        .filter(({ streamText }) => streamText === 'live/lossy');
      const details = session!.details!();
      assert.ok(Number(details['pktRcvLoss']) > 3, `${details['pktRcvLoss']} were lost on the way`);
      assert.equal(details['pktRcvDrop'], 0);
      assert.equal(details['continuity_errors'] ?? 0, 0);
      assert.ok(Math.abs(Number(details['msRTT']) - 120) < 30, `${details['msRTT']}`);
    } finally {
      running.stop();
      await running.done;
      witness.detach();
      relay.close();
    }
  });

  test('nothing is missing of what it plays', async () => {
    const relay = await lossyPath(32);
    const url = `srt://127.0.0.1:${relay.frontPort}?streamid=read:live/clip&latency=600`;
    assertTs(await collect('srt-live-transmit', ['-q', url, 'file://con'], 400_000), 'a bad path');
    relay.close();
  });
});

test('forward: ffmpeg listens', { skip: missing('ffmpeg') }, async () => {
  const port = await freeUdpPort();
  const url = `srt://127.0.0.1:${port}?mode=listener${secret(32)}`;
  const args = [...QUIET, '-i', url, '-t', '1', '-map', '0', '-c', 'copy', '-f', 'framecrc', '-'];
  const ffmpeg = start('ffmpeg', args, LIMIT_MS);
  const origin = await TestServer.start({
    policy: `<application name="live"><stream name="out"><forward>srt://127.0.0.1:${port}?passphrase=${SECRET}&amp;pbkeylen=32</forward></stream></application>`,
  });
  const publisher = await ClipPublisher.start({ port: origin.rtmpPort, name: 'out' });
  const ran = await ffmpeg.done;
  publisher.stop();
  await origin.close();
  assert.equal(ran.code, 0, ran.err);
  assert.ok(ran.out.split('\n').length > 40, ran.out.slice(-300));
});
