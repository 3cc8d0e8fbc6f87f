/**
 * What a decoder must know before the first frame. Immutable: a change of any fact makes a new object.
 * `record` holds (own copy) avcC, hvcC, av1C, vpcC, AudioSpecificConfig, OpusHead, dac3, dec3 or STREAMINFO; empty for
 * codecs that need none. For legacy FLV codecs that we only relay, `flvHeader` is the first tag byte to repeat.
 */
import type { CodecId } from './codec-id.ts';

export interface CodecFactsFound {
  /** Pixels; 0 when unknown or not video. */
  readonly width: number;
  readonly height: number;
  /** Frames per second that the bitstream declares; 0 when it does not. */
  readonly frameRate: number;
  /** For example `High`, `Main`, `LC`; '' when unknown. */
  readonly profile: string;
  /** For example `3.1`; '' when unknown. */
  readonly level: string;
  /** Hz; 0 when unknown or not audio. */
  readonly sampleRate: number;
  readonly channels: number;
}

export interface CodecConfig extends CodecFactsFound {
  readonly codec: CodecId;
  readonly record: Uint8Array;
  /** RFC 6381 string such as `avc1.64001f`, or '' when the codec has none. */
  readonly mime: string;
  /** Second half of the legacy FLV audio byte (rate, size, type), or the codec id of an unknown codec; -1 = not from FLV. */
  readonly flvHeader: number;
}

const NO_FACTS: CodecFactsFound = {
  width: 0,
  height: 0,
  frameRate: 0,
  profile: '',
  level: '',
  sampleRate: 0,
  channels: 0,
};

/** Builds a frozen CodecConfig. `record` is copied, so that it never pins the slab that it came from. */
export function makeCodecConfig(
  codec: CodecId,
  record: Uint8Array,
  mime: string,
  facts: Partial<CodecFactsFound> = {},
  flvHeader = -1,
): CodecConfig {
  return Object.freeze({ ...NO_FACTS, ...facts, codec, record: Uint8Array.from(record), mime, flvHeader });
}

export function isSameConfig(a: CodecConfig, b: CodecConfig): boolean {
  return (
    a === b ||
    (a.codec === b.codec && a.flvHeader === b.flvHeader && Buffer.compare(a.record, b.record) === 0)
  );
}
