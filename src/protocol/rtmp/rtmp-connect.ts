/** The connect command: what the peer tells, and the answer (RTMP 1.0 section 7.2.1.1, enhanced RTMP v2). */
import type { AmfObject } from '../../wire/amf/amf-value.ts';
import {
  amfObject,
  type Command,
  connectResult,
  errorResult,
  parseConnect,
  STATUS,
} from '../../wire/rtmp/command.ts';
import { acceptedFourCcs, CAPS_MOD_EX, CAPS_MULTITRACK, enhancedAnswer } from '../../wire/rtmp/enhanced.ts';
import { parseStreamAddress } from '../../wire/rtmp/rtmp-url.ts';
import type { RtmpConnection } from './rtmp-connection.ts';

/** Property of the connect object by which Sluice servers see that a stream came through them already. */
const VIA_PROPERTY = 'sluiceVia';
const MAX_VIA_LENGTH = 512;
const OWN_CAPS = CAPS_MULTITRACK | CAPS_MOD_EX;
/** Codecs that we can take from a publisher and pass on. */
const FOUR_CCS = ['avc1', 'hvc1', 'av01', 'vp08', 'vp09', 'mp4a', 'Opus', 'fLaC', 'ac-3', 'ec-3', '.mp3'];

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
    via:
      typeof via === 'string'
        ? via
            .slice(0, MAX_VIA_LENGTH)
            .split(',')
            .filter((id) => id !== '')
        : [],
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

/** What we say of ourselves when we connect to another server. */
export function connectObject(app: string, tcUrl: string, via: readonly string[]): AmfObject {
  return amfObject({
    app,
    type: 'nonprivate',
    flashVer: 'FMLE/3.0 (compatible; Sluice)',
    tcUrl,
    fourCcList: FOUR_CCS,
    capsEx: OWN_CAPS,
    [VIA_PROPERTY]: via.join(','),
  });
}
