/**
 * RTMP messages and FLV tags of one publisher to tracks and frames (wire forms: src/wire/flv). Payloads come out
 * canonical (src/codec/README.md), times in the publisher's own milliseconds; unwrapping and the stream's timeline are
 * the receiver's. Left out: `colorInfo` metadata and MultichannelConfig of enhanced RTMP, ends of sequence.
 */
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import { type CodecConfig, isSameConfig, makeCodecConfig } from '../codec/codec-config.ts';
import { configFromFrame, configFromRecord, nalLengthSize } from '../codec/describe-config.ts';
import { videoFrameFlags } from '../codec/video-payload.ts';
import { FRAME_CONFIG, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../media/frame.ts';
import { makeTrack, type Track } from '../media/track.ts';
import { ProtocolError } from '../util/errors.ts';
import { AMF_DEFAULT_LIMITS, type AmfLimits, type AmfValue, isAmfObject } from '../wire/amf/amf-value.ts';
import { AudioTag } from '../wire/flv/audio-tag.ts';
import { PACKET_CODED_FRAMES, PACKET_SEQUENCE_START } from '../wire/flv/media-tag.ts';
import { ON_META_DATA, parseScript } from '../wire/flv/script-tag.ts';
import { TAG_AUDIO, TAG_SCRIPT, TAG_VIDEO } from '../wire/flv/tag-header.ts';
import { VIDEO_CODED_FRAMES_X, VIDEO_MPEG2TS_SEQUENCE_START, VideoTag } from '../wire/flv/video-tag.ts';
import { adtsHeaderBytes, CanonicalFrames, hasPicture } from './flv-ingest-frame.ts';
import { FRAMING_UNKNOWN, type IngestTrack, IngestTracks } from './flv-ingest-track.ts';

/** Where tracks and frames go; a Publication is one. */
export interface FlvIngestOutput {
  /** A new track, or a new config of a known one (same id). */
  setTrack(track: Track): void;
  /** `payload` is valid during the call only. `durationUs` 0 = not known. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void;
  /** Contents of onMetaData, and whether they say that video will come. */
  metadata(values: AmfValue, promisesVideo: boolean): void;
}

export interface FlvIngestOptions {
  readonly amfLimits?: AmfLimits;
}

/** Id of the track of script messages other than onMetaData. */
const DATA_TRACK_ID = 30;
/** A larger script message that is no onMetaData is dropped. */
const MAX_DATA_BYTES = 64 * 1024;
/** First descriptor byte and length of an AV1 video descriptor in MPEG-2 TS; av1C without OBUs follows. */
const AV1_DESCRIPTOR_TAG = 0x80;
const AV1_DESCRIPTOR_BYTES = 4;
/** Without a key frame in the bitstream for this long, the publisher's word counts. */
const MAX_KEY_DISTANCE_MS = 10_000;
/** A data message further from the media than this is put at the latest media time. */
const MAX_DATA_DISTANCE_MS = 1000;
const NS_PER_MS = 1_000_000;

const NO_BYTES = new Uint8Array(0);

export class FlvIngest {
  /** Frames dropped because nothing told how to decode them. */
  framesWithoutConfig = 0;
  /** Frames dropped because their NAL units or OBUs do not fit into them. */
  damagedFrames = 0;
  /** Packets dropped because the publisher has more tracks than we keep. */
  packetsBeyondTracks = 0;
  /** Script messages dropped because they are not AMF0 or too large. */
  badScripts = 0;
  private readonly output: FlvIngestOutput;
  private readonly amfLimits: AmfLimits;
  private readonly videoTag = new VideoTag();
  private readonly audioTag = new AudioTag();
  private readonly videoTracks = new IngestTracks(0, 'unknown-video');
  private readonly audioTracks = new IngestTracks(1, 'unknown-audio');
  private readonly frames = new CanonicalFrames();
  private dataConfig: CodecConfig | null = null;
  private lastMediaMs = Number.NaN;
  private lastMetadata: Uint8Array = NO_BYTES;

  constructor(output: FlvIngestOutput, options: FlvIngestOptions = {}) {
    this.output = output;
    this.amfLimits = options.amfLimits ?? AMF_DEFAULT_LIMITS;
  }

  /** A tag of any type; unknown types are ignored. Throws ProtocolError. */
  tag(type: number, timestampMs: number, body: Uint8Array): void {
    if (type === TAG_VIDEO) this.video(timestampMs, body);
    else if (type === TAG_AUDIO) this.audio(timestampMs, body);
    else if (type === TAG_SCRIPT) this.script(timestampMs, body);
  }

  /** Hot path. Throws ProtocolError for a body or a config that breaks its format. */
  video(timestampMs: number, body: Uint8Array): void {
    const tag = this.videoTag;
    tag.reset(body);
    while (tag.advance()) {
      const track = this.videoTracks.at(tag.trackId);
      if (track === null) this.packetsBeyondTracks++;
      else this.videoPacket(track, timestampMs + tag.nanoOffset / NS_PER_MS);
    }
  }

  /** Hot path. Throws ProtocolError for a body or a config that breaks its format. */
  audio(timestampMs: number, body: Uint8Array): void {
    const tag = this.audioTag;
    tag.reset(body);
    while (tag.advance()) {
      const track = this.audioTracks.at(tag.trackId);
      if (track === null) this.packetsBeyondTracks++;
      else this.audioPacket(track, timestampMs + tag.nanoOffset / NS_PER_MS);
    }
  }

  /** A data message in AMF0. Never throws for what is in it: some encoders send what is no AMF. */
  script(timestampMs: number, body: Uint8Array): void {
    try {
      this.readScript(timestampMs, body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.badScripts++;
    }
  }

  private videoPacket(track: IngestTrack, dtsMs: number): void {
    const tag = this.videoTag;
    switch (tag.packetType) {
      case PACKET_CODED_FRAMES:
      case VIDEO_CODED_FRAMES_X:
        if (track.codecTag !== tag.codecTag) track.setCodec(tag.codec, tag.codecTag);
        this.videoFrame(track, dtsMs);
        return;
      case PACKET_SEQUENCE_START:
        if (track.codecTag !== tag.codecTag) track.setCodec(tag.codec, tag.codecTag);
        this.configure(track, tag.body, tag.start, tag.end, this.videoFlvHeader(track));
        return;
      case VIDEO_MPEG2TS_SEQUENCE_START:
        if (track.codecTag !== tag.codecTag) track.setCodec(tag.codec, tag.codecTag);
        this.configureByDescriptor(track, tag.body, tag.start, tag.end);
        return;
      // Metadata and ends of sequence say nothing about the track's codec: FFmpeg 8 sends the metadata of every
      // track with the number of the default one.
      default:
    }
  }

  private videoFrame(track: IngestTrack, dtsMs: number): void {
    const tag = this.videoTag;
    if (tag.end === tag.start) return;
    const received = tag.body.subarray(tag.start, tag.end);
    const payload = this.frames.video(track, received);
    if (payload === null) {
      this.damagedFrames++;
      return;
    }
    if (payload.length === 0) return;
    let config = track.config ?? this.configureByFrame(track, payload, this.videoFlvHeader(track));
    if (config === null) {
      this.framesWithoutConfig++;
      return;
    }
    let flags = videoFrameFlags(config, payload);
    if ((flags & FRAME_IN_BAND_CONFIG) !== 0 || isSizedByKeyFrame(track, flags)) {
      const found = configFromFrame(config, payload);
      if (found !== config) config = this.setConfig(track, found);
      // Encoders that send start codes like to send parameter sets alone, marked as a key frame.
      const isNal = track.codec === 'h264' || track.codec === 'h265';
      if (isNal && (flags & FRAME_KEY) === 0 && !hasPicture(track.codec, payload)) return;
    }
    if ((flags & FRAME_KEY) !== 0) track.lastKeyMs = dtsMs;
    else if (tag.isKey && Math.abs(dtsMs - track.lastKeyMs) > MAX_KEY_DISTANCE_MS) flags |= FRAME_KEY;
    this.write(track, flags, dtsMs, dtsMs + tag.compositionTimeMs, 0, payload, config);
  }

  private audioPacket(track: IngestTrack, timeMs: number): void {
    const tag = this.audioTag;
    const { packetType } = tag;
    if (packetType !== PACKET_CODED_FRAMES && packetType !== PACKET_SEQUENCE_START) return;
    if (track.codecTag !== tag.codecTag) track.setCodec(tag.codec, tag.codecTag);
    if (packetType === PACKET_CODED_FRAMES) this.audioFrame(track, timeMs);
    else this.configure(track, tag.body, tag.start, tag.end, this.audioFlvHeader(track));
  }

  private audioFrame(track: IngestTrack, timeMs: number): void {
    const tag = this.audioTag;
    let { start } = tag;
    if (track.codec === 'aac') start += adtsHeaderBytes(tag.body, start, tag.end);
    if (tag.end === start) return;
    const payload = tag.body.subarray(start, tag.end);
    let config = track.config;
    if (config === null) config = this.configureByFrame(track, payload, this.audioFlvHeader(track));
    else if (track.codec !== 'aac') config = this.followAudio(track, config, payload);
    if (config === null) {
      this.framesWithoutConfig++;
      return;
    }
    const durationUs = track.durationUs > 0 ? track.durationUs : audioFrameDuration(config, payload);
    this.write(track, FRAME_KEY, timeMs, timeMs, durationUs, payload, config);
  }

  private write(
    track: IngestTrack,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    let marked = flags;
    if (track.configChanged) {
      track.configChanged = false;
      marked |= FRAME_CONFIG;
    }
    this.lastMediaMs = dtsMs;
    this.output.write(track.id, marked, dtsMs, ptsMs, durationUs, payload, config);
  }

  /** Legacy video codecs that we do not know are named by their id, unknown extended ones by their FourCC. */
  private videoFlvHeader(track: IngestTrack): number {
    return track.codec === 'unknown-video' ? track.codecTag : -1;
  }

  /**
   * Codecs whose legacy form has no record of its own keep what the first byte tells; codecs that we do not know keep
   * the whole byte, or their FourCC.
   */
  private audioFlvHeader(track: IngestTrack): number {
    const isLegacy = track.codecTag < 16;
    switch (track.codec) {
      case 'unknown-audio':
        return isLegacy ? this.audioTag.firstByte : track.codecTag;
      case 'mp3':
      case 'g711a':
      case 'g711u':
      case 'speex':
        return isLegacy ? this.audioTag.firstByte & 15 : -1;
      default:
        return -1;
    }
  }

  /** A decoder configuration record came. Repetitions and empty ones change nothing. */
  private configure(
    track: IngestTrack,
    body: Uint8Array,
    start: number,
    end: number,
    flvHeader: number,
  ): void {
    if (start === end) return;
    const record = body.subarray(start, end);
    if (track.record !== null && Buffer.compare(track.record, record) === 0) return;
    const config = configFromRecord(track.codec, record, flvHeader);
    track.record = Uint8Array.from(record);
    track.lengthSize = nalLengthSize(track.codec, record);
    track.framing = FRAMING_UNKNOWN;
    // These records lack the picture's size, so the next frame completes the description.
    if (track.codec === 'vp8' || track.codec === 'vp9') track.config = null;
    else this.setConfig(track, config);
  }

  private configureByDescriptor(track: IngestTrack, body: Uint8Array, start: number, end: number): void {
    const isDescriptor = end - start === AV1_DESCRIPTOR_BYTES + 2 && body[start] === AV1_DESCRIPTOR_TAG;
    if (isDescriptor && track.codec === 'av1') this.configure(track, body, start + 2, end, -1);
  }

  /** Config of a track that began without one; null when the frame does not tell it. */
  private configureByFrame(track: IngestTrack, payload: Uint8Array, flvHeader: number): CodecConfig | null {
    const { codec } = track;
    if (codec === 'aac' || codec === 'flac') return null;
    const isNal = codec === 'h264' || codec === 'h265';
    const record = track.record ?? NO_BYTES;
    const bare = isNal ? makeCodecConfig(codec, record, '') : configFromRecord(codec, record, flvHeader);
    const config = configFromFrame(bare, payload);
    return isNal && config === bare ? null : this.setConfig(track, config);
  }

  /** Codecs that describe themselves in every frame, or in the first byte of the tag. */
  private followAudio(track: IngestTrack, config: CodecConfig, payload: Uint8Array): CodecConfig {
    const flvHeader = this.audioFlvHeader(track);
    const found =
      config.flvHeader === flvHeader ? config : configFromRecord(track.codec, config.record, flvHeader);
    const described = configFromFrame(found, payload);
    return described === config ? config : this.setConfig(track, described);
  }

  /** Tells the output when the config is news, and returns the object that stands for it. */
  private setConfig(track: IngestTrack, found: CodecConfig): CodecConfig {
    const known = track.announced;
    track.durationUs = found.codec === 'aac' ? audioFrameDuration(found, NO_BYTES) : 0;
    if (known !== null && isSameConfig(known, found) && hasSameFacts(known, found)) {
      track.config = known;
      return known;
    }
    track.configChanged = known !== null;
    track.config = found;
    track.announced = found;
    this.output.setTrack(makeTrack(track.id, found, track.wireIndex));
    return found;
  }

  private readScript(timestampMs: number, body: Uint8Array): void {
    const script = parseScript(body, this.amfLimits);
    if (script.name === ON_META_DATA) {
      // GStreamer repeats it all the time, and every change is sent to every player.
      if (Buffer.compare(this.lastMetadata, body) === 0) return;
      this.lastMetadata = body.length > MAX_DATA_BYTES ? NO_BYTES : Uint8Array.from(body);
      this.output.metadata(script.value, promisesVideo(script.value));
      return;
    }
    // Data in front of all media has no time to be put at.
    if (!isForPlayers(script.name) || Number.isNaN(this.lastMediaMs)) return;
    if (body.length - script.start > MAX_DATA_BYTES) {
      this.badScripts++;
      return;
    }
    if (this.dataConfig === null) {
      this.dataConfig = makeCodecConfig('data', NO_BYTES, '');
      this.output.setTrack(makeTrack(DATA_TRACK_ID, this.dataConfig));
    }
    // Many encoders leave the time of data messages at 0, which would look like a jump of the publisher's clock.
    const isNear = Math.abs(timestampMs - this.lastMediaMs) < MAX_DATA_DISTANCE_MS;
    const timeMs = isNear ? timestampMs : this.lastMediaMs;
    this.output.write(DATA_TRACK_ID, 0, timeMs, timeMs, 0, body.subarray(script.start), this.dataConfig);
  }
}

/** VP8 and VP9 tell the picture's size in their key frames. */
function isSizedByKeyFrame(track: IngestTrack, flags: number): boolean {
  return (flags & FRAME_KEY) !== 0 && (track.codec === 'vp8' || track.codec === 'vp9');
}

/** Those that a frame may tell while the record stays the same. */
function hasSameFacts(a: CodecConfig, b: CodecConfig): boolean {
  return (
    a.width === b.width && a.height === b.height && a.sampleRate === b.sampleRate && a.channels === b.channels
  );
}

function promisesVideo(values: AmfValue): boolean {
  if (!isAmfObject(values)) return false;
  const { hasVideo, videocodecid, width } = values;
  if (hasVideo === false) return false;
  if (videocodecid !== undefined) return videocodecid !== 0 && videocodecid !== '' && videocodecid !== null;
  return typeof width === 'number' && width > 0;
}

/** Names such as `|RtmpSampleAccess` and `@clearDataFrame` are said to the server, not to players. */
function isForPlayers(name: string): boolean {
  return name !== '' && !name.startsWith('|') && !name.startsWith('@');
}
