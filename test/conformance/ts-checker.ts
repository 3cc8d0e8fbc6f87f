/**
 * Judges MPEG transport streams by ISO/IEC 13818-1 and, for HLS segments, RFC 8216 3.2 and 6.2.1. Knows nothing of
 * our writer and shares no code with it. Reports what is wrong as sentences; an empty list means that all is well.
 */

export interface TsCheckOptions {
  /** Longest distance of clock references, milliseconds (2.7.2: 100). */
  readonly maxPcrGapMs?: number;
  /** Longest distance of program tables, milliseconds (ETSI TR 101 290: 500). */
  readonly maxTableGapMs?: number;
  /** Longest time from the clock to the DTS, milliseconds (2.4.2.6: 1000). */
  readonly maxDelayMs?: number;
}

export interface TsStreamSeen {
  readonly pid: number;
  readonly streamType: number;
  pesPackets: number;
  /** Access units: pictures, ADTS frames, Opus packets; for other audio the PES packets. */
  accessUnits: number;
  randomAccessPoints: number;
  firstPts: number;
  lastPts: number;
  lastDts: number;
}

interface OpenPes {
  readonly bytes: Uint8Array[];
  size: number;
  readonly randomAccess: boolean;
}

const TICKS_33 = 2 ** 33;
const MAX_VIOLATIONS = 50;

export class TsChecker {
  readonly violations: string[] = [];
  readonly streams = new Map<number, TsStreamSeen>();
  readonly discontinuities: number[] = [];
  packets = 0;
  private readonly options: Required<TsCheckOptions>;
  private readonly continuity = new Map<number, number>();
  private readonly open = new Map<number, OpenPes>();
  private readonly sections = new Map<number, { bytes: number[]; wanted: number }>();
  private mapPid = -1;
  private pcrPid = -1;
  private mapText = '';
  private mapVersion = -1;
  private lastPcr = -1;
  private patPcr = -1;
  private pmtPcr = -1;
  /** Video PIDs that had a picture in this segment. */
  private readonly begun = new Set<number>();
  private wantsRandomAccess: boolean = false;
  private where = '';

  constructor(options: TsCheckOptions = {}) {
    this.options = { maxPcrGapMs: 100, maxTableGapMs: 500, maxDelayMs: 1000, ...options };
  }

  /** A whole HLS segment. `independent`: its video must begin with a random access point. */
  segment(bytes: Uint8Array, name = 'segment', independent = true): void {
    this.where = `${name}: `;
    this.closeAll();
    if (pidAt(bytes, 0) !== 0) this.report('does not begin with the program association table');
    if (bytes.length >= 376 && pidAt(bytes, 188) !== this.mapPid && this.mapPid >= 0) {
      this.report('has no program map behind the program association table');
    }
    this.begun.clear();
    this.wantsRandomAccess = independent;
    this.chunk(bytes);
    this.closeAll();
    for (const seen of this.streams.values()) {
      if (independent && isVideoType(seen.streamType) && !this.begun.has(seen.pid))
        this.report('has no picture');
    }
    this.wantsRandomAccess = false;
  }

  /** Whole packets that go on from those before. */
  chunk(bytes: Uint8Array): void {
    if (bytes.length % 188 !== 0) this.report(`${bytes.length} bytes are not whole packets`);
    for (let at = 0; at + 188 <= bytes.length; at += 188) this.packet(bytes.subarray(at, at + 188));
  }

  /** Ends the last PES packets and returns everything that is wrong. */
  finish(): string[] {
    this.closeAll();
    return this.violations;
  }

  private report(text: string): void {
    if (this.violations.length < MAX_VIOLATIONS)
      this.violations.push(`${this.where}packet ${this.packets}: ${text}`);
  }

