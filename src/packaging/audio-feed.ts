/**
 * The sound of a stream alone, as the bytes that every audio player takes: AAC in ADTS frames (ISO/IEC 14496-3 1.A.2)
 * and MP3 frames as they are (ISO/IEC 11172-3). One track; neither form has times or a header of its own.
 */
import { type AudioSpecificConfig, parseAudioSpecificConfig } from '../codec/aac.ts';
import { ADTS_HEADER_BYTES, ADTS_MAX_FRAME_BYTES, canUseAdts, writeAdtsHeader } from '../codec/adts.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS, type CodecId } from '../codec/codec-id.ts';
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { ProtocolError } from '../util/errors.ts';
import type { ByteTarget } from '../util/slab.ts';
import { CarriedTracks } from './carried-tracks.ts';
import { aacFor } from './sound-needs.ts';
import { webSocketFormat } from './websocket-feed.ts';

const NOTHING = new Uint8Array(0);

/** What an elementary stream of one codec puts around its frames. */
interface Framing {
  readonly codec: CodecId;
  readonly headerBytes: number;
  readonly maxPayloadBytes: number;
  /** Why a config of this codec cannot be sent, a sentence for a person; '' when it can. */
  reasonAgainst(config: CodecConfig): string;
  /** Writes the header of a frame with so many bytes. */
  writeHeader(config: CodecConfig, payloadBytes: number, target: Uint8Array, at: number): void;
}

/** Of a config all headers are alike but for the size, so its record is parsed once. */
const parsedConfigs = new WeakMap<CodecConfig, AudioSpecificConfig>();

const ADTS: Framing = {
  codec: 'aac',
  headerBytes: ADTS_HEADER_BYTES,
  maxPayloadBytes: ADTS_MAX_FRAME_BYTES - ADTS_HEADER_BYTES,
  reasonAgainst: reasonNotInAdts,
  writeHeader: (config, payloadBytes, target, at) => {
    writeAdtsHeader(parsedConfig(config), payloadBytes, target, at);
  },
};

const MP3: Framing = {
  codec: 'mp3',
  headerBytes: 0,
  maxPayloadBytes: Number.POSITIVE_INFINITY,
  reasonAgainst: () => '',
  writeHeader: () => undefined,
};

export const adtsFormat: FeedFormat = {
  name: 'adts',
  sound: aacFor('adts', ({ config }) => config.codec === 'aac' && ADTS.reasonAgainst(config) === '', false),
  open: (source) => new AudioFeedEncoder(source, ADTS),
};
export const mp3Format: FeedFormat = { name: 'mp3', open: (source) => new AudioFeedEncoder(source, MP3) };
export const wsAdtsFormat: FeedFormat = webSocketFormat(adtsFormat);
export const wsMp3Format: FeedFormat = webSocketFormat(mp3Format);

class AudioFeedEncoder implements FeedEncoder {
  private readonly framing: Framing;
  private readonly tracks: CarriedTracks;
  /** The config that frames had last, and whether it can be sent. */
  private config: CodecConfig | null = null;
  private isSendable = false;

  constructor(source: FeedSource, framing: Framing) {
    this.framing = framing;
    this.tracks = new CarriedTracks(source, (track, all) => reasonAgainst(track, all, framing));
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    if (this.tracks.find(frame.trackId) === undefined) return false;
    const { framing } = this;
    const { payload, config } = frame;
    if (config !== this.config) {
      this.config = config;
      this.isSendable = reasonOf(config, framing) === '';
    }
    if (!this.isSendable || payload.length === 0 || payload.length > framing.maxPayloadBytes) return false;
    const at = target.reserve(framing.headerBytes + payload.length, frame.arrival);
    framing.writeHeader(config, payload.length, target.slab, at);
    target.slab.set(payload, at + framing.headerBytes);
    return true;
  }

  prologue(): Uint8Array {
    return NOTHING;
  }

  tracksChanged(): Uint8Array {
    return NOTHING;
  }

  epilogue(): Uint8Array {
    return NOTHING;
  }

  leftOut(): readonly LeftOut[] {
    return this.tracks.leftOut();
  }
}

function reasonOf(config: CodecConfig, framing: Framing): string {
  if (config.codec === framing.codec) return framing.reasonAgainst(config);
  return `This address carries ${CODECS[framing.codec].label} sound alone, no ${CODECS[config.codec].label}.`;
}

/** Of several tracks that could be sent, the one with the lowest wire index is. */
function reasonAgainst(track: Track, all: readonly Track[], framing: Framing): string {
  const reason = reasonOf(track.config, framing);
  if (reason !== '') return reason;
  const possible = all.filter((one) => reasonOf(one.config, framing) === '');
  return track === defaultTrack(possible, 'audio')
    ? ''
    : `This address carries one track of ${CODECS[framing.codec].label}, and this is another one.`;
}

function reasonNotInAdts(config: CodecConfig): string {
  try {
    const asc = parsedConfig(config);
    if (!canUseAdts(asc))
      return `ADTS cannot carry AAC of object type ${asc.objectType} at ${asc.sampleRate} Hz.`;
    // Its channels are in a program config element that stands in the record only.
    return asc.channelConfig === 0 ? 'ADTS cannot tell the channel layout of this AAC track.' : '';
  } catch (error) {
    if (error instanceof ProtocolError)
      return `The configuration of the AAC track is broken (${error.message}).`;
    throw error;
  }
}

function parsedConfig(config: CodecConfig): AudioSpecificConfig {
  const known = parsedConfigs.get(config);
  if (known !== undefined) return known;
  const parsed = parseAudioSpecificConfig(config.record);
  parsedConfigs.set(config, parsed);
  return parsed;
}
