/** Answers as bytes, and the status that a refusal has in RTSP (RFC 2326 section 7.1). */
import type { RejectReason } from '../../util/errors.ts';
import { RtspHeaders, type RtspRequest, rtspResponse, serializeRtsp } from '../../wire/rtsp/rtsp-message.ts';

/** Header fields of an answer, in order. */
export type Fields = readonly (readonly [name: string, value: string])[];

export const STATUS_OF: Readonly<Record<RejectReason, number>> = {
  busy: 403,
  denied: 403,
  'not-found': 404,
  limit: 453,
  'bad-request': 400,
  unsupported: 415,
  'shutting-down': 503,
  loop: 403,
};

const MAX_CSEQ_LENGTH = 32;
const MAX_REASON_LENGTH = 240;

export interface AnswerParts {
  readonly fields?: Fields;
  readonly body?: Uint8Array;
  /** A sentence in place of the usual words of the status: programs show it to people. */
  readonly reason?: string;
}

export function serializeAnswer(
  request: RtspRequest,
  status: number,
  version: string,
  wallMs: number,
  { fields = [], body, reason = '' }: AnswerParts,
): Buffer {
  const headers = new RtspHeaders();
  const cseq = request.headers.get('CSeq');
  if (cseq !== '') headers.add('CSeq', cseq.slice(0, MAX_CSEQ_LENGTH));
  headers.add('Server', `Sluice/${version}`);
  headers.add('Date', new Date(wallMs).toUTCString());
  for (const [name, value] of fields) headers.add(name, value);
  const response = rtspResponse(status, headers, body);
  return serializeRtsp(
    reason === '' ? response : { ...response, reason: reason.slice(0, MAX_REASON_LENGTH) },
  );
}
