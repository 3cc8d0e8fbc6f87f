/**
 * Tracks and frames to tag bodies for the RTMP and FLV feeds, the reverse of flv-ingest.ts. Per frame only the head
 * is made, in a buffer that is reused: the body is the head and then the frame's payload as it is. Old codecs keep the
 * legacy form that every player knows, the others and additional tracks take that of enhanced RTMP v2. Left out:
 * ModEx (players get whole milliseconds), many tracks in one body, MultichannelConfig.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS } from '../codec/codec-id.ts';
import { G711_SAMPLE_RATE } from '../codec/g711.ts';
import { serializeOpusHead } from '../codec/opus.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { AUDIO_MULTITRACK } from '../wire/flv/audio-tag.ts';
import {
  fourCcOf,
  fourCcText,
  hasCompositionTime,
  SOUND_AAC,
  SOUND_G711A,
  SOUND_G711U,
  SOUND_MP3,
  SOUND_MP3_8K,
  SOUND_SPEEX,
  VIDEO_ID_AVC,
  VIDEO_ID_HEVC,
} from '../wire/flv/four-cc.ts';
import {
  ONE_TRACK,
  PACKET_CODED_FRAMES,
  PACKET_SEQUENCE_END,
  PACKET_SEQUENCE_START,
} from '../wire/flv/media-tag.ts';
import { ON_META_DATA, serializeScript } from '../wire/flv/script-tag.ts';
import { TAG_AUDIO, TAG_VIDEO } from '../wire/flv/tag-header.ts';
import { FRAME_TYPE_INTER, FRAME_TYPE_KEY, VIDEO_MULTITRACK } from '../wire/flv/video-tag.ts';
import { describeTracks } from './flv-tag-metadata.ts';

export interface FlvTagBuilderOptions {
  /** Bodies with FourCC may be made. */
  readonly enhanced: boolean;
  /** Tracks beside the default one may be sent. */
  readonly multitrack: boolean;
  /** FourCCs that the peer takes; null = all, `*` among them = all. */
  readonly fourCcs?: ReadonlySet<string> | null;
  /** H.265 by the id 12 of encoders and players older than enhanced RTMP. */
  readonly legacyHevc?: boolean;
  /** `server` in onMetaData. */
  readonly server?: string;
}

/** A whole tag body: a decoder configuration or an end of sequence. */
export interface FlvTagBody {
  readonly typeId: typeof TAG_AUDIO | typeof TAG_VIDEO;
  readonly bytes: Buffer;
}

/** Longest head: first byte, multitrack byte, FourCC, track id, composition time. */
const MAX_HEAD_BYTES = 10;
const EX_VIDEO = 0x80;
const EX_AUDIO = 0x90;
/** FourCCs are larger, legacy ids and first bytes smaller. */
const MAX_LEGACY_HEADER = 0xff;
/** AAC always says 44 kHz, 16 bit, stereo; what is true stands in its config (FLV 10.1, E.4.2.1). */
const AAC_FIRST_BYTE = (SOUND_AAC << 4) | 15;
const SIXTEEN_BIT = 2;
const SPEEX_FLAGS = 6;
const MAX_COMPOSITION_MS = 0x7f_ffff;
/** `fLaC` and the header of a last metadata block, STREAMINFO, of 34 bytes. */
const FLAC_PREFIX = Buffer.from([0x66, 0x4c, 0x61, 0x43, 0x80, 0, 0, 34]);

const NO_BYTES = new Uint8Array(0);

export class FlvTagBuilder {
  /** The head that `writeHead` wrote last. */
  readonly head: Uint8Array;
  private readonly enhanced: boolean;
  private readonly multitrack: boolean;
  private readonly fourCcs: ReadonlySet<string> | null;
  private readonly legacyHevc: boolean;
  private readonly server: string;
  /** The latest metadata, and what they were made of. */
  private told: Buffer | null = null;
  private toldTracks: readonly Track[] | null = null;
  private toldPublisher: unknown = null;

  constructor(options: FlvTagBuilderOptions) {
    const { fourCcs = null } = options;
    this.head = new Uint8Array(MAX_HEAD_BYTES);
    this.enhanced = options.enhanced;
    this.multitrack = options.multitrack;
    this.fourCcs = fourCcs === null || fourCcs.has('*') ? null : fourCcs;
    this.legacyHevc = options.legacyHevc ?? false;
    this.server = options.server ?? 'Sluice';
  }

  canCarry(track: Track): boolean {
    return this.reasonNotCarried(track) === '';
  }

