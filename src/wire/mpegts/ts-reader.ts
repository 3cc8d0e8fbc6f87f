/**
 * A transport stream in pieces of any size to the PES packets of one program: ISO/IEC 13818-1 2.4.3 (packets) with
 * packets of 188 bytes, of 192 (M2TS, with its time stamp in front) and of 204 (with Reed-Solomon bytes behind).
 * For hostile and damaged input: nothing throws; what makes no sense is skipped and counted, and after garbage the
 * reader finds the packets again. Leaves out: scrambled packets, clock references.
 */
import { PesPacket, PesReader } from './pes-reader.ts';
import { ProgramFollower, type TsProgram, type TsStream } from './psi-reader.ts';

const PACKET_BYTES = 188;
const STRIDES: readonly number[] = [188, 192, 204];
const M2TS_STRIDE = 192;
const M2TS_STAMP_BYTES = 4;
/** Distance of two sync bytes at most. */
export const MAX_TS_STRIDE = 204;
const SYNC_BYTE = 0x47;
/** Sync bytes at equal distances that are believed. */
const SYNCS_TO_LOCK = 4;
const SEARCH_BYTES = 2048;
const SEARCH_LOOKAHEAD = MAX_TS_STRIDE * (SYNCS_TO_LOCK - 1) + 1;
/** Of all streams together: what they may hold of packets that are not complete. */
const MAX_HELD_BYTES = 40 * 1024 * 1024;
const PAT_PID = 0;
const NULL_PID = 0x1fff;
const PID_COUNT = 0x2000;
const ADAPTATION_DISCONTINUITY = 0x80;

export interface TsReaderOutput {
  /** Largest PES packet of a stream, bytes; 0 = the stream is not wanted. Asked before `program` is told. */
  maxPesBytes(stream: TsStream): number;
  /** The program map is new or has changed. */
  program(program: TsProgram): void;
  /** `packet` is valid during the call only. */
  pes(packet: PesPacket): void;
}

export interface TsReaderOptions {
  /** Place of the first byte in its stream, for the positions that packets are told with. */
  readonly position?: number;
  /** For a reader that begins in the middle: the program as it is there. */
  readonly program?: TsProgram;
}

export class TsReader {
  /** Bytes that belong to no packet. */
  skippedBytes = 0;
  /** Packets that the sender marked as damaged, or that break the format. */
  badPackets = 0;
  scrambledPackets = 0;
  private readonly output: TsReaderOutput;
  private readonly follower = new ProgramFollower();
  private readonly streams: (PesReader | null)[] = new Array<PesReader | null>(PID_COUNT).fill(null);
  private active: PesReader[] = [];
  private readonly shared = new PesPacket();
  private program: TsProgram | null = null;
  /** Distance of two packets; 0 = it is being looked for. */
  private stride = 0;
  /** Bytes between two packets that are still to be skipped. */
  private gap = 0;
  /** Place of the next byte. */
  private position: number;
  private readonly held = new Uint8Array(PACKET_BYTES);
  private heldBytes = 0;
  private readonly search = new Uint8Array(SEARCH_BYTES);
  private searchBytes = 0;
  private goneContinuityErrors = 0;
  private goneTooLarge = 0;

  constructor(output: TsReaderOutput, options: TsReaderOptions = {}) {
    this.output = output;
    this.position = options.position ?? 0;
    if (options.program !== undefined) {
      this.follower.resume(options.program);
      this.follow(options.program);
    }
  }

  /** Sections whose CRC is wrong. */
  get badSections(): number {
    return this.follower.badSections;
  }

  /** Programs in the stream; one of them is followed. */
  get programCount(): number {
    return this.follower.programCount;
  }

  get continuityErrors(): number {
    return this.active.reduce((sum, stream) => sum + stream.continuityErrors, this.goneContinuityErrors);
  }

  /** PES packets that were dropped because of their size. */
  get tooLarge(): number {
    return this.active.reduce((sum, stream) => sum + stream.tooLarge, this.goneTooLarge);
  }

  /** Takes the next bytes; calls the output for all that they complete. Never throws by itself. Hot path. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const left = bytes.length - at;
      let used = 0;
      if (this.stride === 0) used = this.lookForPackets(bytes, at);
      else if (this.gap > 0) {
        used = Math.min(this.gap, left);
        this.gap -= used;
        this.position += used;
      } else if (this.heldBytes === 0 && bytes[at] !== SYNC_BYTE) this.stride = 0;
      else if (this.heldBytes === 0 && left >= PACKET_BYTES) {
        this.packet(bytes, at, this.position);
        used = PACKET_BYTES;
        this.position += used;
        this.gap = this.stride - PACKET_BYTES;
      } else used = this.hold(bytes, at);
      at += used;
    }
  }

  /** No more bytes follow: what is complete without them is handed over. */
  finish(): void {
    // Too few packets to be sure of; there is nothing left that could speak against them.
    for (let start = 0; this.stride === 0 && start + PACKET_BYTES <= this.searchBytes; start++) {
      const stride = strideAt(this.search, start, this.searchBytes);
      if (stride === 0) continue;
      const rest = this.search.slice(start, this.searchBytes);
      this.stride = stride;
      this.gap = 0;
      this.position -= rest.length;
      this.searchBytes = 0;
      this.push(rest);
    }
    for (const stream of this.active) stream.flush(true);
  }

