/**
 * The server's side of a DTLS 1.2 handshake: full handshakes with ECDHE (RFC 5246 section 7.3, RFC 8422). Clients that
 * offer 1.3 as well get 1.2; the random carries no mark of a downgrade (RFC 8446 section 4.1.3), because that is for
 * servers that know 1.3. Left out: session resumption, tickets, renegotiation.
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
  parseCertificateVerify,
  serializeCertificateRequest,
  serializeCertificates,
} from '../wire/dtls/certificates.ts';
import { type ClientHello, DTLS_RANDOM_BYTES, parseClientHello } from '../wire/dtls/client-hello.ts';
import { DTLS_HANDSHAKE_HEADER_BYTES } from '../wire/dtls/handshake-header.ts';
import {
  keyExchangeParameters,
  parseClientKeyExchange,
  serializeServerKeyExchange,
} from '../wire/dtls/key-exchange.ts';
import { DTLS_1_0, DTLS_1_2, DTLS_HANDSHAKE, DTLS_SUITE, TLS_GROUP } from '../wire/dtls/numbers.ts';
import { serializeServerHello } from '../wire/dtls/server-hello.ts';
import { type CipherSuite, cipherSuite, curveOfGroup } from './cipher-suites.ts';
import { DtlsEnd, NOTHING } from './end.ts';
import { peerPublicKey } from './peer-certificate.ts';
import type { DtlsEvents, DtlsServerOptions } from './settings.ts';

export class DtlsServer extends DtlsEnd {
  private readonly events: DtlsEvents;
  private readonly requireCookie: DtlsServerOptions['requireCookie'];
  private isAddressProven: boolean;
  /** Type of the message that must come next. */
  private expected: number;

  constructor(options: DtlsServerOptions, events: DtlsEvents, nowUs: number) {
    super(false, options, events, nowUs);
    this.events = events;
    this.requireCookie = options.requireCookie;
    this.isAddressProven = options.requireCookie === undefined;
    this.expected = DTLS_HANDSHAKE.clientHello;
  }

  override receive(datagram: Uint8Array, nowUs: number): void {
    const { requireCookie } = this;
    if (!this.isAddressProven && requireCookie !== undefined && !this.connection.closed) {
      const { address, cookie } = requireCookie;
      const verdict = cookie.screen(datagram, address, nowUs);
      if (verdict === 'challenged') this.events.send(cookie.reply);
      if (verdict !== 'accepted') return;
      this.isAddressProven = true;
      this.connection.beginAt(cookie.fragment.sequence, cookie.record.sequence);
    }
    this.connection.receive(datagram, nowUs);
  }

  protected override onMessage(type: number, message: Buffer): void {
    if (type !== this.expected)
      throw new ProtocolError('dtls.unexpected-message', `type ${type} instead of ${this.expected}`);
    const body = message.subarray(DTLS_HANDSHAKE_HEADER_BYTES);
    switch (type) {
      case DTLS_HANDSHAKE.clientHello:
        this.connection.transcript.add(message);
        this.onClientHello(parseClientHello(body));
        break;
      case DTLS_HANDSHAKE.certificate:
        this.connection.transcript.add(message);
        this.peerKey = peerPublicKey(body, this.options.remoteFingerprint);
        this.expected = DTLS_HANDSHAKE.clientKeyExchange;
        break;
      case DTLS_HANDSHAKE.clientKeyExchange:
        this.connection.transcript.add(message);
        this.onClientKeyExchange(body);
        break;
      case DTLS_HANDSHAKE.certificateVerify:
        this.onCertificateVerify(body);
        this.connection.transcript.add(message);
        break;
      default:
        this.onFinished(message);
    }
  }

  private onClientHello(hello: ClientHello): void {
    checkVersion(hello);
    if (hello.renegotiationInfo !== null && hello.renegotiationInfo.length > 0)
      throw new ProtocolError('dtls.renegotiation', 'first hello with renegotiation data');
    if (hello.pointFormats !== null && !hello.pointFormats.includes(0))
      throw new ProtocolError('dtls.illegal-parameter', 'no uncompressed points');
    const { certificate, remoteFingerprint } = this.options;
    const { connection } = this;
    const suite = this.chooseSuite(hello);
    const group = this.chooseGroup(hello);
    const scheme = chooseSignatureScheme(certificate.privateKey, hello.signatureSchemes ?? []);
    if (scheme === -1) throw new ProtocolError('dtls.no-common-signature', list(hello.signatureSchemes));
    this.suite = suite;
    this.srtpProfile = this.chooseSrtpProfile(hello);
    this.hasExtendedMasterSecret = hello.hasExtendedMasterSecret;
    this.clientRandom = hello.random;
    this.serverRandom = randomBytes(DTLS_RANDOM_BYTES);
    const isRenegotiationKnown =
      hello.renegotiationInfo !== null || hello.suites.includes(DTLS_SUITE.emptyRenegotiationInfo);
    connection.beginFlight();
    connection.add(
      DTLS_HANDSHAKE.serverHello,
      serializeServerHello({
        version: DTLS_1_2,
        random: this.serverRandom,
        suite: suite.id,
        srtpProfile: this.srtpProfile,
        hasPointFormats: hello.pointFormats !== null,
        hasExtendedMasterSecret: hello.hasExtendedMasterSecret,
        renegotiationInfo: isRenegotiationKnown ? NOTHING : null,
        unknownExtension: -1,
      }),
    );
    connection.add(DTLS_HANDSHAKE.certificate, serializeCertificates([certificate.certDer]));
    const curve = curveOfGroup(group);
    if (curve === null) throw new InvariantError(`group ${group} has no curve`);
    this.ephemeral = new EphemeralKey(curve);
    const parameters = keyExchangeParameters(group, this.ephemeral.publicKey);
    const signature = signTls(scheme, certificate.privateKey, this.signedParameters(parameters));
    connection.add(
      DTLS_HANDSHAKE.serverKeyExchange,
      serializeServerKeyExchange(parameters, scheme, signature),
    );
    if (remoteFingerprint !== undefined)
      connection.add(DTLS_HANDSHAKE.certificateRequest, serializeCertificateRequest(TLS_SIGNATURE_SCHEMES));
    connection.add(DTLS_HANDSHAKE.serverHelloDone, NOTHING);
    this.expected =
      remoteFingerprint === undefined ? DTLS_HANDSHAKE.clientKeyExchange : DTLS_HANDSHAKE.certificate;
    connection.sendFlight(true);
  }

  private onClientKeyExchange(body: Uint8Array): void {
    const secret = this.ephemeral?.agree(parseClientKeyExchange(body)) ?? null;
    if (secret === null || this.suite === null)
      throw new ProtocolError('dtls.illegal-parameter', 'public key of the client');
    this.useSecret(this.suite, secret);
    this.expected = this.peerKey === null ? DTLS_HANDSHAKE.finished : DTLS_HANDSHAKE.certificateVerify;
  }

  private onCertificateVerify(body: Uint8Array): void {
    const { scheme, signature } = parseCertificateVerify(body);
    const { connection, peerKey } = this;
    if (peerKey === null || !verifyTls(scheme, peerKey, connection.transcript.bytes(), signature))
      throw new ProtocolError('dtls.bad-signature', 'of the client');
    this.peerKey = null;
    this.expected = DTLS_HANDSHAKE.finished;
  }

  private onFinished(message: Buffer): void {
    const { connection } = this;
    connection.checkFinished(message);
    connection.beginFlight();
    connection.addFinished();
    connection.sendFlight(false);
    connection.finish(this.srtpProfile);
  }

  private chooseSuite(hello: ClientHello): CipherSuite {
    const keyType = tlsKeyType(this.options.certificate.privateKey);
    for (const id of this.suites) {
      const suite = cipherSuite(id);
      if (suite !== undefined && suite.keyType === keyType && hello.suites.includes(id)) return suite;
    }
    throw new ProtocolError('dtls.no-common-suite', list(hello.suites));
  }

  private chooseGroup(hello: ClientHello): number {
    // A client that names no groups leaves the choice to us (RFC 8422 section 4).
    if (hello.groups === null) return TLS_GROUP.p256;
    for (const group of this.groups) if (hello.groups.includes(group)) return group;
    throw new ProtocolError('dtls.no-common-group', list(hello.groups));
  }

  private chooseSrtpProfile(hello: ClientHello): number {
    if (this.srtpProfiles.length === 0) return 0;
    for (const profile of this.srtpProfiles)
      if (hello.srtpProfiles?.includes(profile) === true) return profile;
    throw new ProtocolError('dtls.no-common-srtp-profile', list(hello.srtpProfiles));
  }
}

/** Versions count downwards. Who names versions in the extension means these and not the field. */
function checkVersion(hello: ClientHello): void {
  const { supportedVersions, version } = hello;
  const is12 =
    supportedVersions === null
      ? version >>> 8 === DTLS_1_0 >>> 8 && version <= DTLS_1_2
      : supportedVersions.includes(DTLS_1_2);
  if (!is12) throw new ProtocolError('dtls.version', list(supportedVersions ?? [version]));
}

/** For a log line; lists of peers may be long. */
function list(numbers: readonly number[] | null): string {
  if (numbers === null || numbers.length === 0) return 'nothing offered';
  const text = numbers.slice(0, 32).map((number) => number.toString(16));
  return `offered ${text.join(' ')}`;
}