  /** A sentence for a person; '' when the track is carried. */
  reasonNotCarried(track: Track): string {
    const { config } = track;
    const { label } = CODECS[config.codec];
    // Script tags are AMF; other data would be taken for it.
    if (track.kind === 'data')
      return config.mime === '' ? '' : `FLV and RTMP carry script data, no ${config.mime}.`;
    if (isOtherG711(config))
      return `FLV has ${label} of ${G711_SAMPLE_RATE} Hz with one or two channels only.`;
    if (this.isLegacy(track)) return '';
    const fourCc = fourCcOfConfig(config);
    if (track.wireIndex > 0 && !this.multitrack)
      return `The player takes one ${track.kind} track only, and this is another one.`;
    if (fourCc === 0)
      return `FLV has no place for ${label}${track.wireIndex > 0 ? ' in another track' : ''}.`;
    if (!this.enhanced) return `${label} needs enhanced RTMP, which the player does not take.`;
    if (this.fourCcs !== null && !this.fourCcs.has(fourCcText(fourCc)))
      return `The player does not take ${label} (${fourCcText(fourCc)}).`;
    return '';
  }

  /** What must come before the first frame of a track; null when its codec needs nothing. */
  sequenceHeader(track: Track): FlvTagBody | null {
    const record = recordOnWire(track.config);
    if (record.length === 0) return null;
    return this.packet(track, PACKET_SEQUENCE_START, record);
  }

  /** What says that no frame will follow; null when the codec has no such message. */
  endOfSequence(track: Track): FlvTagBody | null {
    const { codec } = track.config;
    const isLegacy = this.isLegacy(track);
    if (track.kind === 'data' || (isLegacy && codec !== 'h264' && codec !== 'h265')) return null;
    return this.packet(track, PACKET_SEQUENCE_END, NO_BYTES);
  }

  /**
   * Body of the onMetaData message. `publisher` is what the publisher's own held. A feed asks for it at every access point,
   * so the same list and values give the same bytes; do not write to them.
   */
  metadata(tracks: readonly Track[], publisher: unknown): Buffer {
    if (this.told !== null && this.toldTracks === tracks && this.toldPublisher === publisher)
      return this.told;
    const values = describeTracks(tracks, publisher, this.server, (track) => this.codecId(track));
    this.told = serializeScript(ON_META_DATA, values);
    this.toldTracks = tracks;
    this.toldPublisher = publisher;
    return this.told;
  }

  /** Writes the head of a frame's body to `head` and returns its length. Hot path; the track must be carried. */
  writeHead(frame: Frame, track: Track): number {
    const { config } = frame;
    if (track.kind === 'data') return 0;
    if (track.kind === 'audio') return this.writeAudioHead(config, track, PACKET_CODED_FRAMES);
    const frameType = (frame.flags & FRAME_KEY) === 0 ? FRAME_TYPE_INTER : FRAME_TYPE_KEY;
    // Both times rounded as the feeds round them, so that their sum is the presentation time's millisecond.
    const compositionMs = Math.round(frame.pts / 1000) - Math.round(frame.dts / 1000);
    return this.writeVideoHead(config, track, PACKET_CODED_FRAMES, frameType, compositionMs);
  }

  private packet(track: Track, packetType: number, data: Uint8Array): FlvTagBody {
    const isVideo = track.kind === 'video';
    const headBytes = isVideo
      ? this.writeVideoHead(track.config, track, packetType, FRAME_TYPE_KEY, 0)
      : this.writeAudioHead(track.config, track, packetType);
    const bytes = Buffer.allocUnsafe(headBytes + data.length);
    bytes.set(this.head.subarray(0, headBytes), 0);
    bytes.set(data, headBytes);
    return { typeId: isVideo ? TAG_VIDEO : TAG_AUDIO, bytes };
  }

  private writeVideoHead(
    config: CodecConfig,
    track: Track,
    packetType: number,
    frameType: number,
    compositionMs: number,
  ): number {
    const { head } = this;
    if (this.isLegacyConfig(config, track.wireIndex)) {
      const id =
        config.codec === 'h264' ? VIDEO_ID_AVC : config.codec === 'h265' ? VIDEO_ID_HEVC : config.flvHeader;
      head[0] = (frameType << 4) | id;
      if (config.codec === 'unknown-video') return 1;
      head[1] = packetType;
      return this.writeCompositionTime(2, compositionMs);
    }
    const fourCc = fourCcOfConfig(config);
    const first = EX_VIDEO | (frameType << 4);
    const at = this.writeExtended(first, packetType, VIDEO_MULTITRACK, fourCc, track.wireIndex);
    if (packetType !== PACKET_CODED_FRAMES || !hasCompositionTime(fourCc)) return at;
    return this.writeCompositionTime(at, compositionMs);
  }

  private writeAudioHead(config: CodecConfig, track: Track, packetType: number): number {
    const { head } = this;
    if (this.isLegacyConfig(config, track.wireIndex)) {
      if (config.codec !== 'aac') {
        head[0] = legacySoundByte(config);
        return 1;
      }
      head[0] = AAC_FIRST_BYTE;
      head[1] = packetType;
      return 2;
    }
    return this.writeExtended(
      EX_AUDIO,
      packetType,
      AUDIO_MULTITRACK,
      fourCcOfConfig(config),
      track.wireIndex,
    );
  }

