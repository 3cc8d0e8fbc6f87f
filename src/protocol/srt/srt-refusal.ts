/** Why a caller is refused, as a number of SRT (libsrt's access control guideline: 1000 + the code of HTTP). */
import { RejectedError, type RejectReason } from '../../util/errors.ts';
import { SRT_REJECT } from '../../wire/srt/reject.ts';
import { StreamIdError } from './stream-request.ts';

const CODES: Readonly<Record<RejectReason, number>> = {
  busy: SRT_REJECT.conflict,
  denied: SRT_REJECT.forbidden,
  'not-found': SRT_REJECT.notFound,
  limit: SRT_REJECT.overload,
  'bad-request': SRT_REJECT.badRequest,
  unsupported: SRT_REJECT.unsupportedMedia,
  'shutting-down': SRT_REJECT.serviceDown,
  loop: SRT_REJECT.loop,
};

/** The number that a caller is told for an error. */
export function refusalCode(error: unknown): number {
  if (error instanceof StreamIdError) return error.code;
  return error instanceof RejectedError ? CODES[error.reason] : SRT_REJECT.internalServerError;
}
