/** What FlvIngest remembers of one track of a publisher. */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { CodecId } from '../codec/codec-id.ts';

/** How NAL units are framed is not known before a frame was seen. */
export const FRAMING_UNKNOWN = -2;

export class IngestTrack {
  /** In the stream. */
  readonly id: number;
  /** On the wire, among the tracks of its kind. */
  readonly wireIndex: number;
  codec: CodecId;
  /** What the wire calls the codec: a legacy id or a FourCC; -1 before the first packet. */
  codecTag: number;
  /** Decodes the frames that come now; null when that is not known yet. */
  config: CodecConfig | null;
  /** The config that the output was told last, be it of an earlier codec. */
  announced: CodecConfig | null;
  /** The decoder configuration record as it was received, to see whether another one is a repetition. */
  record: Uint8Array | null;
  /** Length size that the record tells. */
  lengthSize: number;
  /** Length size of the frames, ANNEX_B, or FRAMING_UNKNOWN. */
  framing: number;
  /** The next frame is the first of a changed config. */
  configChanged: boolean;
  /** Microseconds that every frame lasts, 0 when they differ. */
  durationUs: number;
  /** Publisher's time of the last key frame that the bitstream itself shows. */
  lastKeyMs: number;

  constructor(id: number, wireIndex: number, codec: CodecId) {
    this.id = id;
    this.wireIndex = wireIndex;
    this.codec = codec;
    this.codecTag = -1;
    this.config = null;
    this.announced = null;
    this.record = null;
    this.lengthSize = 4;
    this.framing = FRAMING_UNKNOWN;
    this.configChanged = false;
    this.durationUs = 0;
    this.lastKeyMs = Number.NEGATIVE_INFINITY;
  }

  /** The publisher goes on with another codec: what is known of the old one is void. */
  setCodec(codec: CodecId, codecTag: number): void {
    this.codec = codec;
    this.codecTag = codecTag;
    this.config = null;
    this.record = null;
    this.lengthSize = 4;
    this.framing = FRAMING_UNKNOWN;
    this.durationUs = 0;
    this.lastKeyMs = Number.NEGATIVE_INFINITY;
  }
}

/** Tracks of one kind, and how many there may be; ids of the stream stay below 31. */
const MAX_TRACKS_PER_KIND = 15;
const MAX_WIRE_TRACKS = 256;

/** The tracks of one kind by their number on the wire (0 to 255). */
export class IngestTracks {
  private readonly kindOffset: number;
  private readonly codec: CodecId;
  private readonly tracks: (IngestTrack | null)[];
  private others: number;

  /** Ids are `kindOffset` for the default track and then every second number, in order of appearance. */
  constructor(kindOffset: 0 | 1, codec: CodecId) {
    this.kindOffset = kindOffset;
    this.codec = codec;
    this.tracks = new Array<IngestTrack | null>(MAX_WIRE_TRACKS).fill(null);
    this.others = 0;
  }

  /** The track, made when it is new; null when the publisher has too many. */
  at(wireIndex: number): IngestTrack | null {
    const known = this.tracks[wireIndex]!;
    return known === null ? this.add(wireIndex) : known;
  }

  private add(wireIndex: number): IngestTrack | null {
    if (wireIndex > 0 && this.others === MAX_TRACKS_PER_KIND - 1) return null;
    const slot = wireIndex === 0 ? 0 : ++this.others;
    const track = new IngestTrack(slot * 2 + this.kindOffset, wireIndex, this.codec);
    this.tracks[wireIndex] = track;
    return track;
  }
}
