/**
 * One player's place in a FeedStore: what of it goes out now, and what does not any more. Who joins, or asks for a picture,
 * gets the GOP that is held from its key frame on, its times pressed together so that the player decodes it in a moment and
 * stands at the live edge. A player whose network cannot carry the pictures keeps its sound and gets pictures again from
 * the next key frame. A reader may go over to a store of the same pictures in another size: numbers and times go on.
 */
import { CHUNK_HEADER_BYTES, type FeedStore, type StoredChunk, type StoreReader } from './feed-store.ts';
import type { Pace } from './pace.ts';
import type { SendTrack } from './send-track.ts';

/** Further behind than this pictures are left out up to the next key frame. */
const MAX_LAG_US = 1_000_000;
/** Further behind than this there is no room for all of it. */
const LONG_LAG_US = 250_000;
/** Between two answers to requests for a picture. */
const MIN_REPLAY_GAP_US = 500_000;
/** After the beginning: Firefox sets its receiver up anew within that time and loses what came before. */
const FIRST_REPLAY_GAP_US = 100_000;
/** Pressed together by so many ticks a frame at most, 1 ms of video. */
const PRESSED_TICKS = 90;
/** Room for pressed frames between two frames of the stream, ticks. */
const FRAME_ROOM_TICKS = 1500;
/** A picture that is told to be this little before the one that was sent last comes right after it, ticks (5 s). */
const STEP_BACK_TICKS = 450_000;
/** Sound this much behind the newest picture is of now. */
const SOUND_SLACK_US = 60_000;

/** The next key frame of a store, for a reader of another one. */
class KeyWatch implements StoreReader {
  readonly store: FeedStore;
  private readonly from: number;
  private readonly onKey: (nowUs: number) => void;

  constructor(store: FeedStore, onKey: (nowUs: number) => void) {
    this.store = store;
    this.from = store.chunks.head;
    this.onKey = onKey;
    store.add(this);
  }

  onChunk(nowUs: number): void {
    if (this.store.latestKey < this.from) return;
    this.close();
    this.onKey(nowUs);
  }

  onTracks(): void {}

  close(): void {
    this.store.remove(this);
  }
}

export class FeedReader implements StoreReader {
  feed: FeedStore;
  readonly tracks: readonly SendTrack[];
  framesSkipped = 0;
  replays = 0;
  private readonly pace: Pace;
  private readonly onPumped: (nowUs: number) => void;
  /** By the track of the feed. */
  private byFeedTrack: (SendTrack | undefined)[] = [];
  private readonly picture: SendTrack | undefined;
  /** The track of the feed that has its pictures; -1 = there is none (now). */
  private videoTrack = -1;
  /** Next chunk to send; -1 = waits for a key frame. */
  private cursor = -1;
  /** Of what came from here on a key frame begins, when one is waited for. */
  private waitsFrom = 0;
  /** Where the next packet of that chunk lies; 0 = it has not begun. */
  private packetAt = 0;
  /** RTP time of the frame that has begun. */
  private frameTime = 0;
  /** Chunks before this position are history: sound of it is not sent, and times of pictures are pressed. */
  private liveFrom = 0;
  /** Sound of before this time is history too, whenever it comes: converted sound comes late. */
  private soundFromUs = Number.NEGATIVE_INFINITY;
  private pressed = 0;
  private pressedTicks = 0;
  private pressedEnd = 0;
  /** Pictures are left out up to the next key frame. */
  private skipsPictures = false;
  /** Sound before this position is sent: it does not wait for pictures. */
  private soundTo = 0;
  private lastReplayUs = Number.NEGATIVE_INFINITY;
  private watch: KeyWatch | null = null;
  private isStarted = false;

  /** `onPumped`: called after what waited was sent as far as the pace allows. */
  constructor(
    feed: FeedStore,
    tracks: readonly SendTrack[],
    pace: Pace,
    onPumped: (nowUs: number) => void = () => undefined,
  ) {
    this.feed = feed;
    this.tracks = tracks;
    this.pace = pace;
    this.onPumped = onPumped;
    this.picture = tracks.find(({ media }) => media.kind === 'video');
    this.findTracks();
  }

