/**
 * The RTP packets of one stream as a thread holds them for all its players: the frames of the feed `webrtc` (views of
 * shared memory: a mark, then `$`, channel, length, packet, repeated), from the latest key frame on and for a few seconds, so that
 * lost packets can be sent again and who joins gets a picture at once.
 */
import { FRAME_KEY } from '../../media/frame.ts';
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from '../../packaging/webrtc-frame-mark.ts';
import { Ring } from '../../util/ring.ts';
import { parseRtcp } from '../../wire/rtp/rtcp.ts';

/** Of an interleaved packet. */
export const CHUNK_HEADER_BYTES = 4;
const KEEP_US = 2_000_000;
/** A GOP that is longer than one of these is not kept: who joins waits for the next key frame. */
const MAX_KEPT_US = 20_000_000;
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
/** The bitrate is counted over so much of the stream; a first figure comes earlier. */
const RATE_US = 2_000_000;
const FIRST_RATE_US = 500_000;
/** Times that are further apart are of two timelines. */
const MAX_STEP_US = 10_000_000;

const NO_READERS: readonly StoreReader[] = [];

/** Ready packets of one frame, or of reports. */
export class StoredChunk {
  readonly slab: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly isKey: boolean;
  readonly dtsUs: number;
  /** All packets are of one track. */
  readonly track: number;
  /** RTP time, on the stream's clock. */
  readonly timestamp: number;
  /** When it came, monotonic microseconds. */
  readonly pushedUs: number;

  constructor(
    slab: Uint8Array,
    start: number,
    end: number,
    isKey: boolean,
    dtsUs: number,
    track: number,
    timestamp: number,
    pushedUs: number,
  ) {
    this.slab = slab;
    this.start = start;
    this.end = end;
    this.isKey = isKey;
    this.dtsUs = dtsUs;
    this.track = track;
    this.timestamp = timestamp;
    this.pushedUs = pushedUs;
  }
}

/** A moment on the wall and on the RTP clock of a track, as the feed's sender report told it. */
export class TrackClock {
  ntpSeconds = 0;
  ntpFraction = 0;
  rtpTime = 0;
  /** When it was told, monotonic microseconds; NaN = not yet. */
  atUs = Number.NaN;
}

/** Whoever plays from the store. */
export interface StoreReader {
  /** Chunks were pushed, one or several. */
  onChunk(nowUs: number): void;
  /** The tracks are others now: nothing of before fits. */
  onTracks(): void;
}

export class FeedStore {
  readonly chunks = new Ring<StoredChunk>(256);
  /** By track, pictures before sound; clock rates in Hz. */
  clockRates: readonly number[] = [];
  /** How many of the tracks are pictures. */
  pictures = 0;
  clocks: readonly TrackClock[] = [];
  /** The publisher makes a key frame when it is asked. */
  canRequestKey = false;
  /** Position of the latest key frame that is held; -1 = none. */
  latestKey = -1;
  /** Of all tracks together, bits per second of the stream's time; 0 = not known yet. */
  bitrateBps = 0;
  /** When the latest frame of the first picture came, monotonic microseconds. */
  lastPictureUs = Number.NEGATIVE_INFINITY;
  /** Something came that `serve` has not begun to tell of. */
  hasNew = false;
  private rateSinceUs = Number.NaN;
  private rateBytes = 0;
  private readonly onKeyNeeded: () => void;
  /** Of the tracks; frames of others are dropped. -1 = all are taken. */
  private generation = -1;
  private bytes = 0;
  private readers: readonly StoreReader[] = NO_READERS;
  /** Who is being told, and how many of them have been. */
  private serving: readonly StoreReader[] = NO_READERS;
  private served = 0;

  constructor(onKeyNeeded: () => void) {
    this.onKeyNeeded = onKeyNeeded;
  }

  setTracks(clockRates: readonly number[], pictures: number, generation = -1): void {
    // What was reported of a track is of no use for another one.
    const isMoved = pictures !== this.pictures;
    this.clocks = clockRates.map(
      (_, track) => (isMoved ? undefined : this.clocks[track]) ?? new TrackClock(),
    );
    this.clockRates = clockRates;
    this.pictures = pictures;
    this.generation = generation;
    for (const reader of this.readers) reader.onTracks();
  }

  add(reader: StoreReader): void {
    this.readers = [...this.readers, reader];
  }

  remove(reader: StoreReader): void {
    this.readers = this.readers.filter((known) => known !== reader);
  }

  get readerCount(): number {
    return this.readers.length;
  }

  get bytesHeld(): number {
    return this.bytes;
  }

  requestKey(): void {
    if (this.canRequestKey) this.onKeyNeeded();
  }

