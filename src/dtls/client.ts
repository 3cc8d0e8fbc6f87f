/**
 * The client's side of a DTLS 1.2 handshake: full handshakes with ECDHE (RFC 5246 section 7.3, RFC 8422), certificate of
 * our own when the server asks for one. Left out: session resumption, tickets, renegotiation.
 */
import { randomBytes } from 'node:crypto';
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
import { cipherSuite, curveOfGroup } from './cipher-suites.ts';
import { DtlsEnd, NOTHING } from './end.ts';
import { peerPublicKey } from './peer-certificate.ts';
import type { DtlsEvents, DtlsOptions } from './settings.ts';

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

export class DtlsClient extends DtlsEnd {
  private state: State;
  private cookies: number;
  private secret: Uint8Array;
  /** Schemes that the server takes from us; null: it wants no certificate. */
  private requestedSchemes: readonly number[] | null;

  constructor(options: DtlsOptions, events: DtlsEvents, nowUs: number) {
    super(true, options, events, nowUs);
    this.clientRandom = randomBytes(DTLS_RANDOM_BYTES);
    this.state = 'new';
    this.cookies = 0;
    this.secret = NOTHING;
    this.requestedSchemes = null;
  }

  /** Sends the first hello; further calls do nothing. */
  start(nowUs: number): void {
    if (this.state !== 'new' || this.connection.closed) return;
    this.state = 'hello';
    this.connection.restartDeadline(nowUs);
    this.connection.writer.plainVersion = DTLS_1_0;
    this.sendHello(NOTHING);
  }

  /** Before `start` nothing is read. */
  override receive(datagram: Uint8Array, nowUs: number): void {
    if (this.state !== 'new') this.connection.receive(datagram, nowUs);
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

  protected override onMessage(type: number, message: Buffer): void {
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
    this.peerKey = peerPublicKey(body, this.options.remoteFingerprint);
    if (tlsKeyType(this.peerKey) !== this.suite?.keyType)
      throw new ProtocolError('dtls.unsupported-certificate', 'its key is not that of the suite');
  }

  private onServerKeyExchange(exchange: ServerKeyExchange): void {
    const { group, parameters, publicKey, scheme, signature } = exchange;
    const curve = this.groups.includes(group) ? curveOfGroup(group) : null;
    if (curve === null) throw new ProtocolError('dtls.illegal-parameter', `group ${group}`);
    const { peerKey } = this;
    if (peerKey === null || !verifyTls(scheme, peerKey, this.signedParameters(parameters), signature))
      throw new ProtocolError('dtls.bad-signature', 'of the server');
    this.peerKey = null;
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
    this.useSecret(suite, this.secret);
    this.secret = NOTHING;
    if (scheme !== -1) {
      const signature = signTls(scheme, certificate.privateKey, connection.transcript.bytes());
      connection.add(DTLS_HANDSHAKE.certificateVerify, serializeCertificateVerify({ scheme, signature }));
    }
    connection.addFinished();
    connection.sendFlight(true);
  }
}
