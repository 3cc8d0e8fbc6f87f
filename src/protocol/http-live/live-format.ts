/** THE table of endless HTTP answers: what an address ends in, and the bytes that are sent for it. */
import type { FeedFormat } from '../../media/feed.ts';
import { adtsFormat, mp3Format, wsAdtsFormat, wsMp3Format } from '../../packaging/audio-feed.ts';
import { flvFormat, wsFlvFormat } from '../../packaging/flv-feed.ts';
import { fmp4Format, wsFmp4Format } from '../../packaging/fmp4-feed.ts';
import { tsFormat, wsTsFormat } from '../../packaging/ts-feed.ts';

export interface LiveFormat {
  /** Ends the name of the protocol: `http-flv`, `wss-flv`. */
  readonly name: string;
  readonly suffix: string;
  readonly contentType: string;
  readonly http: FeedFormat;
  readonly webSocket: FeedFormat;
  /** Among the addresses that are shown for WebSocket; what only plays sound is not. */
  readonly showsWebSocket: boolean;
}

export const LIVE_FORMATS: readonly LiveFormat[] = [
  {
    name: 'flv',
    suffix: '.flv',
    contentType: 'video/x-flv',
    http: flvFormat,
    webSocket: wsFlvFormat,
    showsWebSocket: true,
  },
  {
    name: 'ts',
    suffix: '.ts',
    contentType: 'video/mp2t',
    http: tsFormat,
    webSocket: wsTsFormat,
    showsWebSocket: true,
  },
  {
    name: 'fmp4',
    suffix: '.mp4',
    contentType: 'video/mp4',
    http: fmp4Format,
    webSocket: wsFmp4Format,
    showsWebSocket: true,
  },
  {
    name: 'aac',
    suffix: '.aac',
    contentType: 'audio/aac',
    http: adtsFormat,
    webSocket: wsAdtsFormat,
    showsWebSocket: false,
  },
  {
    name: 'mp3',
    suffix: '.mp3',
    contentType: 'audio/mpeg',
    http: mp3Format,
    webSocket: wsMp3Format,
    showsWebSocket: false,
  },
];

export interface LiveAddress {
  readonly format: LiveFormat;
  /** All that follows the stream's name. */
  readonly suffix: string;
}

/** ZLMediaKit writes `cam.live.flv` for `cam.flv`. */
const LONG_FORM = '.live';
const LONG_FORM_SUFFIXES = ['.flv', '.ts', '.mp4'];
const FOREIGN_FOLDERS = ['/vod/', '/docs/', '/api/'];
const FOREIGN_SUFFIX = '.keyframe.mp4';
const CMAF_FOLDER = '.cmaf/';
/** What HLS calls its segments. */
const NUMBERED = /-\d{1,15}\.ts$/;

/** What a path asks for, null when it is none of ours. `isLive` tells whether there is a stream of that name. */
export function liveAddress(path: string, isLive: (stream: string) => boolean): LiveAddress | null {
  const format = LIVE_FORMATS.find((one) => path.endsWith(one.suffix));
  if (format === undefined || path.endsWith(FOREIGN_SUFFIX) || path.includes(CMAF_FOLDER)) return null;
  if (FOREIGN_FOLDERS.some((folder) => path.startsWith(folder))) return null;
  const { suffix } = format;
  const name = path.slice(1, -suffix.length);
  if (NUMBERED.test(path) && !isLive(name)) return null;
  const isLong = LONG_FORM_SUFFIXES.includes(suffix) && name.endsWith(LONG_FORM) && !isLive(name);
  return { format, suffix: isLong ? LONG_FORM + suffix : suffix };
}
