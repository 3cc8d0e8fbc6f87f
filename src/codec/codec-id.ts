/** The one list of codecs: our name, what kind of track it is, and its names in other systems. */

export type TrackKind = 'video' | 'audio' | 'data';

export type CodecId =
  | 'h264'
  | 'h265'
  | 'av1'
  | 'vp8'
  | 'vp9'
  | 'aac'
  | 'opus'
  | 'mp3'
  | 'ac3'
  | 'eac3'
  | 'flac'
  | 'g711a'
  | 'g711u'
  | 'g722'
  | 'g726'
  /** 16-bit samples, big endian as in RTP (RFC 3551 section 4.5.11). */
  | 'l16'
  | 'speex'
  /** Motion JPEG: every frame is a whole JPEG picture. */
  | 'mjpeg'
  | 'data'
  /** Relayed to RTMP and FLV untouched; the FLV codec id is kept in the CodecConfig. */
  | 'unknown-video'
  | 'unknown-audio';

export interface CodecFacts {
  readonly kind: TrackKind;
  /** What a person reads, for example `H.264`. */
  readonly label: string;
  /** FourCC of enhanced RTMP (spec v2), or '' when there is none. */
  readonly fourCc: string;
  /** FLV CodecID or SoundFormat of the legacy header, or -1. */
  readonly flvId: number;
}

export const CODECS: Readonly<Record<CodecId, CodecFacts>> = {
  h264: { kind: 'video', label: 'H.264', fourCc: 'avc1', flvId: 7 },
  h265: { kind: 'video', label: 'H.265', fourCc: 'hvc1', flvId: 12 },
  av1: { kind: 'video', label: 'AV1', fourCc: 'av01', flvId: -1 },
  vp8: { kind: 'video', label: 'VP8', fourCc: 'vp08', flvId: -1 },
  vp9: { kind: 'video', label: 'VP9', fourCc: 'vp09', flvId: -1 },
  aac: { kind: 'audio', label: 'AAC', fourCc: 'mp4a', flvId: 10 },
  opus: { kind: 'audio', label: 'Opus', fourCc: 'Opus', flvId: 13 },
  mp3: { kind: 'audio', label: 'MP3', fourCc: '.mp3', flvId: 2 },
  ac3: { kind: 'audio', label: 'AC-3', fourCc: 'ac-3', flvId: -1 },
  eac3: { kind: 'audio', label: 'E-AC-3', fourCc: 'ec-3', flvId: -1 },
  flac: { kind: 'audio', label: 'FLAC', fourCc: 'fLaC', flvId: -1 },
  g711a: { kind: 'audio', label: 'G.711 A-law', fourCc: '', flvId: 7 },
  g711u: { kind: 'audio', label: 'G.711 mu-law', fourCc: '', flvId: 8 },
  g722: { kind: 'audio', label: 'G.722', fourCc: '', flvId: -1 },
  g726: { kind: 'audio', label: 'G.726', fourCc: '', flvId: -1 },
  l16: { kind: 'audio', label: 'PCM 16 bit', fourCc: '', flvId: -1 },
  mjpeg: { kind: 'video', label: 'Motion JPEG', fourCc: '', flvId: -1 },
  speex: { kind: 'audio', label: 'Speex', fourCc: '', flvId: 11 },
  data: { kind: 'data', label: 'data', fourCc: '', flvId: -1 },
  'unknown-video': { kind: 'video', label: 'unknown video', fourCc: '', flvId: -1 },
  'unknown-audio': { kind: 'audio', label: 'unknown audio', fourCc: '', flvId: -1 },
};
