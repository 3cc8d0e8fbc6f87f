/**
 * Recording: what the policy and the API want recorded, the list of it, how long it stays, where it is sent, and the
 * addresses that list, play and control it.
 */

import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Configuration } from '../../config/configuration.ts';
import { splitStreamText } from '../../media/stream-key.ts';
import { type ReadFileName, rebuildIndex } from '../../recordings/index-rebuild.ts';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import { RecordingIndex } from '../../recordings/recording-index.ts';
import { FileReaders } from '../../runtime/file-response.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { readFileName } from './file-naming.ts';
import { RecRoutes } from './rec-routes.ts';
import { RecordApi } from './record-api.ts';
import { RecordService } from './record-service.ts';
import { freeBytesOf, Retention } from './retention.ts';
import { Uploader, type UploadSettings } from './uploader.ts';
import { WindowPlayback } from './window-playback.ts';

export const recordModule: ServerModule = { name: 'record', start };

const RETENTION_MS = 10_000;
/** A disk that hangs must not keep the server from stopping. */
const STOP_MS = 3000;

async function start(context: ModuleContext): Promise<RunningModule> {
  const settings = () => context.configuration().server;
  const folder = await realFolder(context.pathBeside(settings().rec.dir));
  const index = new RecordingIndex(folder, new FileReaders());
  const service = new RecordService(context, index);
  const uploader = new Uploader({
    index,
    settings: () => uploadSettings(context),
    log: context.log,
    tick: context.tick,
    nowUs: () => context.clock.nowUs(),
    onFault: context.onFault,
  });
  const retention = new Retention({
    index,
    settings: () => {
      const { maxAge, maxSize, minFree, goodFree } = settings().rec;
      return {
        maxAgeMs: maxAge,
        maxBytes: maxSize,
        minFreeBytes: minFree,
        goodFreeBytes: goodFree === 0 ? Math.round(minFree * 1.1) : goodFree,
      };
    },
    maxAgeOf: (file) => ageOf(context, file),
    isNeeded: (file) => uploader.isWaiting(file),
    freeBytes: () => freeBytesOf(folder),
    nowMs: () => context.clock.wallUs() / 1000,
    log: context.log,
  });
  service.addFileListener((file, rule) => {
    if (rule.upload) uploader.add(file);
  });
  context.hub.addListener({
    onPublish: (stream) => service.onPublish(stream),
    onUnpublish: () => undefined,
    onClosed: (stream) => service.onClosed(stream),
  });
  const windows = new WindowPlayback({
    index,
    files: { after: (delayMs, run) => context.tick.after(delayMs, run) },
    nowMs: () => context.clock.wallUs() / 1000,
    onSent: (bytes) => {
      context.sessions.endedBytesOut += bytes;
    },
  });
  context.http.route({
    name: 'rec-window',
    accepts: (method, path, query) => windows.accepts(method, path, query),
    handle: (request) => windows.handle(request),
  });
  addRoutes(context, service, uploader);

  let isStopping = false;
  let ready = false;
  const loading = prepare(context, index).then(async () => {
    if (!isStopping) await uploader.load();
    ready = true;
  });
  loading.catch(context.onFault);
  let passing: Promise<unknown> = Promise.resolve();
  const timer = context.tick.every(RETENTION_MS, () => {
    if (ready && !isStopping) passing = retention.run().catch(context.onFault);
  });
  return {
    reload: () => {
      service.reload();
      retention.reset();
      uploader.reload();
      return [];
    },
    stop: async () => {
      isStopping = true;
      timer.cancel();
      const ended = Promise.all([service.close(), uploader.close(), windows.close(), loading, passing]);
      await Promise.race([ended, new Promise((done) => setTimeout(done, STOP_MS).unref())]);
    },
  };
}

/** The folder without symbolic links, also while it is not there yet: files are known by their real paths. */
async function realFolder(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch {
    const parent = dirname(folder);
    return parent === folder ? folder : join(await realFolder(parent), basename(folder));
  }
}

/** Reads the index and makes it true; recording goes on meanwhile. */
async function prepare(context: ModuleContext, index: RecordingIndex): Promise<void> {
  const startedMs = context.clock.wallUs() / 1000;
  await index.load();
  const found = await rebuildIndex(index, nameReader(context.configuration().resolver), startedMs);
  if (found.added + found.removed + found.unknown > 0)
    context.log.info('record.index-rebuilt', {
      added: found.added,
      removed: found.removed,
      unknown: found.unknown,
    });
}

/** What the path of a file tells; null for one that is none of ours. */
export function nameReader(resolver: Configuration['resolver']): ReadFileName {
  const templates = resolver.recordPaths();
  const hasTemplate = (app: string, stream: string, template: string) =>
    resolver.resolve('', app, stream).records.some((rule) => rule.path === template);
  return (path) => {
    const read = readFileName(path, templates, hasTemplate);
    return read === null ? null : { stream: `${read.app}/${read.stream}`, startMs: read.startMs };
  };
}

/** The rule that a file was recorded by may have another age by now; 0 = as the server's setting. */
function ageOf(context: ModuleContext, file: RecordedFile): number {
  const { app, name } = splitStreamText(file.stream);
  const { resolver } = context.configuration();
  const { records } = resolver.resolve('', app, name);
  const rule = records.find((one) => one.name === file.recording);
  return rule?.maxAgeMs ?? 0;
}

function uploadSettings(context: ModuleContext): UploadSettings | null {
  const { s3 } = context.configuration().server;
  return s3.endpoint === '' || s3.bucket === '' ? null : s3;
}

function addRoutes(context: ModuleContext, service: RecordService, uploader: Uploader): void {
  const api = new RecordApi(context, service, uploader);
  const rec = new RecRoutes(service);
  const checkApi = (request: HttpRequest) => {
    const isApi = request.path.startsWith('/api/') || request.path.startsWith('/control/');
    if (isApi && !context.configuration().server.api.enable)
      throw new RejectedError('denied', 'The API is switched off (api enable in config.xml).');
  };
  context.http.route({
    name: 'record-api',
    accepts: (method, path) => api.accepts(method, path),
    handle: async (request) => {
      checkApi(request);
      await api.handle(request);
    },
  });
  context.http.route({
    name: 'rec',
    accepts: (method, path, query) => rec.accepts(method, path, query),
    handle: async (request) => {
      checkApi(request);
      await rec.handle(request);
    },
  });
}
