/**
 * The client's side of a DTLS 1.2 handshake: full handshakes with ECDHE (RFC 5246 section 7.3, RFC 8422), certificate of
 * our own when the server asks for one. Left out: session resumption, tickets, renegotiation.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { EphemeralKey } from '../crypto/ephemeral-key.ts';
import {
  chooseSignatureScheme,
  signTls,
  TLS_SIGNATURE_SCHEMES,
  tlsKeyType,
  verifyTls,
} from '../crypto/tls-signature.ts';
import { InvariantError, ProtocolError } from '../util/errors.ts';
import {
  parseCertificateRequest,
  serializeCertificates,
  serializeCertificateVerify,
} from '../wire/dtls/certificates.ts';
import { DTLS_RANDOM_BYTES, serializeClientHello } from '../wire/dtls/client-hello.ts';
import { DTLS_HANDSHAKE_HEADER_BYTES } from '../wire/dtls/handshake-header.ts';
import { parseHelloVerifyRequest } from '../wire/dtls/hello-verify-request.ts';
import {
  parseServerKeyExchange,
  type ServerKeyExchange,
  serializeClientKeyExchange,
} from '../wire/dtls/key-exchange.ts';
import { DTLS_1_0, DTLS_1_2, DTLS_HANDSHAKE } from '../wire/dtls/numbers.ts';
import { parseServerHello, type ServerHello } from '../wire/dtls/server-hello.ts';
import {
  type CipherSuite,
  cipherSuite,
  curveOfGroup,
  DEFAULT_DTLS_GROUPS,
  DEFAULT_DTLS_SUITES,
  DEFAULT_SRTP_PROFILES,
} from './cipher-suites.ts';
import { DtlsConnection } from './connection.ts';
import { KeySchedule, masterSecret } from './key-schedule.ts';
import { peerPublicKey } from './peer-certificate.ts';
import type { DtlsCounters, DtlsEvents, DtlsOptions } from './settings.ts';

const NOTHING = Buffer.alloc(0);
/** A server that only asks for cookies would keep us for ever. */
const MAX_COOKIES = 3;

/** What may come next; the names are those of the messages. */
type State =
  | 'new'
  | 'hello'
  | 'certificate'
  | 'key-exchange'
  | 'request-or-done'
  | 'done'
  | 'finished'
  | 'connected';

export class DtlsClient {
  private readonly options: DtlsOptions;
  private readonly connection: DtlsConnection;
  private readonly suites: readonly number[];
  private readonly groups: readonly number[];
  private readonly srtpProfiles: readonly number[];
  private readonly clientRandom: Uint8Array;
  private state: State;
  private cookies: number;
  private suite: CipherSuite | null;
  private srtpProfile: number;
  private hasExtendedMasterSecret: boolean;
  private serverRandom: Uint8Array;
  private serverKey: KeyObject | null;
  private ephemeral: EphemeralKey | null;
  private secret: Uint8Array;
  /** Schemes that the server takes from us; null: it wants no certificate. */
  private requestedSchemes: readonly number[] | null;

