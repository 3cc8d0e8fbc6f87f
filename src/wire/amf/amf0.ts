/**
 * AMF0 reader and writer (Adobe "Action Message Format -- AMF 0", 2007), complete but for the two markers that the
 * specification reserves (movie clip, record set). The AVM+ marker leads into AMF3.
 */
import { ByteReader } from '../../util/byte-reader.ts';
import type { ByteWriter } from '../../util/byte-writer.ts';
import { InvariantError, ProtocolError } from '../../util/errors.ts';
import {
  AMF_CLASS,
  AMF_DEFAULT_LIMITS,
  AMF_ECMA,
  AmfBudget,
  type AmfLimits,
  type AmfObject,
  type AmfShared,
  type AmfValue,
  AmfXml,
  makeAmfObject,
} from './amf-value.ts';
import { Amf3Decoder } from './amf3.ts';

const MARKER_NUMBER = 0x00;
const MARKER_BOOLEAN = 0x01;
const MARKER_STRING = 0x02;
const MARKER_OBJECT = 0x03;
const MARKER_NULL = 0x05;
const MARKER_UNDEFINED = 0x06;
const MARKER_REFERENCE = 0x07;
const MARKER_ECMA_ARRAY = 0x08;
const MARKER_OBJECT_END = 0x09;
const MARKER_STRICT_ARRAY = 0x0a;
const MARKER_DATE = 0x0b;
const MARKER_LONG_STRING = 0x0c;
const MARKER_UNSUPPORTED = 0x0d;
const MARKER_XML_DOCUMENT = 0x0f;
const MARKER_TYPED_OBJECT = 0x10;
const MARKER_AVM_PLUS = 0x11;
const AMF3_MARKER_BYTE_ARRAY = 0x0c;

/** Levels the writer goes down; more can only be a cycle of our own making. */
const MAX_WRITE_DEPTH = 64;
const MAX_SHORT_BYTES = 0xffff;
const MAX_U29_LENGTH = 0x0fffffff;

const ERROR_TRUNCATED = 'amf.truncated';
const utf8 = new TextEncoder();

/** Reads one value; what references name must lie inside it. Throws ProtocolError. */
export function readAmf0(reader: ByteReader, limits: AmfLimits = AMF_DEFAULT_LIMITS): AmfValue {
  return new Amf0Decoder(reader, limits).read(0);
}

/** Reads the values of a whole message; they share limits and references. Throws ProtocolError. */
export function readAmf0All(bytes: Uint8Array, limits: AmfLimits = AMF_DEFAULT_LIMITS): AmfValue[] {
  const reader = new ByteReader(bytes, ERROR_TRUNCATED);
  const decoder = new Amf0Decoder(reader, limits);
  const values: AmfValue[] = [];
  while (reader.remaining > 0) values.push(decoder.read(0));
  return values;
}

class Amf0Decoder {
  private readonly reader: ByteReader;
  private readonly budget: AmfBudget;
  private readonly shared: AmfShared[] = [];
  private amf3: Amf3Decoder | null = null;

  constructor(reader: ByteReader, limits: AmfLimits) {
    this.reader = reader;
    this.budget = new AmfBudget(limits);
  }

  /** `depth` is the number of objects and arrays around the value. */
  read(depth: number): AmfValue {
    const reader = this.reader;
    const marker = reader.u8();
    // A reference is charged with what it names, an AMF3 value by its own reader.
    if (marker !== MARKER_REFERENCE && marker !== MARKER_AVM_PLUS) this.budget.countValue();
    switch (marker) {
      case MARKER_NUMBER:
        return reader.f64();
      case MARKER_BOOLEAN:
        return reader.u8() !== 0;
      case MARKER_STRING:
        return this.text(reader.u16());
      case MARKER_LONG_STRING:
        return this.text(reader.u32());
      case MARKER_NULL:
        return null;
      case MARKER_UNDEFINED:
      case MARKER_UNSUPPORTED:
        return undefined;
      case MARKER_OBJECT:
        return this.object(depth + 1, '');
      case MARKER_TYPED_OBJECT:
        return this.object(depth + 1, this.text(reader.u16()));
      case MARKER_ECMA_ARRAY:
        return this.ecmaArray(depth + 1);
      case MARKER_STRICT_ARRAY:
        return this.strictArray(depth + 1);
      case MARKER_REFERENCE:
        return this.budget.resolve(this.shared, reader.u16(), depth + 1);
      case MARKER_DATE:
        return this.date();
      case MARKER_XML_DOCUMENT:
        return new AmfXml(this.text(reader.u32()));
      case MARKER_AVM_PLUS:
        this.amf3 ??= new Amf3Decoder(reader, this.budget);
        return this.amf3.read(depth);
      default:
        throw new ProtocolError('amf.bad-marker', `AMF0 ${marker}`);
    }
  }

  private text(bytes: number): string {
    this.budget.countText(bytes);
    return this.reader.utf8(bytes);
  }

  private date(): Date {
    const ms = this.reader.f64();
    this.reader.skip(2); // time zone: reserved, writers put 0
    return new Date(ms);
  }

