/**
 * Frames to an MPEG-TS file (ISO/IEC 13818-1) with all tracks that the format can carry. Times are those of the
 * stream, so that files of one stream go on from each other; the format has no place for the wall clock.
 */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import { TsWriter } from '../wire/mpegts/ts-writer.ts';
import { FragmentedFile, hasSameCodecs, isExtended, leftOutOf } from './file-fragment.ts';
import type { FileMuxer, FileMuxerOptions } from './file-muxer.ts';

export class TsFileMuxer extends FragmentedFile implements FileMuxer {
  readonly format = 'ts';
  private readonly writer: TsWriter;
  private tracks: readonly Track[] = [];

  /** Files that go on from each other, as the segments of a list do, are given the same `writer`. */
  constructor(options: FileMuxerOptions, writer = new TsWriter({ groupAudio: true })) {
    super(options.continues?.bytes ?? 0);
    this.writer = writer;
    if (options.continues !== undefined) writer.markDiscontinuity();
    writer.requestTables();
  }

  /** New configurations and further tracks may stand in the middle of a file, another codec may not. */
  setTracks(tracks: readonly Track[]): boolean {
    const carried = tracks.filter((track) => reasonNotInTs(track) === '');
    const canGoOn = hasSameCodecs(carried, this.tracks) || isExtended(this.tracks, carried);
    if (!Number.isNaN(this.startUs) && !canGoOn) return false;
    this.tracks = carried;
    this.writer.flush(this.bytes);
    const refused = this.writer.setTracks(carried);
    this.leftOut = [...leftOutOf(tracks, reasonNotInTs), ...refused].map(({ track, reason }) => ({
      track: tracks.find((one) => one.id === track.id)!, // what is refused is one of them
      reason,
    }));
    this.clock.setTracks(carried.filter((track) => !refused.some((one) => one.track.id === track.id)));
    return true;
  }

  /** The timeline jumps before the next frame. */
  markDiscontinuity(): void {
    this.writer.flush(this.bytes);
    this.writer.markDiscontinuity();
  }

  write(frame: Frame): void {
    if (!this.isCarried(frame.trackId)) return;
    if (this.clock.endsBefore(frame, this.bytes.sizeBytes)) this.close(frame.dts);
    this.clock.onFrame(frame);
    this.writer.write(frame, this.bytes);
  }

  private isCarried(id: number): boolean {
    const { tracks } = this;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.id === id) return true;
    return false;
  }

  /** Sound that waits for company belongs to the fragment: a file may end here. */
  protected override close(nextUs: number): void {
    this.writer.flush(this.bytes);
    if (this.closeFragment(nextUs)) this.writer.requestTables();
  }
}