  private packet(packet: Uint8Array): void {
    this.packets++;
    if (packet[0] !== 0x47) {
      this.report('no sync byte');
      return;
    }
    const pid = pidAt(packet, 0);
    if (pid === 0x1fff) return;
    if ((packet[1]! & 0x80) !== 0) this.report('transport error indicator');
    if ((packet[3]! & 0xc0) !== 0) this.report('is scrambled');
    const hasPayload = (packet[3]! & 0x10) !== 0;
    const hasField = (packet[3]! & 0x20) !== 0;
    if (!hasPayload && !hasField) {
      this.report('has neither payload nor adaptation field');
      return;
    }
    const fieldBytes = hasField ? packet[4]! + 1 : 0;
    if (hasField && (hasPayload ? packet[4]! > 182 : packet[4] !== 183)) {
      this.report(`adaptation field of ${packet[4]} bytes`);
      return;
    }
    const flags = fieldBytes > 1 ? packet[5]! : 0;
    this.checkContinuity(pid, packet[3]! & 15, hasPayload, (flags & 0x80) !== 0);
    if (fieldBytes > 1) this.adaptation(packet, pid, fieldBytes, flags);
    if (!hasPayload) return;
    const isStart = (packet[1]! & 0x40) !== 0;
    const payload = packet.subarray(4 + fieldBytes);
    if (pid === 0 || pid === this.mapPid) this.section(pid, payload, isStart);
    else this.elementary(pid, payload, isStart, (flags & 0x40) !== 0);
  }

  private checkContinuity(pid: number, counter: number, counts: boolean, jumps: boolean): void {
    const last = this.continuity.get(pid);
    this.continuity.set(pid, counter);
    if (last === undefined || jumps) return;
    const expected = counts ? (last + 1) & 15 : last;
    if (counter !== expected) this.report(`PID ${pid}: continuity counter ${counter} instead of ${expected}`);
  }

  private adaptation(packet: Uint8Array, pid: number, fieldBytes: number, flags: number): void {
    let used = 2;
    if ((flags & 0x10) !== 0) {
      if (fieldBytes < 8) {
        this.report('adaptation field too short for its clock reference');
        return;
      }
      this.clock(pid, packet, (flags & 0x80) !== 0);
      used += 6;
    }
    if ((flags & 0x0f) !== 0) this.report(`adaptation flags ${flags.toString(16)} are not expected`);
    for (let i = 4 + used; i < 4 + fieldBytes; i++) {
      if (packet[i] !== 0xff) {
        this.report('stuffing that is not 0xff');
        return;
      }
    }
  }

  private clock(pid: number, packet: Uint8Array, jumps: boolean): void {
    if (pid !== this.pcrPid) this.report(`clock reference on PID ${pid} instead of ${this.pcrPid}`);
    const high = ((packet[6]! << 24) | (packet[7]! << 16) | (packet[8]! << 8) | packet[9]!) >>> 0;
    const base = high * 2 + (packet[10]! >> 7);
    const extension = ((packet[10]! & 1) << 8) | packet[11]!;
    if (extension > 299) this.report(`clock reference extension ${extension}`);
    if (this.lastPcr >= 0 && !jumps) {
      const step = forward(this.lastPcr, base);
      if (step >= TICKS_33 / 2 || step === 0) this.report('clock reference does not grow');
      else if (step > this.options.maxPcrGapMs * 90)
        this.report(`${Math.round(step / 90)} ms without a clock reference`);
    }
    if (jumps) {
      this.discontinuities.push(this.packets);
      this.patPcr = -1;
      this.pmtPcr = -1;
    }
    this.lastPcr = base;
    this.tableAge('program association table', this.patPcr, base);
    this.tableAge('program map', this.pmtPcr, base);
    if (this.patPcr < 0) this.patPcr = base;
    if (this.pmtPcr < 0) this.pmtPcr = base;
  }

  private tableAge(what: string, last: number, now: number): void {
    if (
      last >= 0 &&
      forward(last, now) > this.options.maxTableGapMs * 90 &&
      forward(last, now) < TICKS_33 / 2
    ) {
      this.report(`${Math.round(forward(last, now) / 90)} ms without a ${what}`);
    }
  }

