/**
 * Command and data messages (RTMP 1.0 section 7.2 and its examples): parsing of all, and the builders that servers
 * and clients need. Commands come as AMF0 (type 20) or in the AMF3 form (type 17: a zero byte, then AMF0 that may
 * lead into AMF3); answers are always AMF0, which AMF3 clients take.
 */
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import {
  AMF_DEFAULT_LIMITS,
  type AmfLimits,
  type AmfObject,
  type AmfValue,
  isAmfObject,
  makeAmfObject,
} from '../amf/amf-value.ts';
import { readAmf0All, writeAmf0 } from '../amf/amf0.ts';
import { type EnhancedCapabilities, readEnhancedCapabilities } from './enhanced.ts';
import { MESSAGE_COMMAND_AMF3, MESSAGE_DATA_AMF3 } from './message.ts';

const MAX_NAME_LENGTH = 128;
/** Of every text taken from the connect object. */
const MAX_CONNECT_TEXT = 4096;
const SERVER_VERSION = 'FMS/3,5,7,7009';
/** The value Adobe's server sends; clients look at it only to see that it is there. */
const SERVER_CAPABILITIES = 31;

export interface Command {
  readonly name: string;
  /** 0 when the sender wants no answer. GStreamer's rtmp2sink sends 0 for everything behind connect. */
  readonly transactionId: number;
  /** The command object; null for the many commands that have none. */
  readonly object: AmfObject | null;
  readonly args: readonly AmfValue[];
}

interface DataMessage {
  /** Handler name such as `onMetaData`, also when it was wrapped in `@setDataFrame`. */
  readonly name: string;
  /** The server is asked to keep it for players that join later. */
  readonly isDataFrame: boolean;
  readonly values: readonly AmfValue[];
}

/** The `code` of onStatus, _result and _error. */
export const STATUS = {
  connectSuccess: 'NetConnection.Connect.Success',
  connectRejected: 'NetConnection.Connect.Rejected',
  connectFailed: 'NetConnection.Connect.Failed',
  connectInvalidApp: 'NetConnection.Connect.InvalidApp',
  connectClosed: 'NetConnection.Connect.Closed',
  connectAppShutdown: 'NetConnection.Connect.AppShutdown',
  connectReconnectRequest: 'NetConnection.Connect.ReconnectRequest',
  callFailed: 'NetConnection.Call.Failed',
  streamFailed: 'NetStream.Failed',
  publishStart: 'NetStream.Publish.Start',
  publishBadName: 'NetStream.Publish.BadName',
  publishDenied: 'NetStream.Publish.Denied',
  publishIdle: 'NetStream.Publish.Idle',
  unpublishSuccess: 'NetStream.Unpublish.Success',
  playReset: 'NetStream.Play.Reset',
  playStart: 'NetStream.Play.Start',
  playStop: 'NetStream.Play.Stop',
  playComplete: 'NetStream.Play.Complete',
  playFailed: 'NetStream.Play.Failed',
  playStreamNotFound: 'NetStream.Play.StreamNotFound',
  playPublishNotify: 'NetStream.Play.PublishNotify',
  playUnpublishNotify: 'NetStream.Play.UnpublishNotify',
  playInsufficientBandwidth: 'NetStream.Play.InsufficientBW',
  playNoSupportedTrack: 'NetStream.Play.NoSupportedTrackFound',
  pauseNotify: 'NetStream.Pause.Notify',
  unpauseNotify: 'NetStream.Unpause.Notify',
  seekNotify: 'NetStream.Seek.Notify',
  seekFailed: 'NetStream.Seek.Failed',
  dataStart: 'NetStream.Data.Start',
} as const;

export type StatusLevel = 'status' | 'warning' | 'error';

/** Throws ProtocolError. */
export function parseCommand(
  typeId: number,
  payload: Uint8Array,
  limits: AmfLimits = AMF_DEFAULT_LIMITS,
): Command {
  const values = readAmf0All(typeId === MESSAGE_COMMAND_AMF3 ? skipFormatByte(payload) : payload, limits);
  const name = values[0];
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH) {
    throw new ProtocolError('rtmp.bad-command', 'no name');
  }
  const transactionId = typeof values[1] === 'number' ? values[1] : 0;
  const third = values[2];
  const object = isAmfObject(third) ? third : null;
  // A third value that is no command object can only be an argument.
  const isArgument = object === null && third !== null && third !== undefined;
  return { name, transactionId, object, args: values.slice(isArgument ? 2 : 3) };
}

/** Throws ProtocolError. */
export function parseData(
  typeId: number,
  payload: Uint8Array,
  limits: AmfLimits = AMF_DEFAULT_LIMITS,
): DataMessage {
  const values = readAmf0All(typeId === MESSAGE_DATA_AMF3 ? skipFormatByte(payload) : payload, limits);
  const isDataFrame = values[0] === '@setDataFrame';
  const name = values[isDataFrame ? 1 : 0];
  if (typeof name !== 'string' || name.length > MAX_NAME_LENGTH)
    throw new ProtocolError('rtmp.bad-data', 'no name');
  return { name, isDataFrame, values: values.slice(isDataFrame ? 2 : 1) };
}