  private object(depth: number, className: string): AmfObject {
    const object = makeAmfObject();
    if (className !== '') object[AMF_CLASS] = className;
    const shared = this.budget.open(this.shared, object, depth);
    while (this.readMember(object, depth));
    this.budget.close(shared, depth);
    return object;
  }

  /** The announced count is a hint only, except that encoders which write it right may leave out the end marker. */
  private ecmaArray(depth: number): AmfObject {
    const announced = this.reader.u32();
    const array = makeAmfObject();
    array[AMF_ECMA] = true;
    const shared = this.budget.open(this.shared, array, depth);
    for (let count = 0; ; count++) {
      if (count === announced && this.reader.remaining === 0) break;
      if (!this.readMember(array, depth)) break;
    }
    this.budget.close(shared, depth);
    return array;
  }

  /** False at the end marker. */
  private readMember(object: AmfObject, depth: number): boolean {
    const reader = this.reader;
    const nameBytes = reader.u16();
    if (nameBytes === 0 && reader.remaining > 0 && reader.bytes[reader.position] === MARKER_OBJECT_END) {
      reader.skip(1);
      return false;
    }
    const name = this.text(nameBytes);
    object[name] = this.read(depth);
    return true;
  }

  private strictArray(depth: number): AmfValue[] {
    const count = this.reader.u32();
    const array: AmfValue[] = [];
    const shared = this.budget.open(this.shared, array, depth);
    for (let i = 0; i < count; i++) array.push(this.read(depth));
    this.budget.close(shared, depth);
    return array;
  }
}

/** Writes one value. Repeated objects are written out again, never as references. */
export function writeAmf0(writer: ByteWriter, value: AmfValue): void {
  writeValue(writer, value, 0);
}

function writeValue(writer: ByteWriter, value: AmfValue, depth: number): void {
  if (depth > MAX_WRITE_DEPTH) throw new InvariantError('AMF0 value nested too deep');
  if (typeof value === 'number') writer.u8(MARKER_NUMBER).f64(value);
  else if (typeof value === 'boolean') writer.u8(MARKER_BOOLEAN).u8(value ? 1 : 0);
  else if (typeof value === 'string') writeString(writer, value);
  else if (value === null) writer.u8(MARKER_NULL);
  else if (value === undefined) writer.u8(MARKER_UNDEFINED);
  else if (Array.isArray(value)) {
    writer.u8(MARKER_STRICT_ARRAY).u32(value.length);
    for (const item of value) writeValue(writer, item, depth + 1);
  } else if (value instanceof Date) writer.u8(MARKER_DATE).f64(value.getTime()).u16(0);
  else if (value instanceof AmfXml) {
    const bytes = utf8.encode(value.text);
    writer.u8(MARKER_XML_DOCUMENT).u32(bytes.length).bytes(bytes);
  } else if (value instanceof Uint8Array) writeByteArray(writer, value);
  else writeObject(writer, value, depth);
}

function writeString(writer: ByteWriter, value: string): void {
  const bytes = utf8.encode(value);
  if (bytes.length <= MAX_SHORT_BYTES) writer.u8(MARKER_STRING).u16(bytes.length);
  else writer.u8(MARKER_LONG_STRING).u32(bytes.length);
  writer.bytes(bytes);
}

/** AMF0 has no byte array; the AVM+ marker lets one be written as AMF3. */
function writeByteArray(writer: ByteWriter, value: Uint8Array): void {
  if (value.length > MAX_U29_LENGTH) throw new InvariantError('AMF3 byte array too long');
  const head = value.length * 2 + 1;
  writer.u8(MARKER_AVM_PLUS).u8(AMF3_MARKER_BYTE_ARRAY);
  if (head >= 0x20_0000) writer.u8((head >>> 22) | 0x80);
  if (head >= 0x20_0000)
    writer
      .u8(((head >>> 15) & 0x7f) | 0x80)
      .u8(((head >>> 8) & 0x7f) | 0x80)
      .u8(head & 0xff);
  else {
    if (head >= 0x4000) writer.u8((head >>> 14) | 0x80);
    if (head >= 0x80) writer.u8(((head >>> 7) & 0x7f) | 0x80);
    writer.u8(head & 0x7f);
  }
  writer.bytes(value);
}

function writeObject(writer: ByteWriter, value: AmfObject, depth: number): void {
  const names = Object.keys(value);
  const className = value[AMF_CLASS];
  if (className !== undefined) {
    writer.u8(MARKER_TYPED_OBJECT);
    writeName(writer, className);
  } else if (value[AMF_ECMA]) writer.u8(MARKER_ECMA_ARRAY).u32(names.length);
  else writer.u8(MARKER_OBJECT);
  for (const name of names) {
    writeName(writer, name);
    writeValue(writer, value[name], depth + 1);
  }
  writer.u16(0).u8(MARKER_OBJECT_END);
}

/** A name beyond 65535 bytes (replacement characters can make a peer's name grow) is cut. */
function writeName(writer: ByteWriter, name: string): void {
  const bytes = utf8.encode(name);
  const length = Math.min(bytes.length, MAX_SHORT_BYTES);
  writer.u16(length).bytes(bytes.subarray(0, length));
}