  start(nowUs: number, feed = this.feed): void {
    this.isStarted = true;
    this.feed = feed;
    this.soundTo = 0;
    this.findTracks();
    feed.add(this);
    this.beginAt(nowUs);
    if (this.cursor < 0) feed.requestKey();
    this.pump(nowUs);
  }

  /** Idempotent. */
  close(): void {
    this.isStarted = false;
    this.watch?.close();
    this.watch = null;
    this.feed.remove(this);
  }

  onTracks(): void {
    this.findTracks();
    this.moveTo(-1);
  }

  private findTracks(): void {
    const found: (SendTrack | undefined)[] = [];
    for (const track of this.tracks) {
      const place = trackIn(this.feed, track);
      if (place >= 0) found[place] = track;
    }
    this.byFeedTrack = found;
    this.videoTrack = this.picture === undefined ? -1 : trackIn(this.feed, this.picture);
  }

  private moveTo(position: number): void {
    this.cursor = position;
    this.packetAt = 0;
    if (position < 0) this.waitsFrom = this.feed.chunks.head;
  }

  onChunk(nowUs: number): void {
    // A store tells those who were there when it began to.
    if (!this.isStarted || (this.cursor < 0 && !this.begins(nowUs))) return;
    this.pump(nowUs);
  }

  /** Whether what is waited for has come; while pictures wait for a key frame the sound goes on. */
  private begins(nowUs: number): boolean {
    const { latestKey, chunks } = this.feed;
    const hasKey = latestKey >= this.waitsFrom;
    const start = this.picture === undefined ? Math.max(this.waitsFrom, chunks.tail) : latestKey;
    const isStart = hasKey || this.picture === undefined;
    const end = isStart ? start : chunks.head;
    for (let at = Math.max(this.waitsFrom, chunks.tail); at < end; at++) this.sendSound(at, nowUs);
    this.waitsFrom = end;
    if (!isStart) return false;
    this.moveTo(start);
    this.liveFrom = start;
    return true;
  }

  private sendSound(position: number, nowUs: number): void {
    const chunk = this.feed.chunks.at(position);
    if (chunk.track === this.videoTrack || chunk.dtsUs < this.soundFromUs) return;
    this.packetAt = 0;
    this.sendChunk(chunk, false, true, nowUs);
    this.packetAt = 0;
  }

  /** From the key frame that is held, with pressed times; waits for one when none is held. */
  private beginAt(nowUs: number): void {
    const { feed, picture } = this;
    const { chunks, latestKey } = feed;
    if (chunks.size > 0) this.soundFromUs = chunks.at(chunks.head - 1).dtsUs - SOUND_SLACK_US;
    this.liveFrom = chunks.head;
    if (picture === undefined) {
      this.moveTo(chunks.head);
      return;
    }
    this.moveTo(latestKey);
    if (latestKey < 0) return;
    this.lastReplayUs = nowUs - MIN_REPLAY_GAP_US + FIRST_REPLAY_GAP_US;
    this.press(picture, chunks.head);
  }

  /** Finds times for the pictures from the cursor to `end`: the player has seen them, or they lead up to the newest. */
  private press(track: SendTrack, end: number): void {
    const { chunks } = this.feed;
    let count = 0;
    let newest = 0;
    for (let position = this.cursor; position < end; position++) {
      const chunk = chunks.at(position);
      if (chunk.track !== this.videoTrack) continue;
      count++;
      newest = chunk.timestamp;
    }
    this.pressed = count;
    if (!track.hasSent) {
      this.pressedTicks = PRESSED_TICKS;
      this.pressedEnd = (newest + track.timestampOffset) >>> 0;
      return;
    }
    // Behind the picture that was sent last, and before the next.
    this.pressedTicks = Math.max(
      1,
      Math.min(PRESSED_TICKS, Math.floor(FRAME_ROOM_TICKS / Math.max(1, count))),
    );
    this.pressedEnd = (track.lastTimestamp + this.pressedTicks * count) >>> 0;
  }

