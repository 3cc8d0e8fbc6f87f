/**
 * AMF3 reader (Adobe "AMF 3 Specification", 2013): what Flash clients put behind the AMF0 marker 0x11. There is no
 * writer: a client that speaks AMF3 takes AMF0 answers. Of the classes that serialize themselves only the two of
 * Flex that wrap one value are known.
 */
import type { ByteReader } from '../../util/byte-reader.ts';
import { ProtocolError } from '../../util/errors.ts';
import {
  AMF_CLASS,
  AMF_ECMA,
  type AmfBudget,
  type AmfShared,
  type AmfValue,
  AmfXml,
  makeAmfObject,
} from './amf-value.ts';

const MARKER_UNDEFINED = 0x00;
const MARKER_NULL = 0x01;
const MARKER_FALSE = 0x02;
const MARKER_TRUE = 0x03;
const MARKER_INTEGER = 0x04;
const MARKER_DOUBLE = 0x05;
const MARKER_STRING = 0x06;
const MARKER_XML_DOCUMENT = 0x07;
const MARKER_DATE = 0x08;
const MARKER_ARRAY = 0x09;
const MARKER_OBJECT = 0x0a;
const MARKER_XML = 0x0b;
const MARKER_BYTE_ARRAY = 0x0c;
const MARKER_VECTOR_INT = 0x0d;
const MARKER_VECTOR_UINT = 0x0e;
const MARKER_VECTOR_DOUBLE = 0x0f;
const MARKER_VECTOR_OBJECT = 0x10;
const MARKER_DICTIONARY = 0x11;

/** AMF0 member names have a 16-bit length; a longer one could not be passed on. */
const MAX_NAME_BYTES = 0xffff;

interface Traits {
  readonly className: string;
  readonly names: readonly string[];
  readonly dynamic: boolean;
  readonly external: boolean;
}

/** Reads values of one message; its reference tables live as long as it does. */
export class Amf3Decoder {
  private readonly reader: ByteReader;
  private readonly budget: AmfBudget;
  private readonly strings: string[] = [];
  private readonly stringBytes: number[] = [];
  private readonly objects: AmfShared[] = [];
  private readonly traits: Traits[] = [];

  constructor(reader: ByteReader, budget: AmfBudget) {
    this.reader = reader;
    this.budget = budget;
  }

  /** `depth` is the number of objects and arrays around the value. Throws ProtocolError. */
  read(depth: number): AmfValue {
    const reader = this.reader;
    const marker = reader.u8();
    if (marker !== MARKER_OBJECT && marker !== MARKER_ARRAY) this.budget.countValue();
    switch (marker) {
      case MARKER_UNDEFINED:
        return undefined;
      case MARKER_NULL:
        return null;
      case MARKER_FALSE:
        return false;
      case MARKER_TRUE:
        return true;
      case MARKER_INTEGER:
        return (this.u29() << 3) >> 3;
      case MARKER_DOUBLE:
        return reader.f64();
      case MARKER_STRING:
        return this.string();
      case MARKER_XML_DOCUMENT:
      case MARKER_XML:
        return this.xml(depth + 1);
      case MARKER_DATE:
        return this.date(depth + 1);
      case MARKER_ARRAY:
        return this.array(depth + 1);
      case MARKER_OBJECT:
        return this.object(depth + 1);
      case MARKER_BYTE_ARRAY:
        return this.byteArray(depth + 1);
      case MARKER_VECTOR_INT:
      case MARKER_VECTOR_UINT:
      case MARKER_VECTOR_DOUBLE:
      case MARKER_VECTOR_OBJECT:
        return this.vector(marker, depth + 1);
      case MARKER_DICTIONARY:
        return this.dictionary(depth + 1);
      default:
        throw new ProtocolError('amf.bad-marker', `AMF3 ${marker}`);
    }
  }

