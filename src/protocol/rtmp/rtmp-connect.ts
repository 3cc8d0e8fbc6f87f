/** The connect command: what the peer tells, and the answer (RTMP 1.0 section 7.2.1.1, enhanced RTMP v2). */
import type { AmfObject } from '../../wire/amf/amf-value.ts';
import { type Command, parseConnect, serializeCommand } from '../../wire/rtmp/command.ts';
import { parseStreamAddress } from '../../wire/rtmp/rtmp-url.ts';
import type { RtmpConnection } from './rtmp-connection.ts';

/** Property of the connect object by which Sluice servers see that a stream came through them already. */
export const VIA_PROPERTY = 'sluiceVia';
const MAX_VIA_LENGTH = 512;
const CAPS_MULTITRACK = 2;
const CAPS_MODEX = 4;
const FOUR_CCS = ['avc1', 'hvc1', 'av01', 'vp08', 'vp09', 'mp4a', 'Opus', 'fLaC', 'ac-3', 'ec-3', '.mp3'];
/** Flash Media Server's version and capabilities: old encoders look at them. */
const SERVER_VERSION = 'FMS/3,5,3,888';
const SERVER_CAPABILITIES = 127;

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
  readonly objectEncoding: number;
}

export function readConnect(command: Command): ConnectRequest {
  const info = parseConnect(command);
  const listed = info.fourCcList;
  const fourCcs = listed === null || listed.includes('*') ? null : new Set(listed);
  const via = command.object?.[VIA_PROPERTY];
  const { vhost } = parseStreamAddress(info.tcUrl, info.app, '');
  return {
    tcUrl: info.tcUrl,
    app: info.app,
    host: vhost,
    pageUrl: info.pageUrl,
    flashVersion: info.flashVer,
    fourCcs,
    multitrack: (info.capsEx & CAPS_MULTITRACK) !== 0,
    via: typeof via === 'string' ? via.slice(0, MAX_VIA_LENGTH).split(',').filter((id) => id !== '') : [],
    objectEncoding: info.objectEncoding,
  };
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
  const properties: AmfObject = {
    fmsVer: SERVER_VERSION,
    capabilities: SERVER_CAPABILITIES,
    mode: 1,
  };
  const info: AmfObject = {
    level: 'status',
    code: 'NetConnection.Connect.Success',
    description: 'Connection succeeded.',
    objectEncoding: request.objectEncoding,
    data: { version: 'Sluice' },
    fourCcList: FOUR_CCS,
    capsEx: CAPS_MULTITRACK | CAPS_MODEX,
  };
  connection.sendCommand(0, serializeCommand('_result', command.transactionId, properties, info));
}

export function refuseConnect(connection: RtmpConnection, command: Command, description: string): void {
  const info: AmfObject = { level: 'error', code: 'NetConnection.Connect.Rejected', description };
  connection.sendCommand(0, serializeCommand('_error', command.transactionId, null, info));
}

/** What we say of ourselves when we connect to another server. */
export function connectObject(app: string, tcUrl: string, via: readonly string[]): AmfObject {
  return {
    app,
    type: 'nonprivate',
    flashVer: 'FMLE/3.0 (compatible; Sluice)',
    tcUrl,
    fourCcList: FOUR_CCS,
    capsEx: CAPS_MULTITRACK | CAPS_MODEX,
    [VIA_PROPERTY]: via.join(','),
  };
}