  /** Sends what waits, as far as the pace allows. */
  pump(nowUs: number): void {
    const { feed, pace } = this;
    const { chunks } = feed;
    if (!this.isStarted || this.cursor < 0) return;
    pace.refill(nowUs);
    if (this.cursor < chunks.tail) this.fallBehind();
    while (this.cursor >= 0 && this.cursor < chunks.head && pace.allows) {
      const chunk = chunks.at(this.cursor);
      const isHistory = this.cursor < this.liveFrom;
      if (!isHistory && this.packetAt === 0 && this.isTooLate(chunk)) {
        this.fallBehind();
        continue;
      }
      if (this.isWanted(chunk, isHistory, this.cursor) && !this.sendChunk(chunk, isHistory, false, nowUs))
        break;
      this.moveTo(this.cursor + 1);
    }
    if (this.isBehind && this.picture !== undefined) this.sendSoundAhead(nowUs);
    if (this.skipsPictures || this.lagUs > LONG_LAG_US) pace.holdBack(nowUs);
    this.onPumped(nowUs);
  }

  /** What the pace holds back is pictures. */
  private sendSoundAhead(nowUs: number): void {
    const { chunks } = this.feed;
    const { packetAt, frameTime } = this;
    const from = Math.max(this.cursor + (packetAt === 0 ? 0 : 1), this.soundTo, this.liveFrom);
    for (let at = from; at < chunks.head; at++) this.sendSound(at, nowUs);
    this.soundTo = chunks.head;
    this.packetAt = packetAt;
    this.frameTime = frameTime;
  }

  /** Whether this player gets the frame at all. */
  private isWanted(chunk: StoredChunk, isHistory: boolean, position: number): boolean {
    if (this.byFeedTrack[chunk.track] === undefined) return false;
    const isPicture = chunk.track === this.videoTrack;
    if (!isPicture) return !isHistory && position >= this.soundTo && chunk.dtsUs >= this.soundFromUs;
    if (this.skipsPictures && this.packetAt === 0) {
      if (!chunk.isKey) {
        this.framesSkipped++;
        return false;
      }
      this.skipsPictures = false;
    }
    return true;
  }

  private isTooLate(chunk: StoredChunk): boolean {
    const { chunks } = this.feed;
    return chunks.at(chunks.head - 1).dtsUs - chunk.dtsUs > MAX_LAG_US;
  }

  /** To the latest key frame if that is still ahead, else to the newest chunk, with sound alone up to a key frame. */
  private fallBehind(): void {
    const { feed } = this;
    const { chunks, latestKey } = feed;
    const before = Math.max(this.cursor, chunks.tail);
    const isAhead = latestKey > this.cursor;
    this.moveTo(isAhead ? latestKey : chunks.head);
    this.liveFrom = this.cursor;
    for (let position = before; position < this.cursor; position++)
      if (chunks.at(position).track === this.videoTrack) this.framesSkipped++;
    if (isAhead) return;
    this.skipsPictures = this.picture !== undefined;
    feed.requestKey();
  }

  /** Hot path. False when the pace does not allow all of it now: it goes on where it stopped. */
  private sendChunk(chunk: StoredChunk, isHistory: boolean, isAtOnce: boolean, nowUs: number): boolean {
    const { slab, end } = chunk;
    const { pace } = this;
    const track = this.byFeedTrack[chunk.track];
    if (track === undefined) return true;
    if (this.packetAt === 0) {
      this.packetAt = chunk.start;
      this.frameTime = this.timeOf(chunk, track, isHistory);
    }
    while (this.packetAt + CHUNK_HEADER_BYTES <= end) {
      if (!pace.allows && !isAtOnce) return false;
      const at = this.packetAt;
      const packet = at + CHUNK_HEADER_BYTES;
      const next = packet + ((slab[at + 2]! << 8) | slab[at + 3]!);
      this.packetAt = next;
      if ((slab[at + 1]! & 1) === 1) continue;
      pace.spend(track.send(slab, packet, next, this.frameTime, nowUs));
    }
    return true;
  }

