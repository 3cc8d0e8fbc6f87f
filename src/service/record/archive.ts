/**
 * What is recorded of a stream in a window, ready to be played: finds the stream that an address means, its files and
 * their spans, and says what there is when there is nothing.
 */
import type { Container } from '../../media-file/vod-segment.ts';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import { RejectedError } from '../../util/errors.ts';
import { fullNames } from './record-places.ts';
import type { SpanReader } from './span-reader.ts';
import type { WindowQuery } from './window-query.ts';
import { chooseSpans, type RecordedSpan, spansOf } from './window-spans.ts';
import { planWindow, type WindowTimeline } from './window-timeline.ts';

/** Files of a window; more than that are no window. */
const MAX_FILES = 20_000;

export class Archive {
  private readonly index: RecordingIndex;
  private readonly reader: SpanReader;

  constructor(index: RecordingIndex, reader: SpanReader) {
    this.index = index;
    this.reader = reader;
  }

  /** `name` as it stands in an address. Throws RejectedError with what is nearest when nothing is recorded. */
  async window(name: string, query: WindowQuery, container: Container | null): Promise<WindowTimeline> {
    const { startMs, endMs, recording } = query;
    const stream = this.streamOf(name);
    const { files, total } = await this.index.files(stream, startMs, endMs, 0, MAX_FILES);
    if (total > MAX_FILES)
      throw new RejectedError(
        'limit',
        `This window has more than ${MAX_FILES} files; ask for a shorter one.`,
      );
    const chosen = chooseSpans(files, startMs, endMs, recording);
    if (chosen.length === 0) throw await this.nothing(stream, query);
    return await planWindow(this.reader, chosen, query, container);
  }

  /** The span that began at this millisecond. */
  async span(name: string, recording: string, startMs: number): Promise<RecordedSpan> {
    const stream = this.streamOf(name);
    const { files } = await this.index.files(stream, startMs - 1, startMs + 1);
    const spans = files.filter((file) => file.recording === recording).flatMap(spansOf);
    const found = spans.find((span) => Math.round(span.startMs) === startMs);
    if (found === undefined)
      throw new RejectedError(
        'not-found',
        'This part of the recording is not there any more; load the playlist again.',
      );
    return found;
  }

  private streamOf(name: string): string {
    const open = this.index.openFiles();
    const found = fullNames(name).find(
      (stream) => this.index.daysOf(stream).length > 0 || open.some((file) => file.stream === stream),
    );
    if (found === undefined)
      throw new RejectedError('not-found', `Nothing is recorded of ${name}; /api/rec lists what there is.`);
    return found;
  }

  private async nothing(stream: string, { startMs, endMs, recording }: WindowQuery): Promise<RejectedError> {
    const isMeant = (file: RecordedFile) => recording === '' || file.recording === recording;
    const days = this.index.daysOf(stream);
    const open = this.index.openFiles().filter((file) => file.stream === stream && isMeant(file));
    const filesOf = async (day: string | undefined) =>
      day === undefined ? [] : (await this.index.filesOfDay(stream, day)).filter(isMeant);
    const before = [
      ...(await filesOf(days.filter(({ firstMs, files }) => files > 0 && firstMs < startMs).at(-1)?.day)),
      ...open,
    ].filter((file) => file.endMs <= startMs);
    const behind = [
      ...(await filesOf(days.find(({ lastMs, files }) => files > 0 && lastMs > endMs)?.day)),
      ...open,
    ].filter((file) => file.startMs >= endMs);
    const name = recording === '' ? stream : `${stream} as "${recording}"`;
    let text = `Nothing is recorded of ${name} from ${isoTime(startMs)} to ${isoTime(endMs)}.`;
    if (before.length > 0)
      text += ` The recording before it ends at ${isoTime(Math.max(...before.map((file) => file.endMs)))}.`;
    if (behind.length > 0)
      text += ` The next one begins at ${isoTime(Math.min(...behind.map((file) => file.startMs)))}.`;
    return new RejectedError('not-found', text);
  }
}

export function isoTime(ms: number): string {
  return new Date(Math.round(ms)).toISOString();
}
