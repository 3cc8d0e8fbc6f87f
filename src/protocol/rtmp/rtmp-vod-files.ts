/**
 * Which file an RTMP address means: `rtmp://host/vod/film/a.mp4`, Flash's spellings `mp4:a.mp4`, `mp4:a`, `flv:a`, and
 * names without extension.
 */
import { MediaFileCache } from '../../media-file/media-file-cache.ts';
import { readableError } from '../../media-file/vod-library.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { type PlaceInside, resolveInside } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import type { StreamAddress } from '../../wire/rtmp/rtmp-url.ts';
import type { PlayableFiles } from './rtmp-services.ts';
import type { HeldFile } from './rtmp-vod.ts';

const APP = 'vod';
/** Flash's way to say what kind of file is meant. */
const KIND = /^(flv|mp4|m4v|mov|f4v|ts|mp3|m4a|aac):/i;
const EXTENSIONS = ['flv', 'mp4', 'ts', 'm4a', 'mp3'];

export class RtmpVodFiles implements PlayableFiles {
  private readonly context: ModuleContext;
  private readonly files: MediaFileCache;

  constructor(context: ModuleContext) {
    this.context = context;
    this.files = new MediaFileCache({ after: (delayMs, run) => context.tick.after(delayMs, run) });
  }

  /** Whether this application is that of files (and files are served). */
  isVod(app: string): boolean {
    return (app === APP || app.startsWith(`${APP}/`)) && this.context.configuration().server.vod.enable;
  }

  async open(address: StreamAddress): Promise<HeldFile | null> {
    const text = `${address.app}/${address.stream}`;
    // Where the operator lets people publish to `vod`, what is live comes first.
    if (!this.isVod(address.app) || this.context.hub.find(text)?.state === 'live') return null;
    const place = await this.find(text.slice(APP.length + 1));
    return await this.hold(place, text);
  }

  private async find(relative: string): Promise<PlaceInside> {
    const { vod } = this.context.configuration().server;
    const root = this.context.pathBeside(vod.dir);
    const kind = KIND.exec(relative)?.[1]?.toLowerCase();
    const name = relative.replace(KIND, '');
    const extensions = kind === undefined ? EXTENSIONS : [kind, ...EXTENSIONS];
    for (const candidate of [name, ...extensions.map((extension) => `${name}.${extension}`)]) {
      try {
        const place = await resolveInside(root, candidate);
        if (!place.isFolder) return place;
      } catch (error) {
        if (!(error instanceof RejectedError) || error.reason !== 'not-found') throw error;
      }
    }
    throw new RejectedError('not-found', `There is no file ${name}.`);
  }

  private hold(place: PlaceInside, text: string): Promise<HeldFile> {
    return new Promise((resolve, reject) => {
      const used = this.files.use(
        place.path,
        (file) =>
          new Promise<void>((release) => resolve({ text, file, sizeBytes: place.sizeBytes, release })),
      );
      used.catch((error: unknown) => reject(readableError(error)));
    });
  }

  after(delayMs: number, run: () => void): Timeout {
    return this.context.tick.after(delayMs, run);
  }

  async close(): Promise<void> {
    await this.files.close();
  }
}