  constructor(options: DtlsOptions, events: DtlsEvents, nowUs: number) {
    this.options = options;
    const role = {
      isClient: true,
      onMessage: (type: number, message: Buffer): void => this.onMessage(type, message),
    };
    this.connection = new DtlsConnection(role, options, events, nowUs);
    this.suites = options.suites ?? DEFAULT_DTLS_SUITES;
    this.groups = options.groups ?? DEFAULT_DTLS_GROUPS;
    this.srtpProfiles = options.srtpProfiles ?? DEFAULT_SRTP_PROFILES;
    this.clientRandom = randomBytes(DTLS_RANDOM_BYTES);
    this.state = 'new';
    this.cookies = 0;
    this.suite = null;
    this.srtpProfile = 0;
    this.hasExtendedMasterSecret = false;
    this.serverRandom = NOTHING;
    this.serverKey = null;
    this.ephemeral = null;
    this.serverKey = null;
    this.secret = NOTHING;
    // A view of a message would keep it as long as the connection lives.
    this.serverRandom = NOTHING;
    this.requestedSchemes = null;
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  get closed(): boolean {
    return this.connection.closed;
  }

  get counters(): DtlsCounters {
    return this.connection.counters;
  }

  /** `tick` must be called then at the latest; changes with every other call. Infinity: never. */
  get nextTimeoutUs(): number {
    return this.connection.nextTimeoutUs;
  }

  /** Sends the first hello; further calls do nothing. */
  start(nowUs: number): void {
    if (this.state !== 'new' || this.connection.closed) return;
    this.state = 'hello';
    this.connection.restartDeadline(nowUs);
    this.connection.writer.plainVersion = DTLS_1_0;
    this.sendHello(NOTHING);
  }

  /** A datagram of the peer; no view of it is kept. Never throws for what is in it. */
  receive(datagram: Uint8Array, nowUs: number): void {
    if (this.state !== 'new') this.connection.receive(datagram, nowUs);
  }

  tick(nowUs: number): void {
    this.connection.tick(nowUs);
  }

  /** One record of application data. False: not connected, or longer than 16384 bytes. */
  sendData(payload: Uint8Array): boolean {
    return this.connection.sendData(payload);
  }

  /** Tells the peer; `onClosed` is not called. */
  close(): void {
    this.connection.close();
  }

  private sendHello(cookie: Uint8Array): void {
    const { connection } = this;
    connection.transcript.clear();
    connection.beginFlight();
    connection.add(
      DTLS_HANDSHAKE.clientHello,
      serializeClientHello({
        version: DTLS_1_2,
        random: this.clientRandom,
        sessionId: NOTHING,
        cookie,
        suites: this.suites,
        supportedVersions: null,
        groups: this.groups,
        signatureSchemes: TLS_SIGNATURE_SCHEMES,
        srtpProfiles: this.srtpProfiles,
        pointFormats: Uint8Array.of(0),
        hasExtendedMasterSecret: true,
        renegotiationInfo: NOTHING,
      }),
    );
    connection.sendFlight(true);
  }

  private onMessage(type: number, message: Buffer): void {
    const body = message.subarray(DTLS_HANDSHAKE_HEADER_BYTES);
    const { state } = this;
    if (state === 'hello' && type === DTLS_HANDSHAKE.helloVerifyRequest) {
      if (++this.cookies > MAX_COOKIES) throw new ProtocolError('dtls.unexpected-message', 'one more cookie');
      this.sendHello(parseHelloVerifyRequest(body));
      return;
    }
    if (state === 'finished' && type === DTLS_HANDSHAKE.finished) {
      this.connection.checkFinished(message);
      this.state = 'connected';
      this.connection.finish(this.srtpProfile);
      return;
    }
    this.connection.transcript.add(message);
    if (state === 'hello' && type === DTLS_HANDSHAKE.serverHello) {
      this.onServerHello(parseServerHello(body));
      this.state = 'certificate';
    } else if (state === 'certificate' && type === DTLS_HANDSHAKE.certificate) {
      this.onCertificate(body);
      this.state = 'key-exchange';
    } else if (state === 'key-exchange' && type === DTLS_HANDSHAKE.serverKeyExchange) {
      this.onServerKeyExchange(parseServerKeyExchange(body));
      this.state = 'request-or-done';
    } else if (state === 'request-or-done' && type === DTLS_HANDSHAKE.certificateRequest) {
      this.requestedSchemes = parseCertificateRequest(body);
      this.state = 'done';
    } else if ((state === 'request-or-done' || state === 'done') && type === DTLS_HANDSHAKE.serverHelloDone) {
      if (body.length > 0) throw new ProtocolError('dtls.bad-server-hello-done', 'length');
      this.state = 'finished';
      this.answer();
    } else throw new ProtocolError('dtls.unexpected-message', `type ${type}, not ${state}`);
  }

  private onServerHello(hello: ServerHello): void {
    if (hello.version !== DTLS_1_2)
      throw new ProtocolError('dtls.version', `the server chose ${hello.version.toString(16)}`);
    const suite = this.suites.includes(hello.suite) ? cipherSuite(hello.suite) : undefined;
    if (suite === undefined)
      throw new ProtocolError('dtls.illegal-parameter', `suite ${hello.suite.toString(16)}`);
    if (hello.unknownExtension !== -1)
      throw new ProtocolError('dtls.unsupported-extension', hello.unknownExtension);
    if (hello.renegotiationInfo !== null && hello.renegotiationInfo.length > 0)
      throw new ProtocolError('dtls.renegotiation', 'answer with renegotiation data');
    if (hello.srtpProfile === 0 && this.srtpProfiles.length > 0)
      throw new ProtocolError('dtls.no-common-srtp-profile', 'the server chose none');
    if (hello.srtpProfile !== 0 && !this.srtpProfiles.includes(hello.srtpProfile))
      throw new ProtocolError('dtls.illegal-parameter', `SRTP profile ${hello.srtpProfile}`);
    this.suite = suite;
    this.srtpProfile = hello.srtpProfile;
    this.serverRandom = hello.random;
    this.hasExtendedMasterSecret = hello.hasExtendedMasterSecret;
    this.connection.writer.plainVersion = DTLS_1_2;
  }

  private onCertificate(body: Uint8Array): void {
    this.serverKey = peerPublicKey(body, this.options.remoteFingerprint);
    if (tlsKeyType(this.serverKey) !== this.suite?.keyType)
      throw new ProtocolError('dtls.unsupported-certificate', 'its key is not that of the suite');
  }

  private onServerKeyExchange(exchange: ServerKeyExchange): void {
    const { group, parameters, publicKey, scheme, signature } = exchange;
    const curve = this.groups.includes(group) ? curveOfGroup(group) : null;
    if (curve === null) throw new ProtocolError('dtls.illegal-parameter', `group ${group}`);
    const signed = Buffer.concat([this.clientRandom, this.serverRandom, parameters]);
    if (this.serverKey === null || !verifyTls(scheme, this.serverKey, signed, signature))
      throw new ProtocolError('dtls.bad-signature', 'of the server');
    this.ephemeral = new EphemeralKey(curve);
    const secret = this.ephemeral.agree(publicKey);
    if (secret === null) throw new ProtocolError('dtls.illegal-parameter', 'public key of the server');
    this.secret = secret;
  }

  private answer(): void {
    const { connection, ephemeral, suite } = this;
    if (suite === null || ephemeral === null) throw new InvariantError('an answer without a suite');
    const { certificate } = this.options;
    const scheme =
      this.requestedSchemes === null
        ? -1
        : chooseSignatureScheme(certificate.privateKey, this.requestedSchemes);
    connection.beginFlight();
    if (this.requestedSchemes !== null)
      connection.add(
        DTLS_HANDSHAKE.certificate,
        serializeCertificates(scheme === -1 ? [] : [certificate.certDer]),
      );
    connection.add(DTLS_HANDSHAKE.clientKeyExchange, serializeClientKeyExchange(ephemeral.publicKey));
    const sessionHash = this.hasExtendedMasterSecret ? connection.transcript.hash(suite) : null;
    const master = masterSecret(suite, this.secret, sessionHash, this.clientRandom, this.serverRandom);
    connection.useKeys(new KeySchedule(suite, master, this.clientRandom, this.serverRandom));
    this.ephemeral = null;
    this.serverKey = null;
    this.secret = NOTHING;
    // A view of a message would keep it as long as the connection lives.
    this.serverRandom = NOTHING;
    if (scheme !== -1) {
      const signature = signTls(scheme, certificate.privateKey, connection.transcript.bytes());
      connection.add(DTLS_HANDSHAKE.certificateVerify, serializeCertificateVerify({ scheme, signature }));
    }
    connection.addFinished();
    connection.sendFlight(true);
  }
}