  private writeExtended(
    first: number,
    packetType: number,
    multitrackType: number,
    fourCc: number,
    wireIndex: number,
  ): number {
    const { head } = this;
    let at = 1;
    if (wireIndex === 0) {
      head[0] = first | packetType;
    } else {
      head[0] = first | multitrackType;
      head[at++] = (ONE_TRACK << 4) | packetType;
    }
    head[at] = fourCc >>> 24;
    head[at + 1] = fourCc >>> 16;
    head[at + 2] = fourCc >>> 8;
    head[at + 3] = fourCc;
    at += 4;
    if (wireIndex > 0) head[at++] = wireIndex;
    return at;
  }

  private writeCompositionTime(at: number, compositionMs: number): number {
    const { head } = this;
    const ms = Math.min(Math.max(compositionMs, -MAX_COMPOSITION_MS), MAX_COMPOSITION_MS);
    head[at] = ms >>> 16;
    head[at + 1] = ms >>> 8;
    head[at + 2] = ms;
    return at + 3;
  }

  private isLegacy(track: Track): boolean {
    return this.isLegacyConfig(track.config, track.wireIndex);
  }

  private isLegacyConfig(config: CodecConfig, wireIndex: number): boolean {
    if (wireIndex > 0) return false;
    switch (config.codec) {
      case 'h264':
      case 'aac':
      case 'mp3':
      case 'g711a':
      case 'g711u':
      case 'speex':
        return true;
      case 'h265':
        return this.legacyHevc;
      case 'unknown-video':
      case 'unknown-audio':
        return config.flvHeader >= 0 && config.flvHeader <= MAX_LEGACY_HEADER;
      default:
        return false;
    }
  }

  /** As onMetaData names the codec: its legacy id, or its FourCC as a number. */
  private codecId(track: Track): number {
    const { config } = track;
    if (!this.isLegacy(track)) return fourCcOfConfig(config);
    switch (config.codec) {
      case 'h264':
        return VIDEO_ID_AVC;
      case 'h265':
        return VIDEO_ID_HEVC;
      case 'unknown-video':
        return config.flvHeader;
      case 'aac':
        return SOUND_AAC;
      default:
        return legacySoundByte(config) >> 4;
    }
  }
}

/** FLV's ids of G.711 mean 8 kHz (FLV 10.1, E.4.2.1); what came from FLV is passed on as it was. */
function isOtherG711({ codec, sampleRate, channels, flvHeader }: CodecConfig): boolean {
  if ((codec !== 'g711a' && codec !== 'g711u') || flvHeader >= 0) return false;
  return (sampleRate !== 0 && sampleRate !== G711_SAMPLE_RATE) || channels > 2;
}

/** The FourCC that names the codec, or 0. */
function fourCcOfConfig(config: CodecConfig): number {
  const fourCc = fourCcOf(config.codec);
  return fourCc === 0 && config.flvHeader > MAX_LEGACY_HEADER ? config.flvHeader : fourCc;
}

/** The decoder configuration as FLV wants it. */
function recordOnWire(config: CodecConfig): Uint8Array {
  const { record } = config;
  switch (config.codec) {
    case 'flac':
      return record.length === 0 ? record : Buffer.concat([FLAC_PREFIX, record]);
    case 'opus':
      return record.length === 0 ? defaultOpusHead(config.channels) : record;
    case 'ac3':
    case 'eac3':
      return NO_BYTES;
    default:
      return record;
  }
}

/** Browser players refuse Opus without OpusHead; RTP and old RTMP publishers send none. */
function defaultOpusHead(channels: number): Uint8Array {
  return serializeOpusHead({
    version: 1,
    channels: channels === 1 ? 1 : 2,
    preSkip: 0,
    inputRate: 48_000,
    outputGain: 0,
    mappingFamily: 0,
    mapping: NO_BYTES,
  });
}

/** First byte of a legacy audio tag other than AAC: what the publisher sent, or made from the facts. */
function legacySoundByte(config: CodecConfig): number {
  const { codec, flvHeader } = config;
  const isStereo = config.channels > 1 ? 1 : 0;
  switch (codec) {
    case 'mp3': {
      const format = config.sampleRate === 8000 ? SOUND_MP3_8K : SOUND_MP3;
      const flags = flvHeader >= 0 ? flvHeader : (mp3Rate(config.sampleRate) << 2) | SIXTEEN_BIT | isStereo;
      return (format << 4) | flags;
    }
    case 'g711a':
    case 'g711u': {
      const format = codec === 'g711a' ? SOUND_G711A : SOUND_G711U;
      return (format << 4) | (flvHeader >= 0 ? flvHeader : SIXTEEN_BIT | isStereo);
    }
    case 'speex':
      return (SOUND_SPEEX << 4) | (flvHeader >= 0 ? flvHeader : SPEEX_FLAGS);
    default:
      return flvHeader;
  }
}

/** The two bits for a sample rate; players take the true one from the MP3 frame when there are no bits for it. */
function mp3Rate(sampleRate: number): number {
  return sampleRate === 22_050 ? 2 : sampleRate === 11_025 ? 1 : sampleRate === 8000 ? 0 : 3;
}