  /** Unsigned 29 bits in one to four bytes (section 1.3.1). */
  private u29(): number {
    let value = 0;
    for (let i = 0; i < 3; i++) {
      const byte = this.reader.u8();
      value = (value << 7) | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return (value << 8) | this.reader.u8();
  }

  private string(): string {
    const head = this.u29();
    if ((head & 1) === 0) {
      const index = head >> 1;
      const known = this.strings[index];
      if (known === undefined) throw new ProtocolError('amf.bad-reference', index);
      this.budget.countText(this.stringBytes[index]!);
      return known;
    }
    const bytes = head >> 1;
    this.budget.countText(bytes);
    const text = this.reader.utf8(bytes);
    if (bytes > 0) {
      this.strings.push(text);
      this.stringBytes.push(bytes);
    }
    return text;
  }

  private name(): string {
    const text = this.string();
    if (text.length > MAX_NAME_BYTES) throw new ProtocolError('amf.name-too-long', text.length);
    return text;
  }

  /** A complete value without members enters the reference table. */
  private leaf(value: AmfValue, depth: number): AmfValue {
    this.budget.close(this.budget.open(this.objects, value, depth), depth);
    return value;
  }

  private xml(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    this.budget.countText(head >> 1);
    return this.leaf(new AmfXml(this.reader.utf8(head >> 1)), depth);
  }

  private date(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    return this.leaf(new Date(this.reader.f64()), depth);
  }

  private byteArray(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    this.budget.countText(head >> 1);
    // A copy: the message's bytes are gone after the callback that brought them.
    return this.leaf(new Uint8Array(this.reader.view(head >> 1)), depth);
  }

  private array(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    this.budget.countValue();
    const count = head >> 1;
    let name = this.name();
    if (name === '') {
      const dense: AmfValue[] = [];
      const shared = this.budget.open(this.objects, dense, depth);
      for (let i = 0; i < count; i++) dense.push(this.read(depth));
      this.budget.close(shared, depth);
      return dense;
    }
    const named = makeAmfObject();
    named[AMF_ECMA] = true;
    const shared = this.budget.open(this.objects, named, depth);
    while (name !== '') {
      named[name] = this.read(depth);
      name = this.name();
    }
    for (let i = 0; i < count; i++) named[String(i)] = this.read(depth);
    this.budget.close(shared, depth);
    return named;
  }

  private readTraits(head: number): Traits {
    if ((head & 2) === 0) {
      const known = this.traits[head >> 2];
      if (known === undefined) throw new ProtocolError('amf.bad-reference', head >> 2);
      return known;
    }
    const external = (head & 4) !== 0;
    const dynamic = (head & 8) !== 0;
    const className = this.name();
    const names: string[] = [];
    if (!external) {
      const count = head >> 4;
      for (let i = 0; i < count; i++) {
        this.budget.countValue();
        names.push(this.name());
      }
    }
    const traits = { className, names, dynamic, external };
    this.traits.push(traits);
    return traits;
  }

  private object(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    this.budget.countValue();
    const traits = this.readTraits(head);
    if (traits.external) return this.externalObject(traits.className, depth);
    const object = makeAmfObject();
    if (traits.className !== '') {
      object[AMF_CLASS] = traits.className;
      this.budget.countText(traits.className.length);
    }
    const shared = this.budget.open(this.objects, object, depth);
    for (const name of traits.names) {
      this.budget.countText(name.length);
      object[name] = this.read(depth);
    }
    if (traits.dynamic) {
      for (let name = this.name(); name !== ''; name = this.name()) object[name] = this.read(depth);
    }
    this.budget.close(shared, depth);
    return object;
  }

  private externalObject(className: string, depth: number): AmfValue {
    if (className !== 'flex.messaging.io.ArrayCollection' && className !== 'flex.messaging.io.ObjectProxy') {
      throw new ProtocolError('amf.unsupported-class', className.slice(0, 64));
    }
    const shared = this.budget.open(this.objects, null, depth);
    shared.value = this.read(depth);
    this.budget.close(shared, depth);
    return shared.value;
  }

  private vector(marker: number, depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    const count = head >> 1;
    this.reader.skip(1); // fixed length or not: no difference here
    if (marker === MARKER_VECTOR_OBJECT) this.name();
    const items: AmfValue[] = [];
    const shared = this.budget.open(this.objects, items, depth);
    for (let i = 0; i < count; i++) {
      if (marker === MARKER_VECTOR_OBJECT) {
        items.push(this.read(depth));
        continue;
      }
      this.budget.countValue();
      if (marker === MARKER_VECTOR_DOUBLE) items.push(this.reader.f64());
      else items.push(marker === MARKER_VECTOR_UINT ? this.reader.u32() : this.reader.u32() | 0);
    }
    this.budget.close(shared, depth);
    return items;
  }

  /** Keys may be any value; those that are not text or numbers have no name here and are dropped. */
  private dictionary(depth: number): AmfValue {
    const head = this.u29();
    if ((head & 1) === 0) return this.budget.resolve(this.objects, head >> 1, depth);
    const count = head >> 1;
    this.reader.skip(1); // weak keys or not
    const object = makeAmfObject();
    const shared = this.budget.open(this.objects, object, depth);
    for (let i = 0; i < count; i++) {
      const key = this.read(depth);
      const value = this.read(depth);
      if (typeof key === 'string' || typeof key === 'number') object[String(key)] = value;
    }
    this.budget.close(shared, depth);
    return object;
  }
}