  private section(pid: number, payload: Uint8Array, isStart: boolean): void {
    let from = 0;
    if (isStart) {
      if (payload[0]! > payload.length - 4) {
        this.report('pointer field out of the packet');
        return;
      }
      from = 1 + payload[0]!;
      const length = ((payload[from + 1]! & 15) << 8) | payload[from + 2]!;
      if (length > 1021) {
        this.report(`section of ${length} bytes`);
        return;
      }
      this.sections.set(pid, { bytes: [], wanted: 3 + length });
    }
    const section = this.sections.get(pid);
    if (section === undefined) {
      this.report(`PID ${pid}: section without a start`);
      return;
    }
    const piece = payload.subarray(from, from + section.wanted - section.bytes.length);
    section.bytes.push(...piece);
    if (section.bytes.length < section.wanted) return;
    this.sections.delete(pid);
    const bytes = Uint8Array.from(section.bytes);
    if (crcOf(bytes) !== 0) {
      this.report(`PID ${pid}: CRC of the section is wrong`);
      return;
    }
    if (payload.subarray(from + piece.length).some((byte) => byte !== 0xff))
      this.report('garbage behind a section');
    if ((bytes[1]! & 0xc0) !== 0x80) this.report('section syntax indicator');
    if (pid === 0) this.association(bytes);
    else this.map(bytes);
  }

  private association(bytes: Uint8Array): void {
    if (bytes[0] !== 0) {
      this.report(`table ${bytes[0]} on PID 0`);
      return;
    }
    if (bytes.length !== 16) {
      this.report(`program association of ${bytes.length} bytes: not one program`);
      return;
    }
    const mapPid = ((bytes[10]! & 0x1f) << 8) | bytes[11]!;
    if (((bytes[8]! << 8) | bytes[9]!) === 0) this.report('program number 0');
    if (mapPid < 0x10 || mapPid === 0x1fff) this.report(`program map on PID ${mapPid}`);
    this.mapPid = mapPid;
    this.patPcr = this.lastPcr;
  }

  private map(bytes: Uint8Array): void {
    if (bytes[0] !== 2) {
      this.report(`table ${bytes[0]} on the PID of the program map`);
      return;
    }
    this.pmtPcr = this.lastPcr;
    const version = (bytes[5]! >> 1) & 31;
    const text = Buffer.from(bytes.subarray(8, -4)).toString('hex');
    if (text === this.mapText) {
      if (version !== this.mapVersion) this.report('program map version changes without a reason');
      this.mapVersion = version;
      return;
    }
    if (version === this.mapVersion) this.report('program map changes under the same version');
    this.mapVersion = version;
    this.mapText = text;
    this.pcrPid = ((bytes[8]! & 0x1f) << 8) | bytes[9]!;
    const pids = new Set<number>();
    let at = 12 + (((bytes[10]! & 15) << 8) | bytes[11]!);
    while (at + 5 <= bytes.length - 4) {
      const streamType = bytes[at]!;
      const pid = ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
      const descriptorBytes = ((bytes[at + 3]! & 15) << 8) | bytes[at + 4]!;
      this.descriptors(streamType, bytes.subarray(at + 5, at + 5 + descriptorBytes));
      at += 5 + descriptorBytes;
      if (pids.has(pid)) this.report(`PID ${pid} twice in the program map`);
      pids.add(pid);
      if (this.streams.get(pid)?.streamType === streamType) continue;
      this.streams.set(pid, {
        pid,
        streamType,
        pesPackets: 0,
        accessUnits: 0,
        randomAccessPoints: 0,
        firstPts: -1,
        lastPts: -1,
        lastDts: -1,
      });
    }
    if (at !== bytes.length - 4) this.report('program map does not end where its descriptors end');
    for (const pid of [...this.streams.keys()]) if (!pids.has(pid)) this.streams.delete(pid);
    if (!pids.has(this.pcrPid)) this.report(`PID ${this.pcrPid} of the clock is not in the program map`);
  }

  private descriptors(streamType: number, bytes: Uint8Array): void {
    let registration = '';
    let at = 0;
    while (at + 2 <= bytes.length) {
      const length = bytes[at + 1]!;
      if (bytes[at] === 5) registration = Buffer.from(bytes.subarray(at + 2, at + 6)).toString('latin1');
      at += 2 + length;
    }
    if (at !== bytes.length) this.report('descriptor runs over its list');
    const expected = { 36: 'HEVC', 129: 'AC-3', 135: 'EAC3', 6: 'Opus' }[streamType];
    if (expected !== undefined && registration !== expected) {
      this.report(`stream type ${streamType} is registered as '${registration}' instead of '${expected}'`);
    }
  }