  /** Hot path. Bytes of the feed from one slab: whole marked frames, and reports between them. `serve` tells readers. */
  push(slab: Uint8Array, start: number, end: number, nowUs: number): void {
    let from = -1;
    let isCurrent = true;
    for (let at = start; at + CHUNK_HEADER_BYTES <= end; ) {
      const channel = slab[at + 1]!;
      const next = at + CHUNK_HEADER_BYTES + ((slab[at + 2]! << 8) | slab[at + 3]!);
      if (channel === FRAME_MARK_CHANNEL) {
        if (from >= 0) this.pushChunk(slab, from, at, nowUs);
        isCurrent = this.generation < 0 || this.generation === ((slab[at + 6]! << 8) | slab[at + 7]!);
        from = isCurrent ? at : -1;
      } else if ((channel & 1) === 1 && isCurrent) {
        this.takeReport(channel >> 1, slab.subarray(at + CHUNK_HEADER_BYTES, next), nowUs);
      }
      at = next;
    }
    if (from >= 0) this.pushChunk(slab, from, end, nowUs);
  }

  /** Hot path. Tells one reader after the other that there is something new, up to that time; true when all know. */
  serve(now: () => number, untilUs: number): boolean {
    if (this.served === this.serving.length) {
      this.hasNew = false;
      this.serving = this.readers;
      this.served = 0;
    }
    const { serving } = this;
    while (this.served < serving.length) {
      const nowUs = now();
      if (nowUs >= untilUs) return false;
      serving[this.served++]!.onChunk(nowUs);
    }
    this.serving = NO_READERS;
    this.served = 0;
    return true;
  }

  private pushChunk(slab: Uint8Array, mark: number, end: number, nowUs: number): void {
    const { chunks } = this;
    const isKey = (slab[mark + 4]! & FRAME_KEY) !== 0;
    const dtsUs = readDouble(slab, mark + 8);
    const start = mark + FRAME_MARK_BYTES;
    const first = firstPacket(slab, start, end);
    // Reports alone.
    if (first < 0) return;
    const track = slab[first + 1]! >> 1;
    const timestamp = readTimestamp(slab, first + CHUNK_HEADER_BYTES);
    const chunk = new StoredChunk(slab, start, end, isKey, dtsUs, track, timestamp, nowUs);
    const position = chunks.push(chunk);
    this.bytes += end - start;
    this.measure(end - start, dtsUs);
    if (track === 0 && this.pictures > 0) this.lastPictureUs = nowUs;
    if (isKey) this.latestKey = position;
    this.trim(dtsUs);
    this.hasNew = true;
  }

  private measure(bytes: number, dtsUs: number): void {
    const passedUs = dtsUs - this.rateSinceUs;
    const isOver = passedUs >= RATE_US;
    if (passedUs >= FIRST_RATE_US && (isOver || this.bitrateBps === 0)) {
      const bps = (this.rateBytes * 8_000_000) / passedUs;
      this.bitrateBps = this.bitrateBps === 0 || passedUs >= MAX_STEP_US ? bps : (this.bitrateBps + bps) / 2;
    }
    if (isOver || !(passedUs > -MAX_STEP_US)) {
      this.rateSinceUs = dtsUs;
      this.rateBytes = 0;
    }
    this.rateBytes += bytes;
  }

  /** The latest frame of a track that is held; null = none. */
  newestOf(track: number): StoredChunk | null {
    const { chunks } = this;
    for (let position = chunks.head - 1; position >= chunks.tail; position--) {
      const chunk = chunks.at(position);
      if (chunk.track === track) return chunk;
    }
    return null;
  }

  private takeReport(track: number, bytes: Uint8Array, nowUs: number): void {
    const clock = this.clocks[track];
    if (clock === undefined) return;
    for (const packet of parseRtcp(bytes)) {
      if (packet.type !== 'sr') continue;
      clock.ntpSeconds = packet.ntpSeconds;
      clock.ntpFraction = packet.ntpFraction;
      clock.rtpTime = packet.rtpTime;
      clock.atUs = nowUs;
    }
  }

  private trim(dtsUs: number): void {
    const { chunks } = this;
    while (chunks.tail < chunks.head - 1) {
      const oldest = chunks.at(chunks.tail);
      const ageUs = dtsUs - oldest.dtsUs;
      const isOfGop = this.latestKey >= 0 && chunks.tail >= this.latestKey;
      const isNeeded = isOfGop ? ageUs <= MAX_KEPT_US : ageUs <= KEEP_US;
      if (isNeeded && this.bytes <= MAX_KEPT_BYTES) break;
      if (chunks.tail === this.latestKey) this.latestKey = -1;
      this.bytes -= oldest.end - oldest.start;
      chunks.dropOldest();
    }
  }
}

/** Where the first RTP packet lies; -1 when there is none. */
function firstPacket(slab: Uint8Array, start: number, end: number): number {
  for (let at = start; at + CHUNK_HEADER_BYTES <= end; ) {
    if ((slab[at + 1]! & 1) === 0) return at;
    at += CHUNK_HEADER_BYTES + ((slab[at + 2]! << 8) | slab[at + 3]!);
  }
  return -1;
}

function readTimestamp(slab: Uint8Array, packet: number): number {
  return (
    ((slab[packet + 4]! << 24) | (slab[packet + 5]! << 16) | (slab[packet + 6]! << 8) | slab[packet + 7]!) >>>
    0
  );
}

const double = new Uint8Array(8);
const doubleView = new DataView(double.buffer);

function readDouble(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) double[i] = bytes[at + i]!;
  return doubleView.getFloat64(0);
}
