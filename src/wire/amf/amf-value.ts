/**
 * The values of AMF as JavaScript has them, and the accounting that keeps a hostile message small. Shared by the
 * AMF0 and AMF3 readers. References make a message larger when it is written again than it was when it was read,
 * so each one is charged with all that it stands for.
 */
import { ProtocolError } from '../../util/errors.ts';

/** Key of the class name on a typed object. */
export const AMF_CLASS: unique symbol = Symbol('amf class name');
/** Key that marks an object as an ECMA array (an array with named members); its value is `true`. */
export const AMF_ECMA: unique symbol = Symbol('amf ecma array');

/** Named members; made without a prototype, so that no name (`__proto__`, `constructor`) means anything. */
export interface AmfObject {
  [name: string]: AmfValue;
  [AMF_CLASS]?: string;
  [AMF_ECMA]?: true;
}

/** An XML document: its text, never parsed. */
export class AmfXml {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type AmfValue =
  | number
  | boolean
  | string
  | null
  | undefined
  | Date
  | AmfXml
  | Uint8Array
  | AmfValue[]
  | AmfObject;

export interface AmfLimits {
  /** Levels of objects and arrays. */
  readonly maxDepth: number;
  /** Values in one message, counting what references stand for. */
  readonly maxValues: number;
}

const AMF_MAX_DEPTH = 16;
const AMF_MAX_VALUES = 10_000;
/** Bytes of text and byte arrays in one message, counting what references stand for. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

export const AMF_DEFAULT_LIMITS: AmfLimits = { maxDepth: AMF_MAX_DEPTH, maxValues: AMF_MAX_VALUES };

/** An empty object to fill. */
export function makeAmfObject(): AmfObject {
  return Object.create(null) as AmfObject;
}

/** An object that is written as an ECMA array (what onMetaData usually is). */
export function makeAmfEcmaArray(fields: Readonly<Record<string, AmfValue>> = {}): AmfObject {
  const array = makeAmfObject();
  array[AMF_ECMA] = true;
  for (const name of Object.keys(fields)) array[name] = fields[name];
  return array;
}

/** Whether named members can be read from the value: an object, a typed object or an ECMA array. */
export function isAmfObject(value: AmfValue): value is AmfObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof AmfXml) &&
    !(value instanceof Uint8Array)
  );
}

/** Something that later references may name, with what it costs to write it out once more. */
export interface AmfShared {
  value: AmfValue;
  values: number;
  textBytes: number;
  levels: number;
  /** False while its members are being read: a reference to it now would be a cycle. */
  complete: boolean;
}

/** What one message has used of its limits. */
export class AmfBudget {
  private readonly limits: AmfLimits;
  private values = 0;
  private textBytes = 0;
  private deepest = 0;

  constructor(limits: AmfLimits) {
    this.limits = limits;
  }

  countValue(): void {
    if (++this.values > this.limits.maxValues)
      throw new ProtocolError('amf.too-many-values', this.limits.maxValues);
  }

  countText(bytes: number): void {
    this.textBytes += bytes;
    if (this.textBytes > MAX_TEXT_BYTES) throw new ProtocolError('amf.too-much-text', this.textBytes);
  }

  /** Begins an object or array at `depth` (the outermost is 1). */
  open(table: AmfShared[], value: AmfValue, depth: number): AmfShared {
    if (depth > this.limits.maxDepth) throw new ProtocolError('amf.too-deep', this.limits.maxDepth);
    const shared = {
      value,
      values: this.values,
      textBytes: this.textBytes,
      levels: this.deepest,
      complete: false,
    };
    this.deepest = depth;
    table.push(shared);
    return shared;
  }

  /** Ends what `open` began at the same depth; only then may references name it. */
  close(shared: AmfShared, depth: number): void {
    const deepestBefore = shared.levels;
    shared.levels = this.deepest - depth + 1;
    shared.values = this.values - shared.values;
    shared.textBytes = this.textBytes - shared.textBytes;
    shared.complete = true;
    if (deepestBefore > this.deepest) this.deepest = deepestBefore;
  }

  /** The value a reference at `depth` (of the value that refers) stands for. */
  resolve(table: AmfShared[], index: number, depth: number): AmfValue {
    const shared = table[index];
    if (shared === undefined) throw new ProtocolError('amf.bad-reference', index);
    if (!shared.complete) throw new ProtocolError('amf.cyclic-reference', index);
    const bottom = depth + shared.levels - 1;
    if (bottom > this.limits.maxDepth) throw new ProtocolError('amf.too-deep', this.limits.maxDepth);
    if (bottom > this.deepest) this.deepest = bottom;
    this.values += shared.values + 1;
    if (this.values > this.limits.maxValues)
      throw new ProtocolError('amf.too-many-values', this.limits.maxValues);
    this.countText(shared.textBytes);
    return shared.value;
  }
}