  /** Part of a packet. */
  private hold(bytes: Uint8Array, at: number): number {
    const count = Math.min(PACKET_BYTES - this.heldBytes, bytes.length - at);
    for (let i = 0; i < count; i++) this.held[this.heldBytes + i] = bytes[at + i]!;
    this.heldBytes += count;
    this.position += count;
    if (this.heldBytes === PACKET_BYTES) {
      this.heldBytes = 0;
      this.gap = this.stride - PACKET_BYTES;
      this.packet(this.held, 0, this.position - PACKET_BYTES);
    }
    return count;
  }

  /** Collects bytes until sync bytes stand at equal distances. Returns how many were taken. */
  private lookForPackets(bytes: Uint8Array, at: number): number {
    const { search } = this;
    const count = Math.min(SEARCH_BYTES - this.searchBytes, bytes.length - at);
    search.set(bytes.subarray(at, at + count), this.searchBytes);
    this.searchBytes += count;
    this.position += count;
    const last = this.searchBytes - SEARCH_LOOKAHEAD;
    let start = 0;
    let stride = 0;
    for (; start <= last && stride === 0; start++) stride = strideAt(search, start);
    if (stride > 0) start--;
    // The time stamp of the first packet of M2TS is no garbage.
    this.skippedBytes +=
      stride === M2TS_STRIDE && start >= M2TS_STAMP_BYTES ? start - M2TS_STAMP_BYTES : start;
    const rest = search.slice(start, this.searchBytes);
    this.searchBytes = 0;
    if (stride === 0) {
      search.set(rest);
      this.searchBytes = rest.length;
      return count;
    }
    // The packets that the search has collected.
    this.stride = stride;
    this.gap = 0;
    this.position -= rest.length;
    this.push(rest);
    return count;
  }

  private packet(bytes: Uint8Array, at: number, position: number): void {
    const second = bytes[at + 1]!;
    const fourth = bytes[at + 3]!;
    if ((second & 0x80) !== 0) {
      this.badPackets++;
      return;
    }
    const pid = ((second & 0x1f) << 8) | bytes[at + 2]!;
    if (pid === NULL_PID) return;
    const end = at + PACKET_BYTES;
    let start = at + 4;
    let isJump = false;
    if ((fourth & 0x20) !== 0) {
      const fieldBytes = bytes[start]!;
      if (fieldBytes > PACKET_BYTES - 5) {
        this.badPackets++;
        return;
      }
      isJump = fieldBytes > 0 && (bytes[start + 1]! & ADAPTATION_DISCONTINUITY) !== 0;
      start += 1 + fieldBytes;
    }
    if ((fourth & 0x10) === 0 || start >= end) return;
    const isUnitStart = (second & 0x40) !== 0;
    const continuity = fourth & 15;
    const stream = this.streams[pid]!;
    if (stream !== null) {
      if ((fourth & 0xc0) !== 0) this.scrambledPackets++;
      else stream.take(bytes, start, end, isUnitStart, continuity, isJump, position);
    } else if (pid === PAT_PID) this.follower.associationPacket(bytes, start, end, isUnitStart, continuity);
    else if (pid === this.follower.mapPid) {
      const program = this.follower.mapPacket(bytes, start, end, isUnitStart, continuity);
      if (program !== null) {
        this.follow(program);
        this.output.program(program);
      }
    }
  }

  /** Streams that stay keep what they have collected. */
  private follow(program: TsProgram): void {
    const before = this.program?.streams ?? [];
    const kept: PesReader[] = [];
    for (const stream of this.active) {
      const old = before.find(({ pid }) => pid === stream.pid);
      const now = program.streams.find(({ pid }) => pid === stream.pid);
      if (old !== undefined && now?.streamType === old.streamType) {
        kept.push(stream);
        continue;
      }
      stream.flush(false);
      this.goneContinuityErrors += stream.continuityErrors;
      this.goneTooLarge += stream.tooLarge;
      this.streams[stream.pid] = null;
    }
    let room = MAX_HELD_BYTES;
    for (const { maxBytes } of kept) room -= maxBytes;
    for (const stream of program.streams) {
      const maxBytes = this.streams[stream.pid] === null ? this.output.maxPesBytes(stream) : 0;
      if (maxBytes === 0 || maxBytes > room) continue;
      room -= maxBytes;
      const reader = new PesReader(stream.pid, maxBytes, this.shared, (packet) => this.output.pes(packet));
      this.streams[stream.pid] = reader;
      kept.push(reader);
    }
    this.active = kept;
    this.program = program;
  }
}

/**
 * Distance of the packets that begin at `start`; 0 when none do. Looks SEARCH_LOOKAHEAD bytes ahead at most; what lies
 * behind `end` is not needed.
 */
function strideAt(bytes: Uint8Array, start: number, end = Number.POSITIVE_INFINITY): number {
  if (bytes[start] !== SYNC_BYTE) return 0;
  for (const stride of STRIDES) {
    let syncs = 1;
    while (syncs < SYNCS_TO_LOCK) {
      const at = start + syncs * stride;
      if (at < end && bytes[at] !== SYNC_BYTE) break;
      syncs++;
    }
    if (syncs === SYNCS_TO_LOCK) return stride;
  }
  return 0;
}

/** Whether the beginning of a file holds transport packets; `head` needs a few packets. */
export function looksLikeTs(head: Uint8Array): boolean {
  for (let start = 0; start + SEARCH_LOOKAHEAD <= head.length; start++)
    if (strideAt(head, start) > 0) return true;
  return false;
}
