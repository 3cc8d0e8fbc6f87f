/** Frames that are right in form and mean nothing: NAL units with true headers, AAC, Opus and so on of any size. */
import { type CodecConfig, makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../../src/media/track.ts';
import { SlabWriter } from '../../../../src/util/slab.ts';
import type { TsTarget } from '../../../../src/wire/mpegts/ts-writer.ts';
import { audios, bytes, recordNamed } from '../../codec/vectors.ts';

export const h264 = makeCodecConfig('h264', bytes(recordNamed('h264-high').record), 'avc1.64000c');
export const h264Other = makeCodecConfig('h264', bytes(recordNamed('h264-baseline').record), 'avc1.42c00c');
export const h265 = makeCodecConfig('h265', bytes(recordNamed('h265-main').record), 'hvc1.1.6.L60.90');
export const aac = makeCodecConfig('aac', bytes(recordNamed('aac-48000-1').record), 'mp4a.40.2', {
  sampleRate: 48_000,
  channels: 1,
});
export const aac44 = makeCodecConfig('aac', bytes(recordNamed('aac-44100-2').record), 'mp4a.40.2', {
  sampleRate: 44_100,
  channels: 2,
});
export const opus = makeCodecConfig('opus', opusRecord('opus.ogg'), 'Opus', {
  sampleRate: 48_000,
  channels: 2,
});

export function opusRecord(name: string): Uint8Array {
  const found = audios.find((audio) => audio.name === name);
  if (found === undefined) throw new Error(`no audio ${name}`);
  return bytes(found.record);
}

export function plain(codec: CodecConfig['codec'], sampleRate = 48_000): CodecConfig {
  return makeCodecConfig(codec, new Uint8Array(0), codec, { sampleRate, channels: 2 });
}

export const videoTrack = makeTrack(0, h264);
export const audioTrack = makeTrack(1, aac);
export const AAC_FRAME_US = 21_333;

/** Length-prefixed NAL units: header bytes and size of each. */
export function nals(...units: readonly (readonly [header: readonly number[], size: number])[]): Buffer {
  return Buffer.concat(
    units.map(([header, size]) => {
      const unit = Buffer.alloc(4 + size, 0xa5);
      unit.writeUInt32BE(size);
      unit.set(header, 4);
      return unit;
    }),
  );
}

/** A picture of a track: an IDR picture when `isKey`. */
export function picture(track: Track, dts: number, isKey: boolean, size = 500, pts = dts, flags = 0): Frame {
  const isH265 = track.config.codec === 'h265';
  const header = isH265 ? (isKey ? [0x26, 1] : [0x02, 1]) : isKey ? [0x65] : [0x41];
  const payload = nals([header, size]);
  const all = flags | (isKey ? FRAME_KEY : 0);
  return new Frame(track.id, all, dts, pts, 0, payload, track.config, dts, Number.NaN);
}

export function sound(track: Track, dts: number, size = 100, duration = AAC_FRAME_US, flags = 0): Frame {
  return new Frame(
    track.id,
    flags,
    dts,
    dts,
    duration,
    Buffer.alloc(size, 0x5a),
    track.config,
    dts,
    Number.NaN,
  );
}

export interface ClipOptions {
  readonly seconds: number;
  readonly fps?: number;
  readonly gop?: number;
  readonly size?: number;
  readonly startUs?: number;
  readonly video?: Track | null;
  readonly audio?: Track | null;
}

/** Pictures and sound by decode time. Key frames come every `gop` pictures; all others are two frames late (B). */
export function clip(options: ClipOptions): Frame[] {
  const {
    seconds,
    fps = 25,
    gop = 50,
    size = 500,
    startUs = 0,
    video = videoTrack,
    audio = audioTrack,
  } = options;
  const frames: Frame[] = [];
  const frameUs = 1_000_000 / fps;
  for (let i = 0; video !== null && i < seconds * fps; i++) {
    const dts = startUs + Math.round(i * frameUs);
    const isKey = i % gop === 0;
    const pts = dts + Math.round(isKey ? frameUs : frameUs * (i % 3));
    frames.push(picture(video, dts, isKey, isKey ? size * 4 : size, pts));
  }
  for (let i = 0; audio !== null && i * AAC_FRAME_US < seconds * 1e6; i++) {
    frames.push(sound(audio, startUs + i * AAC_FRAME_US));
  }
  return frames.sort((a, b) => a.dts - b.dts);
}

/** Collects what a TsWriter writes. */
export class Collected implements TsTarget {
  private readonly writer = new SlabWriter();
  private readonly parts: Buffer[] = [];

  get slab(): Buffer {
    return this.writer.slab;
  }

  reserve(size: number, nowUs: number): number {
    const at = this.writer.reserve(size, nowUs);
    this.parts.push(this.writer.slab.subarray(at, at + size));
    return at;
  }

  /** How many reservations were made. */
  get count(): number {
    return this.parts.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}