function skipFormatByte(payload: Uint8Array): Uint8Array {
  // Some senders leave it out; no AMF0 message can begin with a number, which is what 0 would mean.
  return payload.length > 0 && payload[0] === 0 ? payload.subarray(1) : payload;
}

/** Payload of a type 20 message. */
export function serializeCommand(
  name: string,
  transactionId: number,
  object: AmfObject | null,
  ...args: AmfValue[]
): Buffer {
  const writer = new ByteWriter();
  writeAmf0(writer, name);
  writeAmf0(writer, transactionId);
  writeAmf0(writer, object);
  for (const arg of args) writeAmf0(writer, arg);
  return writer.finish();
}

/** Payload of a type 18 message; publishers send the name `@setDataFrame` and then the handler's. */
export function serializeData(name: string, ...values: AmfValue[]): Buffer {
  const writer = new ByteWriter();
  writeAmf0(writer, name);
  for (const value of values) writeAmf0(writer, value);
  return writer.finish();
}

/** Members of an object literal on an object without prototype. */
export function amfObject(fields: Readonly<Record<string, AmfValue>>): AmfObject {
  return Object.assign(makeAmfObject(), fields);
}

function information(
  level: StatusLevel,
  code: string,
  description: string,
  extra: AmfObject | null,
): AmfObject {
  return Object.assign(amfObject({ level, code, description }), extra);
}

/** Positive answer to connect. `extra` joins the information object (see `enhancedAnswer`). */
export function connectResult(
  transactionId: number,
  objectEncoding: number,
  extra: AmfObject | null = null,
): Buffer {
  const properties = amfObject({ fmsVer: SERVER_VERSION, capabilities: SERVER_CAPABILITIES, mode: 1 });
  const info = information('status', STATUS.connectSuccess, 'Connection succeeded.', null);
  info['objectEncoding'] = objectEncoding;
  return serializeCommand('_result', transactionId, properties, Object.assign(info, extra));
}

/** Negative answer to connect or to any other call. */
export function errorResult(transactionId: number, code: string, description: string): Buffer {
  return serializeCommand('_error', transactionId, null, information('error', code, description, null));
}

/** Positive answer to createStream. */
export function createStreamResult(transactionId: number, streamId: number): Buffer {
  return serializeCommand('_result', transactionId, null, streamId);
}

/** Positive answer to a call that returns nothing of interest (releaseStream, FCPublish, _checkbw). */
export function emptyResult(transactionId: number): Buffer {
  return serializeCommand('_result', transactionId, null, undefined);
}

/** `extra` adds members such as `details` or `clientid`. */
export function onStatus(
  level: StatusLevel,
  code: string,
  description: string,
  extra: AmfObject | null = null,
): Buffer {
  return serializeCommand('onStatus', 0, null, information(level, code, description, extra));
}

/** onFCPublish, onFCUnpublish, onFCSubscribe: FMLE-style clients wait for the first. */
export function onFastCall(name: string, code: string, description: string): Buffer {
  return serializeCommand(name, 0, null, information('status', code, description, null));
}

export function onBandwidthDone(): Buffer {
  return serializeCommand('onBWDone', 0, null);
}

interface ConnectInfo extends EnhancedCapabilities {
  readonly app: string;
  readonly tcUrl: string;
  readonly pageUrl: string;
  readonly swfUrl: string;
  readonly flashVer: string;
  /** 0 or 3; what it is told back decides what Flash sends from then on. */
  readonly objectEncoding: number;
}

/** Reads a connect command; missing and mistyped members become '' and 0. Throws ProtocolError. */
export function parseConnect(command: Command): ConnectInfo {
  const object = command.object ?? makeAmfObject();
  const enhanced = readEnhancedCapabilities(object);
  return {
    app: connectText(object, 'app'),
    tcUrl: connectText(object, 'tcUrl'),
    pageUrl: connectText(object, 'pageUrl'),
    swfUrl: connectText(object, 'swfUrl'),
    flashVer: connectText(object, 'flashVer'),
    objectEncoding: object['objectEncoding'] === 3 ? 3 : 0,
    fourCcList: enhanced.fourCcList,
    videoFourCcInfoMap: enhanced.videoFourCcInfoMap,
    audioFourCcInfoMap: enhanced.audioFourCcInfoMap,
    capsEx: enhanced.capsEx,
  };
}

function connectText(object: AmfObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string') return '';
  if (value.length > MAX_CONNECT_TEXT) throw new ProtocolError('rtmp.connect-too-long', name);
  return value;
}
