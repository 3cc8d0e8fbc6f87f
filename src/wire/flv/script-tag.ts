/**
 * Body of a script tag, which is also the payload of an RTMP data message: a name and values in AMF0 (Adobe FLV 10.1,
 * annex E.4.4). Publishers wrap what players shall keep into `@setDataFrame`.
 */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import { AMF_DEFAULT_LIMITS, type AmfLimits, type AmfValue } from '../amf/amf-value.ts';
import { readAmf0, writeAmf0 } from '../amf/amf0.ts';

export const ON_META_DATA = 'onMetaData';
const SET_DATA_FRAME = '@setDataFrame';
const BAD_SCRIPT = 'flv.bad-script-tag';

export interface ScriptTag {
  /** Behind `@setDataFrame`, when there is one. */
  readonly name: string;
  /** First value behind the name; undefined when there is none. */
  readonly value: AmfValue;
  /** Where the name's AMF0 string begins: the body without `@setDataFrame`. */
  readonly start: number;
}

/** Reads name and first value; more values are left out. Throws ProtocolError. */
export function parseScript(body: Uint8Array, limits: AmfLimits = AMF_DEFAULT_LIMITS): ScriptTag {
  const reader = new ByteReader(body, BAD_SCRIPT);
  let start = 0;
  let name = readAmf0(reader, limits);
  if (name === SET_DATA_FRAME) {
    start = reader.position;
    name = readAmf0(reader, limits);
  }
  if (typeof name !== 'string') throw new ProtocolError(BAD_SCRIPT, 'no name');
  return { name, value: reader.remaining > 0 ? readAmf0(reader, limits) : undefined, start };
}

export function serializeScript(name: string, value: AmfValue): Buffer {
  const writer = new ByteWriter();
  writeAmf0(writer, name);
  writeAmf0(writer, value);
  return writer.finish();
}
