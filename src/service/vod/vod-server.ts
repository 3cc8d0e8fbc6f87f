/**
 * `/vod/...` and `/api/vod/...`: which answer an address gets. A file that is really there comes first, so that a user's
 * own playlists work; then what is made of a file (`a.mp4.m3u8`, `a.mp4/index.m3u8` and their segments); then folders.
 */
import { mkdir } from 'node:fs/promises';
import { MediaFileCache } from '../../media-file/media-file-cache.ts';
import { VodLibrary } from '../../media-file/vod-library.ts';
import { FileReaders, sendFile } from '../../runtime/file-response.ts';
import { type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { type PlaceInside, resolveInside } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { type FileFacts, listFolder } from './vod-folder.ts';
import { VodHls } from './vod-hls.ts';
import { folderPage, PAGE_POLICY, pickLanguage } from './vod-page.ts';
import { sendFlvFrom, sendMp4Part } from './vod-pseudo.ts';
import { VodUpload } from './vod-upload.ts';

const ROOT = '/vod';
const API = '/api/vod';
/** Files that can be asked for as HLS. */
const HLS_SOURCE = /\.(mp4|m4v|m4a|mov|flv|ts|m2ts)$/i;
const PLAYLIST = /^(.+?)(?:\/index)?\.m3u8$/;
const PIECE = /^(.+?)(?:\.m3u8)?\/((?:seg-\d{1,7}\.(?:ts|m4s))|(?:init-\d{1,4}\.mp4))$/;

export class VodServer {
  private readonly context: ModuleContext;
  private readonly root: string;
  private readonly files: MediaFileCache;
  private readonly library: VodLibrary;
  private readonly readers = new FileReaders();
  private readonly hls: VodHls;
  private readonly upload: VodUpload;

  constructor(context: ModuleContext) {
    this.context = context;
    this.root = context.pathBeside(context.configuration().server.vod.dir);
    this.files = new MediaFileCache({ after: (delayMs, run) => context.tick.after(delayMs, run) });
    this.library = new VodLibrary({ files: this.files, readers: this.readers });
    this.hls = new VodHls(this.library, (bytes) => this.count(bytes));
    this.upload = new VodUpload(context.onFault);
  }

  /** The folder is there from the first start on, so that people see where files go. */
  async open(): Promise<void> {
    try {
      await mkdir(this.root, { recursive: true });
    } catch (error) {
      const cause = (error as NodeJS.ErrnoException).code ?? String(error);
      this.context.log.warn('vod.no-folder', { folder: this.root, cause });
    }
  }

  accepts(method: string, path: string): boolean {
    if (method === 'POST') return isBelow(path, ROOT);
    return (method === 'GET' || method === 'HEAD') && (isBelow(path, ROOT) || isBelow(path, API));
  }

  async handle(request: HttpRequest): Promise<void> {
    const { vod, api } = this.context.configuration().server;
    if (!vod.enable) throw new RejectedError('denied', 'Files are switched off (vod enable in config.xml).');
    const isApi = isBelow(request.path, API);
    if (isApi && !api.enable)
      throw new RejectedError('denied', 'The API is switched off (api enable in config.xml).');
    if (request.method === 'POST') await this.receive(request);
    else if (isApi) await this.list(request);
    else await this.answer(request);
  }

  private async receive(request: HttpRequest): Promise<void> {
    const { upload, maxUpload } = this.context.configuration().server.vod;
    if (!upload) {
      // What follows is not read; the connection would wait for it.
      request.response.once('finish', () => request.message.destroy());
      throw new RejectedError('denied', 'Uploads are switched off (vod upload in config.xml).');
    }
    const settings = { root: this.root, maxFileBytes: maxUpload };
    await this.upload.receive(request, request.path.slice(ROOT.length), settings);
  }

  private async list(request: HttpRequest): Promise<void> {
    const place = await resolveInside(this.root, request.path.slice(API.length));
    if (!place.isFolder) throw new RejectedError('not-found', 'This is a file, not a folder.');
    const { dirs, files } = await listFolder(place.path);
    const hasDetail = request.query.get('detail') === '1';
    const name = ({ name }: FileFacts) => name;
    const folder = ({ name, modifiedMs }: FileFacts) => ({ name, mtime: dateText(modifiedMs) });
    const file = (one: FileFacts) => ({ ...folder(one), size: one.sizeBytes });
    sendJson(
      request.response,
      200,
      hasDetail
        ? { dirs: dirs.map(folder), files: files.map(file) }
        : { dirs: dirs.map(name), files: files.map(name) },
    );
  }

  private async answer(request: HttpRequest): Promise<void> {
    const relative = request.path.slice(ROOT.length);
    const place = await this.find(relative);
    if (place?.isFolder === true) await this.page(request, place);
    else if (place !== null) await this.file(request, place);
    else await this.made(request, relative);
  }

  /** Null when there is nothing of this name. */
  private async find(relative: string): Promise<PlaceInside | null> {
    try {
      return await resolveInside(this.root, relative);
    } catch (error) {
      if (error instanceof RejectedError && error.reason === 'not-found') return null;
      throw error;
    }
  }

  private async page(request: HttpRequest, place: PlaceInside): Promise<void> {
    const { path, response, rawQuery } = request;
    if (!path.endsWith('/')) {
      const query = rawQuery === '' ? '' : `?${rawQuery}`;
      const address = path.split('/').map(encodeURIComponent).join('/');
      response.writeHead(308, { Location: `${address}/${query}` });
      response.end();
      return;
    }
    const listing = await listFolder(place.path);
    const asked = request.query.get('lang');
    const language = pickLanguage(asked ?? request.message.headers['accept-language']);
    const text = folderPage(path, listing, language, (name) => HLS_SOURCE.test(name));
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': PAGE_POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'same-origin',
      Vary: 'Accept-Language',
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  private async file(request: HttpRequest, place: PlaceInside): Promise<void> {
    if (request.path.endsWith('/')) throw new RejectedError('not-found', 'This is a file, not a folder.');
    const { query } = request;
    const onSent = (bytes: number) => this.count(bytes);
    const name = place.name.toLowerCase();
    const isPart = query.has('start') || query.has('end') || query.has('starttime');
    if (isPart && name.endsWith('.flv')) {
      await sendFlvFrom(request, this.library, this.readers, place.path, onSent);
    } else if (isPart && /\.(mp4|m4v|mov)$/.test(name)) {
      await sendMp4Part(request, this.library, place.path, onSent);
    } else {
      const downloadName = query.get('download') === '1' ? { downloadName: place.name } : {};
      await sendFile(request, place.path, this.readers, { onSent, ...downloadName });
    }
  }

  /** What lies nowhere but is made of a file. */
  private async made(request: HttpRequest, relative: string): Promise<void> {
    const playlist = PLAYLIST.exec(relative);
    const source = playlist === null ? null : await this.source(playlist[1]!);
    if (source !== null) {
      await this.hls.playlist(request, source);
      return;
    }
    const piece = PIECE.exec(relative);
    const owner = piece === null ? null : await this.source(piece[1]!);
    if (owner === null) throw new RejectedError('not-found', `There is no file ${request.path}.`);
    await this.hls.piece(request, owner, piece![2]!); // there is an owner only with a match
  }

  private async source(relative: string): Promise<PlaceInside | null> {
    const place = await this.find(relative);
    return place === null || place.isFolder ? null : place;
  }

  /** Requests are too short to be sessions; what viewers get counts all the same. */
  private count(bytes: number): void {
    this.context.sessions.endedBytesOut += bytes;
  }

  async close(): Promise<void> {
    this.library.close();
    await this.files.close();
  }
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`);
}

function dateText(ms: number): string {
  return new Date(ms).toISOString();
}
