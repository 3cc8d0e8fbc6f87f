/** What an HTTP path means to HLS. */

export interface Address {
  readonly kind: 'master' | 'media' | 'segment' | 'key';
  readonly app: string;
  readonly stream: string;
  /** `ts`, `fmp4`, `ll`, or '' when the policy decides. */
  readonly format: string;
  /** CMAF track of a media playlist; '' = MPEG-TS. */
  readonly track: string;
  /** Of a segment or key. */
  readonly number: number;
  /** The stream was named as a folder. */
  readonly isNested: boolean;
}

const MASTER = /^\/(.+)\/([^/]+?)(?:\.(ll|fmp4))?\.m3u8$/;
const TS_LIST = /^\/(.+)\/([^/]+)\.ts\.m3u8$/;
const CMAF_LIST = /^\/(.+)\/([^/]+)\.cmaf\/([av]\d{1,3})\.m3u8$/;
const NUMBERED = /^\/(.+)\/([^/]+)-(\d{1,15})\.(ts|key)$/;
/** What others answer. */
const FOREIGN = ['/vod/', '/docs/', '/api/'];

/** null when the path is none of ours. */
export function hlsAddress(path: string): Address | null {
  if (FOREIGN.some((prefix) => path.startsWith(prefix))) return null;
  const none = { format: '', track: '', number: -1, isNested: false };
  if (path.endsWith('.m3u8')) {
    const cmaf = CMAF_LIST.exec(path);
    if (cmaf !== null) return { ...none, kind: 'media', app: cmaf[1]!, stream: cmaf[2]!, track: cmaf[3]! };
    const ts = TS_LIST.exec(path);
    if (ts !== null) return { ...none, kind: 'media', app: ts[1]!, stream: ts[2]! };
    const master = MASTER.exec(path);
    if (master === null) return null;
    return { ...none, kind: 'master', app: master[1]!, stream: master[2]!, format: master[3] ?? '' };
  }
  const numbered = NUMBERED.exec(path);
  if (numbered === null) return null;
  const kind = numbered[4] === 'ts' ? 'segment' : 'key';
  return { ...none, kind, app: numbered[1]!, stream: numbered[2]!, number: Number(numbered[3]) };
}