  private elementary(pid: number, payload: Uint8Array, isStart: boolean, randomAccess: boolean): void {
    if (!this.streams.has(pid)) {
      this.report(`PID ${pid} is not in the program map`);
      return;
    }
    if (isStart) {
      this.close(pid);
      this.open.set(pid, { bytes: [], size: 0, randomAccess });
      if (payload.length >= 14) this.delay(pid, payload);
    } else if (randomAccess) this.report('random access indicator inside a PES packet');
    const pes = this.open.get(pid);
    if (pes === undefined) {
      this.report(`PID ${pid}: payload before the first start of a PES packet`);
      return;
    }
    pes.bytes.push(payload);
    pes.size += payload.length;
  }

  /** Bytes must arrive before they are decoded, and not much earlier. */
  private delay(pid: number, head: Uint8Array): void {
    if (this.lastPcr < 0) {
      this.report(`PID ${pid}: no clock reference before the first PES packet`);
      return;
    }
    const time = readTime(head, head[7]! >= 0xc0 ? 14 : 9);
    const delay = forward(this.lastPcr, time);
    if (delay >= TICKS_33 / 2)
      this.report(`PID ${pid}: arrives ${Math.round((TICKS_33 - delay) / 90)} ms late`);
    else if (delay > this.options.maxDelayMs * 90)
      this.report(`PID ${pid}: arrives ${Math.round(delay / 90)} ms early`);
  }

  private closeAll(): void {
    for (const pid of [...this.open.keys()]) this.close(pid);
  }

  private close(pid: number): void {
    const pes = this.open.get(pid);
    const seen = this.streams.get(pid);
    this.open.delete(pid);
    if (pes === undefined || seen === undefined) return;
    const bytes = Buffer.concat(pes.bytes);
    seen.pesPackets++;
    if (bytes.length < 14 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 1) {
      this.report(`PID ${pid}: no PES header`);
      return;
    }
    const isVideo = isVideoType(seen.streamType);
    this.pesHeader(seen, bytes, isVideo);
    const data = bytes.subarray(9 + bytes[8]!);
    if (seen.streamType === 0x1b || seen.streamType === 0x24) this.picture(seen, data, pes.randomAccess);
    else if (seen.streamType === 0x0f) this.adts(seen, data);
    else if (seen.streamType === 0x06) this.opus(seen, data);
    else seen.accessUnits++;
    if (pes.randomAccess) seen.randomAccessPoints++;
    if (isVideo) this.begun.add(pid);
  }

  private pesHeader(seen: TsStreamSeen, bytes: Uint8Array, isVideo: boolean): void {
    const name = `PID ${seen.pid}`;
    const id = bytes[3]!;
    const length = (bytes[4]! << 8) | bytes[5]!;
    if (isVideo ? (id & 0xf0) !== 0xe0 : id !== 0xbd && (id & 0xe0) !== 0xc0)
      this.report(`${name}: stream id ${id}`);
    if (length === 0 ? !isVideo : length !== bytes.length - 6) {
      this.report(`${name}: PES length ${length} but ${bytes.length - 6} bytes`);
    }
    if ((bytes[6]! & 0xf0) !== 0x80) this.report(`${name}: PES flags ${bytes[6]}`);
    const which = bytes[7]! >> 6;
    if (which < 2) {
      this.report(`${name}: no PTS`);
      return;
    }
    if (bytes[8] !== (which === 3 ? 10 : 5)) this.report(`${name}: PES header length ${bytes[8]}`);
    if (bytes[9]! >> 4 !== which) this.report(`${name}: prefix of the PTS`);
    if (which === 3 && bytes[14]! >> 4 !== 1) this.report(`${name}: prefix of the DTS`);
    for (let at = 9; at < (which === 3 ? 19 : 14); at += 5) {
      if ((bytes[at]! & bytes[at + 2]! & bytes[at + 4]! & 1) === 0) this.report(`${name}: marker bit is 0`);
    }
    const pts = readTime(bytes, 9);
    const dts = which === 3 ? readTime(bytes, 14) : pts;
    if (which === 3 && pts === dts) this.report(`${name}: a DTS that is equal to the PTS`);
    if (forward(dts, pts) >= TICKS_33 / 2) this.report(`${name}: PTS before DTS`);
    if (seen.lastDts >= 0) {
      const step = forward(seen.lastDts, dts);
      if (step >= TICKS_33 / 2 || (step === 0 && isVideo)) this.report(`${name}: DTS does not grow`);
    }
    if (seen.firstPts < 0) seen.firstPts = pts;
    seen.lastPts = pts;
    seen.lastDts = dts;
  }

