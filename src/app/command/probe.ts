/** `sluice probe URL|FILE`: what a source holds and what is wrong with it. */
import { shownUrl } from '../../util/shown-url.ts';
import {
  type Command,
  CommandError,
  EXIT_BROKEN,
  EXIT_OK,
  EXIT_SOURCE,
  onInterrupt,
  readArguments,
  say,
} from './command.ts';
import { clockText, ProgressLine } from './progress.ts';
import { openSource, SOURCE_ARGUMENTS, type Source, sourceOptions, URL_OPTIONS } from './source.ts';
import { probeTable, StreamProbe } from './stream-probe.ts';

const LIVE_SECONDS = 5;

export const probeCommand: Command = {
  name: 'probe',
  summary: 'show tracks, codecs, rates, key frames and time faults of a stream or file',
  help: `Usage: sluice probe [options] URL|FILE

Shows tracks, codecs, resolution, frame rate, key frame distance, B-frames, bit rates, and what is wrong with the times:
gaps, times that go back, sound and pictures that begin or come apart, jitter. A file is read whole, a URL for
${LIVE_SECONDS} seconds of media.

Options
  --time S      look at S seconds of media
  --json        print the report as JSON
${URL_OPTIONS}
Examples
  sluice probe vod/clip.mp4
  sluice probe --time 20 --json rtmp://localhost/live/cam
  sluice probe rtsp://admin:password@192.0.2.7/stream1#tcp
`,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const given = readArguments(probeCommand, args, {
    words: [1, 1],
    flags: ['json', ...SOURCE_ARGUMENTS.flags],
    options: ['time', ...SOURCE_ARGUMENTS.options],
  });
  const [from = ''] = given.words;
  const seconds = given.number('time', 0.1);
  const source = await openSource(from, { loop: false, ...sourceOptions(given) });
  const { file } = source;
  const limitUs = (seconds ?? (file === null ? LIVE_SECONDS : Number.POSITIVE_INFINITY)) * 1e6;
  const probe = new StreamProbe();
  const forget = onInterrupt(() => source.supply.close());
  const progress = new ProgressLine(() => `${clockText(probe.spanUs / 1e6)}  ${probe.frames} frames`);
  let broken: CommandError | null = null;
  try {
    await look(source, probe, limitUs);
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== EXIT_BROKEN || probe.frames === 0) throw error;
    broken = error;
  } finally {
    source.supply.close();
    forget();
    progress.end();
  }
  if (probe.frames === 0) throw new CommandError(EXIT_SOURCE, `${shownUrl(from)}: nothing came.`);
  const report = probe.report({
    source: file === null ? shownUrl(from) : from,
    format: file?.format ?? from.slice(0, from.indexOf(':')).toLowerCase(),
    isLive: file === null,
    bytes: file?.sizeBytes ?? source.bytesReceived(),
    notes: file === null ? [] : [file.damage, ...file.leftOut].filter((sentence) => sentence !== ''),
  });
  process.stdout.write(given.has('json') ? `${JSON.stringify(report, null, 2)}\n` : probeTable(report));
  if (broken === null) return EXIT_OK;
  say(`sluice: ${broken.message}`);
  return EXIT_BROKEN;
}

async function look(source: Source, probe: StreamProbe, limitUs: number): Promise<void> {
  for (;;) {
    const part = await source.supply.read();
    if (part === null) return;
    if (part.tracks !== null) probe.setTracks(part.tracks);
    for (const frame of part.frames) {
      probe.add(frame);
      if (probe.spanUs >= limitUs) return;
    }
  }
}
