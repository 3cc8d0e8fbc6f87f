/** A foreign opinion on MP4: what mp4box.js (GPAC's parser) reads in an initialization section and its segments. */
import { createFile, MP4BoxBuffer } from 'mp4box';

interface OracleSample {
  /** Ticks. */
  readonly dts: number;
  readonly cts: number;
  readonly duration: number;
  readonly size: number;
  readonly isSync: boolean;
}

interface OracleTrack {
  readonly id: number;
  /** By RFC 6381. */
  readonly codec: string;
  readonly timescale: number;
  readonly samples: readonly OracleSample[];
}

export interface OracleReading {
  readonly tracks: readonly OracleTrack[];
  /** '' = none. */
  readonly error: string;
}

/** Reads `pieces` as one file, the first of them the initialization section. */
export function readByMp4box(pieces: readonly Uint8Array[]): OracleReading {
  const file = createFile();
  const tracks = new Map<number, { id: number; codec: string; timescale: number; samples: OracleSample[] }>();
  let error = '';
  file.onError = (module: string, message: string) => {
    error ||= `${module} ${message}`;
  };
  file.onReady = (info) => {
    for (const { id, codec, timescale } of info.tracks) {
      tracks.set(id, { id, codec, timescale, samples: [] });
      file.setExtractionOptions(id, null, { nbSamples: 1 });
    }
    file.start();
  };
  file.onSamples = (id, _user, samples) => {
    for (const { dts, cts, duration, size, is_sync } of samples)
      tracks.get(id)?.samples.push({ dts, cts, duration, size, isSync: is_sync });
  };
  let offset = 0;
  for (const piece of pieces) {
    const copy = new Uint8Array(piece).buffer;
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy, offset));
    offset += piece.length;
  }
  file.flush();
  if (tracks.size === 0) error ||= 'no track was found';
  return { tracks: [...tracks.values()], error };
}
