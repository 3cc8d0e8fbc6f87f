/** Which codecs each container carries, said once for all tests that play every way. */

/** `hls`: MPEG-TS or fragmented MP4, whichever suits the stream. `whip`: what FFmpeg's muxer of that name takes. */
export type Container = 'rtmp' | 'flv' | 'ts' | 'fmp4' | 'hls' | 'rtp' | 'webrtc' | 'whip' | 'adts' | 'mp3';
export type Codec = 'h264' | 'h265' | 'av1' | 'vp9' | 'aac' | 'opus' | 'mp3' | 'g711a' | 'g711u';

const ALL: readonly Codec[] = ['h264', 'h265', 'av1', 'vp9', 'aac', 'opus', 'mp3', 'g711a', 'g711u'];

const CARRIES: Readonly<Record<Container, readonly Codec[]>> = {
  rtmp: ALL,
  flv: ALL,
  rtp: ALL,
  webrtc: ['h264', 'h265', 'av1', 'vp9', 'opus', 'g711a', 'g711u'],
  whip: ['h264', 'opus'],
  // AV1 and VP9 have no mapping to MPEG-TS that players know.
  ts: ['h264', 'h265', 'aac', 'opus', 'mp3'],
  fmp4: ['h264', 'h265', 'av1', 'vp9', 'aac', 'opus', 'mp3'],
  hls: ['h264', 'h265', 'av1', 'vp9', 'aac', 'opus', 'mp3'],
  adts: ['aac'],
  mp3: ['mp3'],
};

export function carriedBy(container: Container, codecs: readonly Codec[]): Codec[] {
  return codecs.filter((codec) => CARRIES[container].includes(codec));
}

/** What sound becomes where it is not carried; null = it is left out. */
export function soundInstead(container: Container): Codec | null {
  if (container === 'webrtc') return 'opus';
  return container === 'adts' || container === 'mp3' ? null : 'aac';
}

export function isVideo(codec: Codec): boolean {
  return codec === 'h264' || codec === 'h265' || codec === 'av1' || codec === 'vp9';
}
