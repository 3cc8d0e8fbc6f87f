/**
 * What ffmpeg (5.1 and later) is told: Matroska with microsecond times in, pictures without reordering out. Every picture
 * goes through with its time (no frame rate conversion), and we decide about key frames: a picture that is an odd number of
 * ticks behind the first becomes one.
 */
import type { CodecId } from '../../codec/codec-id.ts';
import type { PictureTarget } from '../../runtime/video-conversions.ts';

export interface PictureJob {
  readonly codec: CodecId;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Pictures per second, for the rate control; 0 = not known. */
  readonly frameRate: number;
  readonly target: PictureTarget;
  /** Of ffmpeg, one of `ENCODERS`. */
  readonly encoder: string;
  /** Pictures before this time are decoded only, microseconds. */
  readonly fromUs: number;
  /** kbit/s; 0 = by size. */
  readonly bitrate: number;
  readonly preset: string;
}

/** Preferred ones first. */
export const ENCODERS: Readonly<Record<PictureTarget, readonly string[]>> = {
  h264: ['libx264', 'libopenh264'],
  vp8: ['libvpx'],
};

/**
 * Ticks per second of the times of pictures. libvpx takes each picture for one tick long before it has seen two, and
 * would spend nothing on the first with microseconds. x264 declares the ticks as frame rate, which nobody takes for one when
 * it is a million.
 */
export const TICKS: Readonly<Record<PictureTarget, number>> = { h264: 1_000_000, vp8: 1000 };

const BITS_PER_PIXEL = 0.0965;
/** Where the source does not tell. */
export const DEFAULT_FRAME_RATE = 30;
const MIN_KBPS = 300;
/** Key frames are asked for by times. */
const NO_KEY_BY_ITSELF = '100000';

export function ffmpegArguments(job: PictureJob): string[] {
  const { target, codec } = job;
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostats', '-nostdin', '-protocol_whitelist', 'pipe'],
    // Nothing is to be found out about the input: it begins at once.
    ...['-fpsprobesize', '0', '-analyzeduration', '0'],
    // Threads that decode whole pictures side by side delay each of them.
    ...['-thread_type', 'slice', ...(codec === 'av1' ? ['-flags', 'low_delay'] : [])],
    ...['-copyts', '-f', 'matroska', '-i', 'pipe:0', '-map', '0:v:0', '-an', '-sn', '-dn'],
    ...['-vf', filters(job), '-pix_fmt', 'yuv420p'],
    ...['-fps_mode', 'passthrough', '-enc_time_base', `1:${TICKS[target]}`],
    ...['-force_key_frames', `expr:mod(round(t*${TICKS[target]}),2)`, '-g', NO_KEY_BY_ITSELF],
    ...encoderArguments(job),
    ...['-map_metadata', '-1', '-avoid_negative_ts', 'disabled', '-flush_packets', '1'],
    ...(target === 'vp8'
      ? ['-f', 'ivf']
      : ['-f', 'flv', '-flvflags', 'no_duration_filesize+no_metadata+no_sequence_end']),
    'pipe:1',
  ];
}

function filters({ width, height, fromUs }: PictureJob): string {
  // Encoders of 4:2:0 want even sizes.
  const crop = width % 2 === 0 && height % 2 === 0 ? '' : ',crop=trunc(iw/2)*2:trunc(ih/2)*2';
  return `select=gte(t\\,${((fromUs - 1) / 1_000_000).toFixed(6)})${crop}`;
}

function encoderArguments({ encoder, preset, ...job }: PictureJob): string[] {
  const kbps = job.bitrate > 0 ? job.bitrate : bitrateFor(job);
  const limit = ['-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`];
  switch (encoder) {
    case 'libx264':
      return [
        ...['-c:v', encoder, '-preset', preset, '-tune', 'zerolatency', '-profile:v', 'baseline'],
        ...['-bf', '0', '-sc_threshold', '0', '-crf', '23', ...limit],
      ];
    case 'libopenh264':
      return ['-c:v', encoder, '-profile:v', 'constrained_baseline', '-b:v', `${kbps}k`];
    default:
      return [
        ...['-c:v', encoder, '-deadline', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0'],
        ...['-auto-alt-ref', '0', '-error-resilient', 'default', '-b:v', `${kbps}k`, ...limit],
      ];
  }
}

/** kbit/s. */
export function bitrateFor({
  width,
  height,
  frameRate,
}: Pick<PictureJob, 'width' | 'height' | 'frameRate'>): number {
  const rate = frameRate > 0 ? frameRate : DEFAULT_FRAME_RATE;
  return Math.max(MIN_KBPS, Math.round((width * height * rate * BITS_PER_PIXEL) / 1000));
}
