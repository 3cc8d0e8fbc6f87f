/**
 * Reading boxes for the MP4 checker: ISO/IEC 14496-12 4.2. Shares no code with our writer. What does not fit is
 * reported, never thrown: a checker goes on as far as it can.
 */

export interface Box {
  readonly type: string;
  /** Of the size field. */
  readonly start: number;
  /** Of the first byte behind the header. */
  readonly body: number;
  readonly end: number;
  /** Types from the outside in, for messages. */
  readonly path: string;
  readonly children: readonly Box[];
}

export type Report = (text: string) => void;

const CONTAINERS: ReadonlySet<string> = new Set([
  'moov',
  'trak',
  'edts',
  'mdia',
  'minf',
  'dinf',
  'stbl',
  'mvex',
  'moof',
  'traf',
]);
const TYPE = /^[\x20-\x7e\xa9]{4}$/;

/** The boxes that fill `start` to `end` exactly. */
export function readBoxes(
  bytes: Uint8Array,
  start: number,
  end: number,
  parent: string,
  report: Report,
): Box[] {
  const boxes: Box[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = start; at < end; ) {
    if (end - at < 8) {
      report(`${end - at} bytes left in ${parent || 'the file'} are no box`);
      break;
    }
    let size = view.getUint32(at);
    let body = at + 8;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const path = parent === '' ? type : `${parent}/${type}`;
    if (!TYPE.test(type)) {
      report(
        `box type ${Buffer.from(bytes.subarray(at + 4, at + 8)).toString('hex')} in ${parent || 'the file'}`,
      );
      break;
    }
    if (size === 1 && end - at >= 16) {
      size = view.getUint32(at + 8) * 2 ** 32 + view.getUint32(at + 12);
      body = at + 16;
    } else if (size === 0) {
      report(`${path} has no size`);
      size = end - at;
    }
    if (size < body - at) {
      report(`${path} of ${size} bytes is shorter than its header`);
      break;
    }
    if (at + size > end) {
      report(`${path} of ${size} bytes goes ${at + size - end} bytes over the end`);
      break;
    }
    const children = CONTAINERS.has(type) ? readBoxes(bytes, body, at + size, path, report) : [];
    boxes.push({ type, start: at, body, end: at + size, path, children });
    at += size;
  }
  return boxes;
}

/** The fields of one box, in order. Past the end everything is 0 and `finish` says so. */
export class BoxFields {
  readonly box: Box;
  version = 0;
  flags = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly report: Report;
  private at: number;
  private isShort: boolean = false;

  /** `isFull`: reads version and flags (ISO/IEC 14496-12 4.2). */
  constructor(bytes: Uint8Array, box: Box, report: Report, isFull = true) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.box = box;
    this.report = report;
    this.at = box.body;
    if (!isFull) return;
    this.version = this.u8();
    this.flags = this.u24();
  }

  get position(): number {
    return this.at;
  }

  get remaining(): number {
    return this.box.end - this.at;
  }

  private need(count: number): number {
    const at = this.at;
    if (at + count > this.box.end) {
      this.isShort = true;
      this.at = this.box.end;
      return -1;
    }
    this.at += count;
    return at;
  }

  u8(): number {
    const at = this.need(1);
    return at < 0 ? 0 : this.view.getUint8(at);
  }

  u16(): number {
    const at = this.need(2);
    return at < 0 ? 0 : this.view.getUint16(at);
  }

  u24(): number {
    return this.u8() * 0x1_0000 + this.u16();
  }

  u32(): number {
    const at = this.need(4);
    return at < 0 ? 0 : this.view.getUint32(at);
  }

  i32(): number {
    const at = this.need(4);
    return at < 0 ? 0 : this.view.getInt32(at);
  }

  u64(): number {
    const high = this.u32();
    return high * 2 ** 32 + this.u32();
  }

  /** 32 bits in version 0 of a box, 64 in version 1. */
  time(): number {
    return this.version === 1 ? this.u64() : this.u32();
  }

  fourCc(): string {
    return Buffer.from(this.take(4)).toString('latin1');
  }

  take(count: number): Uint8Array {
    const at = this.need(count);
    return at < 0 ? new Uint8Array(0) : this.bytes.subarray(at, at + count);
  }

  rest(): Uint8Array {
    return this.take(Math.max(0, this.remaining));
  }

  isZero(count: number): boolean {
    return this.take(count).every((byte) => byte === 0);
  }

  /** What the box says must be its version. */
  versions(...allowed: number[]): void {
    if (!allowed.includes(this.version)) this.report(`${this.box.path} has version ${this.version}`);
  }

  /** Call when all fields are read. */
  finish(): void {
    if (this.isShort) this.report(`${this.box.path} is too short`);
    else if (this.remaining > 0) this.report(`${this.box.path} has ${this.remaining} bytes too many`);
  }
}

/** Exactly one child of this type; reports its absence and its repetition. */
export function onlyChild(parent: Box, type: string, report: Report): Box | null {
  const found = parent.children.filter((child) => child.type === type);
  if (found.length === 0) report(`${parent.path} has no ${type}`);
  if (found.length > 1) report(`${parent.path} has ${found.length} ${type}`);
  return found[0] ?? null;
}

/** Children must be of these types, in this order; a trailing `?` is at most one, `*` any number, none exactly one. */
export function checkChildren(parent: Box, order: readonly string[], report: Report): void {
  const names = order.map((one) => one.slice(0, 4));
  let last = -1;
  for (const { type } of parent.children) {
    const at = names.indexOf(type);
    if (at < 0) report(`${parent.path} has a ${type}`);
    else if (at < last) report(`${type} stands too late in ${parent.path}`);
    else last = at;
  }
  for (const one of order) {
    const type = one.slice(0, 4);
    const count = parent.children.filter((child) => child.type === type).length;
    if (one.length === 4 && count === 0) report(`${parent.path} has no ${type}`);
    if (!one.endsWith('*') && !one.endsWith('+') && count > 1) report(`${parent.path} has ${count} ${type}`);
    if (one.endsWith('+') && count === 0) report(`${parent.path} has no ${type}`);
  }
}
