/** What tracks of a transport stream have in common, pictures and sound: who they are, what they are counted by. */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { CodecId } from '../codec/codec-id.ts';
import type { TsIngest, TsIngestOutput } from './ts-ingest.ts';

export abstract class TsIngestTrack {
  readonly pid: number;
  readonly trackId: number;
  readonly codec: CodecId;
  /** AAC in LOAS frames. */
  readonly isLatm: boolean;
  config: CodecConfig | null;
  damagedFrames: number;
  framesWithoutConfig: number;
  /** Frames, or packets of them, where the way here loses some. */
  droppedFrames: number;
  /** Time of the last packet that was not late; kept by the owner. */
  latestMs: number;
  /** A sentence that says why nothing comes of it; '' = no such reason. */
  reason: string;
  protected readonly owner: TsIngest;
  protected readonly output: TsIngestOutput;
  protected readonly setConfig: (config: CodecConfig) => void;

  constructor(
    owner: TsIngest,
    output: TsIngestOutput,
    pid: number,
    trackId: number,
    codec: CodecId,
    setConfig: (config: CodecConfig) => void,
    isLatm: boolean,
  ) {
    this.pid = pid;
    this.trackId = trackId;
    this.codec = codec;
    this.isLatm = isLatm;
    this.config = null;
    this.damagedFrames = 0;
    this.framesWithoutConfig = 0;
    this.droppedFrames = 0;
    this.latestMs = Number.NaN;
    this.reason = '';
    this.owner = owner;
    this.output = output;
    this.setConfig = setConfig;
  }

  /** Packets were lost before the next payload; `isDamaged`: in it, and it will not be given. */
  onLoss(isDamaged: boolean): void {
    if (isDamaged) this.droppedFrames++;
  }

  /** Payload of one PES packet that begins at `position` of the stream; NaN = it has no time of its own. */
  abstract take(received: Uint8Array, dtsMs: number, ptsMs: number, position: number): void;
}
