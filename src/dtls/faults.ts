/** Why a handshake fails, and the alert that tells the peer (RFC 5246 section 7.2.2). */
import { DTLS_ALERT } from '../wire/dtls/alert.ts';

const ALERTS: ReadonlyMap<string, number> = new Map([
  ['dtls.unexpected-message', DTLS_ALERT.unexpectedMessage],
  ['dtls.version', DTLS_ALERT.protocolVersion],
  ['dtls.no-common-suite', DTLS_ALERT.handshakeFailure],
  ['dtls.no-common-group', DTLS_ALERT.handshakeFailure],
  ['dtls.no-common-signature', DTLS_ALERT.handshakeFailure],
  ['dtls.no-common-srtp-profile', DTLS_ALERT.handshakeFailure],
  ['dtls.renegotiation', DTLS_ALERT.handshakeFailure],
  ['dtls.no-certificate', DTLS_ALERT.handshakeFailure],
  ['dtls.fingerprint', DTLS_ALERT.badCertificate],
  ['dtls.bad-certificate', DTLS_ALERT.badCertificate],
  ['dtls.unsupported-certificate', DTLS_ALERT.unsupportedCertificate],
  ['dtls.illegal-parameter', DTLS_ALERT.illegalParameter],
  ['dtls.unsupported-extension', DTLS_ALERT.unsupportedExtension],
  ['dtls.bad-signature', DTLS_ALERT.decryptError],
  ['dtls.bad-finished', DTLS_ALERT.decryptError],
  ['dtls.internal', DTLS_ALERT.internalError],
]);

/** Messages that cannot be read are the rest. */
export function alertOfFault(code: string): number {
  return ALERTS.get(code) ?? DTLS_ALERT.decodeError;
}
