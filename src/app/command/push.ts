/** `sluice push FILE|URL rtmp://host/app/stream`: publishes at the pace of real time. */
import type { FrameSupply, SupplyPart } from '../../media-file/frame-supply.ts';
import { PacedPlayback } from '../../media-file/paced-playback.ts';
import { systemClock } from '../../util/clock.ts';
import { shownUrl } from '../../util/shown-url.ts';
import {
  type Command,
  CommandError,
  EXIT_OK,
  EXIT_SOURCE,
  EXIT_USAGE,
  onInterrupt,
  readArguments,
  say,
  wait,
} from './command.ts';
import { clockText, ProgressLine, rateText, sizeText } from './progress.ts';
import { parseTarget, RtmpTarget } from './rtmp-target.ts';
import { openSource, SOURCE_ARGUMENTS, sourceOptions, tellDamage, URL_OPTIONS } from './source.ts';

const FILE_LEAD_US = 300_000;
/** A live source is passed on as it comes; one that runs ahead (a file over HTTP) is held back from here on. */
const URL_LEAD_US = 10_000_000;
const MAX_SPEED = 100;

export const pushCommand: Command = {
  name: 'push',
  summary: 'publish a file or another stream to an RTMP server, at the pace of real time',
  help: `Usage: sluice push [options] FILE|URL rtmp://host/app/stream

Publishes an FLV, MP4 or MPEG-TS file, or whatever plays at a URL: rtmp://, rtmps://, rtsp://, rtsps://, http:// or
https:// (HLS lists, FLV, MPEG-TS, fragmented MP4), srt://, udp:// and tcp:// (MPEG-TS). Nothing is encoded again. H.264 and AAC go out as every server takes them; HEVC, AV1, VP9, Opus and
others by enhanced RTMP.

Options
  --loop        begin again at the end of the file, for ever
  --speed N     N times as fast as real time (0.1 to ${MAX_SPEED})
${URL_OPTIONS}
Examples
  sluice push clip.mp4 rtmp://localhost/live/clip
  sluice push --loop vod/trailer.flv rtmps://live.example.com/app/secret-key
  sluice push http://192.0.2.7:8080/live/cam.flv rtmp://localhost/live/cam
`,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const given = readArguments(pushCommand, args, {
    words: [2, 2],
    flags: ['loop', ...SOURCE_ARGUMENTS.flags],
    options: ['speed', ...SOURCE_ARGUMENTS.options],
  });
  const speed = given.number('speed', 0.1) ?? 1;
  if (speed > MAX_SPEED) throw new CommandError(EXIT_USAGE, `--speed ${speed} is more than ${MAX_SPEED}.`);
  const [from = '', to = ''] = given.words;
  const options = sourceOptions(given);
  const url = parseTarget(to);
  const source = await openSource(from, { loop: given.has('loop'), ...options });
  tellDamage(from, source);
  let isInterrupted = false;
  let stopEarly = () => source.supply.close();
  const forget = onInterrupt(() => {
    isInterrupted = true;
    stopEarly();
  });
  try {
    const first = await source.supply.read();
    if (first === null) {
      if (isInterrupted) return EXIT_OK;
      throw new CommandError(EXIT_SOURCE, `${shownUrl(from)}: there is nothing in it that can be published.`);
    }
    let broken: CommandError | null = null;
    const target = await RtmpTarget.open(url, options.verifies, (error) => {
      broken = error;
      stopEarly();
    });
    target.setMetadata(source.metadata());
    say(`pushing ${shownUrl(from)} to ${to.replace(/\?.*/s, '')}`);
    const playback = new PacedPlayback({
      supply: withFirst(first, source.supply),
      output: target,
      nowUs: systemClock.nowUs,
      leadUs: source.file === null ? URL_LEAD_US : FILE_LEAD_US,
      speed,
      wait,
    });
    stopEarly = () => playback.close();
    if (isInterrupted || broken !== null) playback.close();
    const began = Date.now();
    const seconds = () => (Date.now() - began) / 1000;
    const progress = new ProgressLine(() => {
      const media = playback.positionUs / 1e6;
      const pace = `${(media / Math.max(seconds(), 0.1)).toFixed(2)}x`;
      return `${clockText(media)}  ${rateText((target.bytesSent * 8) / Math.max(media, 0.1))}  ${pace}`;
    });
    try {
      await playback.run();
    } finally {
      progress.end();
      await target.close();
    }
    if (broken !== null) throw broken as CommandError;
    const media = (playback.positionUs / 1e6).toFixed(1);
    say(
      `pushed ${media} s, ${target.framesSent} frames, ${sizeText(target.bytesSent)} in ${seconds().toFixed(1)} s`,
    );
    return EXIT_OK;
  } finally {
    forget();
    source.supply.close();
  }
}

/** The part that was read already, and then the rest. */
function withFirst(first: SupplyPart, supply: FrameSupply): FrameSupply {
  let pending: SupplyPart | null = first;
  return {
    read: async () => {
      const part = pending;
      pending = null;
      return part ?? (await supply.read());
    },
    close: () => supply.close(),
  };
}
