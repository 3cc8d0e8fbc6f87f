/** Answers to binding requests (RFC 8489 sections 6.3 and 9.1.3, RFC 8445 section 7.3), shared by both kinds of agent. */
import type { StunKey } from '../wire/stun/stun-key.ts';
import { STUN_ERROR, STUN_SUCCESS, type StunMessage, serializeStun } from '../wire/stun/stun-message.ts';
import type { TransportAddress } from './transport-address.ts';

export const BAD_REQUEST = 400;
export const UNAUTHENTICATED = 401;
/** The answer names the types that we do not understand. */
export const UNKNOWN_ATTRIBUTE = 420;
export const ROLE_CONFLICT = 487;

const REASONS: Readonly<Record<number, string>> = {
  [BAD_REQUEST]: 'Bad Request',
  [UNAUTHENTICATED]: 'Unauthenticated',
  [UNKNOWN_ATTRIBUTE]: 'Unknown Attribute',
  [ROLE_CONFLICT]: 'Role Conflict',
};

/** Tells the peer where its packet came from. */
export function successAnswer(request: StunMessage, from: TransportAddress, key: StunKey): Buffer {
  return serializeStun(
    { messageClass: STUN_SUCCESS, transactionId: request.transactionId, xorMappedAddress: from },
    key,
  );
}

/** `key` null where the credential is what is wrong: the peer could not check our code. */
export function errorAnswer(request: StunMessage, errorCode: number, key: StunKey | null): Buffer {
  return serializeStun(
    {
      messageClass: STUN_ERROR,
      transactionId: request.transactionId,
      errorCode,
      errorReason: REASONS[errorCode] ?? '',
      unknownAttributes: errorCode === UNKNOWN_ATTRIBUTE ? request.notUnderstood : [],
    },
    key,
  );
}