  private picture(seen: TsStreamSeen, data: Uint8Array, randomAccess: boolean): void {
    const isH264 = seen.streamType === 0x1b;
    const types = nalTypes(data, isH264);
    const name = `PID ${seen.pid}`;
    const delimiter = isH264 ? 9 : 35;
    seen.accessUnits++;
    if (types[0] !== delimiter) this.report(`${name}: picture without access unit delimiter`);
    if (types.lastIndexOf(delimiter) > 0) this.report(`${name}: more than one access unit in a PES packet`);
    const sets = isH264 ? [7, 8] : [32, 33, 34];
    const firstSlice = types.findIndex((type) => (isH264 ? type >= 1 && type <= 5 : type <= 31));
    if (firstSlice < 0) this.report(`${name}: no slice in a picture`);
    const before = types.slice(0, firstSlice);
    const isKey = types.some((type) => (isH264 ? type === 5 : type >= 16 && type <= 23));
    if (isKey && !randomAccess) this.report(`${name}: key frame without random access indicator`);
    if (randomAccess && !sets.every((type) => before.includes(type))) {
      this.report(`${name}: random access without parameter sets`);
    }
    if (this.wantsRandomAccess && !this.begun.has(seen.pid) && !randomAccess) {
      this.report(`${name}: segment does not begin with random access`);
    }
  }

  private adts(seen: TsStreamSeen, data: Uint8Array): void {
    let at = 0;
    while (at + 7 <= data.length) {
      if (data[at] !== 0xff || (data[at + 1]! & 0xf6) !== 0xf0) {
        this.report('no ADTS header');
        return;
      }
      const size = ((data[at + 3]! & 3) << 11) | (data[at + 4]! << 3) | (data[at + 5]! >> 5);
      if (size < 8) {
        this.report(`ADTS frame of ${size} bytes`);
        return;
      }
      at += size;
      seen.accessUnits++;
    }
    if (at !== data.length) this.report('ADTS frame runs over its PES packet');
  }

  private opus(seen: TsStreamSeen, data: Uint8Array): void {
    let at = 0;
    while (at + 3 <= data.length) {
      if (data[at] !== 0x7f || (data[at + 1]! & 0xe0) !== 0xe0) {
        this.report('no Opus control header');
        return;
      }
      at += 2;
      let size = 0;
      while (data[at] === 255) size += data[at++]!;
      size += data[at++] ?? 0;
      at += size;
      seen.accessUnits++;
    }
    if (at !== data.length) this.report('Opus packet runs over its PES packet');
  }
}

/** Checks segments that follow each other; each must begin with tables and random access. */
export function checkTsSegments(segments: readonly Uint8Array[], options: TsCheckOptions = {}): string[] {
  const checker = new TsChecker(options);
  segments.forEach((bytes, index) => {
    checker.segment(bytes, `segment ${index}`);
  });
  return checker.finish();
}

function pidAt(bytes: Uint8Array, at: number): number {
  return bytes.length < at + 3 ? -1 : ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
}

function isVideoType(streamType: number): boolean {
  return streamType === 0x1b || streamType === 0x24;
}

/** Ticks from one 33-bit time to another, forward. */
function forward(from: number, to: number): number {
  return (to - from + TICKS_33) % TICKS_33;
}

function readTime(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = (bytes[at + 1]! << 7) | (bytes[at + 2]! >> 1);
  const low = (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return high * 2 ** 30 + middle * 2 ** 15 + low;
}

function nalTypes(data: Uint8Array, isH264: boolean): number[] {
  const types: number[] = [];
  for (let i = 0; i + 3 < data.length; i++) {
    if (data[i] !== 0 || data[i + 1] !== 0 || data[i + 2] !== 1) continue;
    types.push(isH264 ? data[i + 3]! & 31 : (data[i + 3]! >> 1) & 63);
  }
  return types;
}

function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const feedback = ((crc >>> 31) ^ (byte >> bit)) & 1;
      crc = (crc << 1) ^ (feedback === 1 ? 0x04c11db7 : 0);
    }
  }
  return crc >>> 0;
}