  private timeOf(chunk: StoredChunk, track: SendTrack, isHistory: boolean): number {
    if (isHistory && this.pressed > 0) {
      this.pressed--;
      return (this.pressedEnd - this.pressed * this.pressedTicks) >>> 0;
    }
    const time = (chunk.timestamp + track.timestampOffset) >>> 0;
    if (chunk.track !== this.videoTrack || !track.hasSent) return time;
    // Pictures that were pressed, or two sizes that did not arrive at once, may have taken this time already.
    const ahead = (time - track.lastTimestamp) | 0;
    return ahead <= 0 && ahead > -STEP_BACK_TICKS ? (track.lastTimestamp + 1) >>> 0 : time;
  }

  /** The player asked for a picture: from the publisher when it makes key frames on request, else from what is held. */
  repeatPicture(nowUs: number): void {
    const { feed } = this;
    if (feed.canRequestKey) {
      feed.requestKey();
      return;
    }
    if (nowUs - this.lastReplayUs < MIN_REPLAY_GAP_US || this.cursor < 0 || feed.latestKey < 0) return;
    this.replays++;
    // What has been sent already counts as history; what has not goes on from there.
    this.goBackTo(feed.latestKey, this.cursor, nowUs);
    this.pump(nowUs);
  }

  /** To a key frame that is held; the pictures before `reached` are pressed. */
  private goBackTo(key: number, reached: number, nowUs: number): void {
    this.lastReplayUs = nowUs;
    this.moveTo(key);
    this.liveFrom = Math.max(reached, key);
    this.skipsPictures = false;
    if (this.picture !== undefined) this.press(this.picture, reached);
  }

  /** At the next key frame of the other store; another call takes the place of this one. */
  crossAtKey(to: FeedStore): void {
    this.watch?.close();
    this.watch = new KeyWatch(to, (nowUs) => {
      this.watch = null;
      this.cross(to, nowUs);
      this.moveTo(to.latestKey);
      this.liveFrom = this.cursor;
      this.skipsPictures = false;
      this.pump(nowUs);
    });
  }

  /** At once, from the key frame that the other store holds. */
  crossNow(to: FeedStore, nowUs: number): void {
    this.stay();
    this.cross(to, nowUs);
    this.goBackTo(to.latestKey, to.chunks.head, nowUs);
    this.pump(nowUs);
  }

  /** What `crossAtKey` waits for is not wanted any more. */
  stay(): void {
    this.watch?.close();
    this.watch = null;
  }

  /** The numbers go on, and so does the time: pictures of two sizes that arrive together were taken together. */
  private cross(to: FeedStore, nowUs: number): void {
    const { feed: from, picture } = this;
    if (this.packetAt !== 0 && this.cursor >= from.chunks.tail)
      this.sendChunk(from.chunks.at(this.cursor), false, true, nowUs);
    const last = from.newestOf(this.videoTrack);
    from.remove(this);
    this.feed = to;
    this.soundTo = 0;
    this.findTracks();
    to.add(this);
    const first = to.newestOf(this.videoTrack);
    if (picture !== undefined && last !== null && first !== null) {
      const passed = Math.round(((first.pushedUs - last.pushedUs) * picture.media.clockRate) / 1_000_000);
      picture.timestampOffset = (last.timestamp + picture.timestampOffset + passed - first.timestamp) >>> 0;
    }
  }

  /** Chunks wait that the pace has not allowed yet. */
  get isBehind(): boolean {
    return this.cursor >= 0 && this.cursor < this.feed.chunks.head;
  }

  get lagUs(): number {
    const { chunks } = this.feed;
    if (!this.isBehind || this.cursor < chunks.tail) return 0;
    return chunks.at(chunks.head - 1).dtsUs - chunks.at(this.cursor).dtsUs;
  }
}

/** Which track of a feed is sent there; -1 = it has none such now. */
export function trackIn({ pictures }: FeedStore, { media }: SendTrack): number {
  const { kind, feedTrack } = media;
  if (kind === 'audio') return pictures + feedTrack;
  return feedTrack < pictures ? feedTrack : -1;
}
