/** What an HTTP path means to DASH. */

export interface DashAddress {
  readonly app: string;
  readonly stream: string;
  readonly isLowLatency: boolean;
}

const MANIFEST = /^\/(.+)\/([^/]+?)(\.ll)?\.mpd$/;
/** What others answer. */
const FOREIGN = ['/vod/', '/docs/', '/api/'];

/** null when the path is none of ours. */
export function dashAddress(path: string): DashAddress | null {
  if (!path.endsWith('.mpd') || FOREIGN.some((prefix) => path.startsWith(prefix))) return null;
  const match = MANIFEST.exec(path);
  if (match === null) return null;
  const [, app, stream, lowLatency] = match;
  return { app: app!, stream: stream!, isLowLatency: lowLatency !== undefined }; // both groups always match
}
