/** MPEG-TS files (and M2TS): the reader and the ingest of live streams, with places in the file. */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Track } from '../media/track.ts';
import { TsIngest, type TsIngestOutput, type TsIngestState } from '../packaging/ts-ingest.ts';
import type { PesPacket } from '../wire/mpegts/pes-reader.ts';
import type { TsProgram, TsStream } from '../wire/mpegts/psi-reader.ts';
import { TsReader, type TsReaderOutput } from '../wire/mpegts/ts-reader.ts';
import type { Checkpoint, Demuxer, DemuxerSink } from './demuxer.ts';

export function tsDemuxer(sink: DemuxerSink): Demuxer {
  return new TsDemuxer(sink, 0, Number.NaN, null);
}

class TsDemuxer implements Demuxer, TsReaderOutput, TsIngestOutput {
  private readonly sink: DemuxerSink;
  private readonly reader: TsReader;
  private readonly ingest: TsIngest;
  private hasNews = false;

  constructor(sink: DemuxerSink, position: number, nearMs: number, state: TsIngestState | null) {
    this.sink = sink;
    this.ingest = new TsIngest(this, {
      ...(state === null ? {} : { state }),
      ...(Number.isNaN(nearMs) ? {} : { nearMs }),
    });
    this.reader = new TsReader(this, {
      position,
      ...(state?.program == null ? {} : { program: state.program }),
    });
  }

  push(bytes: Uint8Array): void {
    this.reader.push(bytes);
  }

  finish(): void {
    this.reader.finish();
  }

  maxPesBytes(stream: TsStream): number {
    return this.ingest.maxPesBytes(stream);
  }

  program(program: TsProgram): void {
    this.ingest.program(program);
    this.hasNews = true;
  }

  pes(packet: PesPacket): void {
    this.ingest.pes(packet);
    if (!this.hasNews) return;
    this.hasNews = false;
    this.sink.checkpoint(packet.position, new TsCheckpoint(this.ingest.saveState()));
  }

  setTrack(track: Track): void {
    this.hasNews = true;
    this.sink.setTrack(track);
  }

  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    this.sink.frame(trackId, flags, dtsMs, ptsMs, durationUs, payload, config, this.ingest.position);
  }

  damage(): string {
    const { reader, ingest } = this;
    const parts: string[] = [];
    if (reader.skippedBytes > 0) parts.push(`${reader.skippedBytes} bytes are no packets`);
    if (reader.badPackets > 0) parts.push(`${reader.badPackets} packets are marked as damaged`);
    if (reader.continuityErrors > 0) parts.push(`packets are missing at ${reader.continuityErrors} places`);
    if (reader.badSections > 0) parts.push(`${reader.badSections} tables are broken`);
    const frames = ingest.damagedFrames + reader.tooLarge;
    if (frames > 0) parts.push(`${frames} frames are broken`);
    if (ingest.framesWithoutConfig > 0)
      parts.push(`nothing tells how to decode ${ingest.framesWithoutConfig} frames`);
    return parts.length === 0 ? '' : `This MPEG-TS file is damaged: ${parts.join(', ')}.`;
  }

  leftOut(): readonly string[] {
    const { reader, ingest } = this;
    const sentences = [...ingest.leftOut()];
    if (reader.scrambledPackets > 0) sentences.push('A part of the file is scrambled.');
    if (reader.programCount > 1)
      sentences.push(`The file has ${reader.programCount} programs; one is played.`);
    return sentences;
  }
}

class TsCheckpoint implements Checkpoint {
  private readonly state: TsIngestState;

  constructor(state: TsIngestState) {
    this.state = state;
  }

  open(sink: DemuxerSink, position: number, nearMs: number): Demuxer {
    return new TsDemuxer(sink, position, nearMs, this.state);
  }
}
