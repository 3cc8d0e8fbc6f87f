/** The connect command: what the peer tells, and the answer (RTMP 1.0 section 7.2.1.1, enhanced RTMP v2). */
import { FOUR_CCS, OWN_CAPS, VIA_PROPERTY } from '../../client/rtmp/connect-object.ts';
import type { RtmpConnection } from '../../client/rtmp/rtmp-connection.ts';
import { parseVia } from '../../runtime/stream-loop.ts';
import type { AmfObject } from '../../wire/amf/amf-value.ts';
import { type Command, connectResult, errorResult, parseConnect, STATUS } from '../../wire/rtmp/command.ts';
import { acceptedFourCcs, CAPS_MULTITRACK, enhancedAnswer } from '../../wire/rtmp/enhanced.ts';
import { parseStreamAddress } from '../../wire/rtmp/rtmp-url.ts';

export interface ConnectRequest {
  readonly tcUrl: string;
  readonly app: string;
  /** Host that the peer typed, or the vhost= of its URL. */
  readonly host: string;
  readonly pageUrl: string;
  readonly flashVersion: string;
  /** FourCCs that the peer takes; null = it did not say. */
  readonly fourCcs: ReadonlySet<string> | null;
  readonly multitrack: boolean;
  /** Ids of the Sluice servers that the stream came through. */
  readonly via: readonly string[];
  /** What the answer tells of enhanced RTMP, as far as the peer knows it. */
  readonly answer: AmfObject;
  readonly objectEncoding: number;
}

export function readConnect(command: Command): ConnectRequest {
  const info = parseConnect(command);
  const via = command.object?.[VIA_PROPERTY];
  const { vhost } = parseStreamAddress(info.tcUrl, info.app, '');
  return {
    tcUrl: info.tcUrl,
    app: info.app,
    host: vhost,
    pageUrl: info.pageUrl,
    flashVersion: info.flashVer,
    fourCcs: knownFourCcs(acceptedFourCcs(info)),
    multitrack: (info.capsEx & CAPS_MULTITRACK) !== 0,
    via: typeof via === 'string' ? parseVia(via) : [],
    answer: enhancedAnswer(info, OWN_CAPS),
    objectEncoding: info.objectEncoding,
  };
}

/** Codecs that we never send make no difference, and must not make players ask for bytes of their own. */
function knownFourCcs(accepted: ReadonlySet<string> | null): ReadonlySet<string> | null {
  return accepted && new Set(FOUR_CCS.filter((fourCc) => accepted.has(fourCc)));
}

export function answerConnect(
  connection: RtmpConnection,
  command: Command,
  request: ConnectRequest,
  chunkSize: number,
  windowAckBytes: number,
): void {
  connection.announceWindow(windowAckBytes);
  connection.announcePeerBandwidth(windowAckBytes);
  connection.announceChunkSize(chunkSize);
  connection.sendCommand(0, connectResult(command.transactionId, request.objectEncoding, request.answer));
}

export function refuseConnect(connection: RtmpConnection, command: Command, description: string): void {
  connection.sendCommand(0, errorResult(command.transactionId, STATUS.connectRejected, description));
}
