/** THE table of what can be published by HTTP, and which stream an address means. */
import type { ContainerName } from '../../packaging/media-ingest.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';

interface PublishFormat {
  readonly suffix: string;
  readonly format: ContainerName;
  /** Ends the name of the protocol, as for players: `http-flv`. */
  readonly name: string;
}

const FORMATS: readonly PublishFormat[] = [
  { suffix: '.flv', format: 'flv', name: 'flv' },
  { suffix: '.ts', format: 'ts', name: 'ts' },
  { suffix: '.mp4', format: 'mp4', name: 'fmp4' },
];
/** What is below these belongs to others. */
const FOREIGN_FOLDERS = ['/vod/', '/docs/', '/api/'];
const FOREIGN_INNER = '.cmaf/';

/** Whether a publisher may mean this path. */
export function isPublishPath(path: string): boolean {
  return (
    FORMATS.some(({ suffix }) => path.endsWith(suffix)) &&
    !path.includes(FOREIGN_INNER) &&
    !FOREIGN_FOLDERS.some((folder) => path.startsWith(folder))
  );
}

export interface PublishAddress extends PublishFormat {
  readonly app: string;
  readonly stream: string;
}

/** `path` is one that `isPublishPath` takes. Throws RejectedError when it names no application or no stream. */
export function publishAddress(path: string): PublishAddress {
  const format = FORMATS.find(({ suffix }) => path.endsWith(suffix))!; // isPublishPath found one
  return { ...format, ...splitStreamPath(path, format.suffix) };
}
