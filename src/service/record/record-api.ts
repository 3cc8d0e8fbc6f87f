/**
 * /api/v1/recordings: what is recorded (GET by stream and time, in pages; DELETE), what runs (GET active), and starting
 * and stopping (POST start, stop). nginx-rtmp's /control/record/start and /control/record/stop are the same by GET.
 */
import { makeStreamKey, type StreamKey, streamKeyOf } from '../../media/stream-key.ts';
import type { RecordedFile, RecordedGap } from '../../recordings/recording-entry.ts';
import { checkApiControl, readApiBody, readApiObject } from '../../runtime/api-control.ts';
import { type HttpRequest, sendJson, sendText } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { isoTime } from './archive.ts';
import { makeRecordRule, type RecordRule, recordSection } from './record-config.ts';
import { addressOf } from './record-places.ts';
import type { RecordService } from './record-service.ts';
import type { Recorder } from './recorder.ts';
import type { Uploader } from './uploader.ts';
import { readInstant } from './window-query.ts';

const PATH = '/api/v1/recordings';
const CONTROL = '/control/record/';
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;
/** Files that one DELETE removes; the answer says how many are left. */
const MAX_DELETED = 1000;
const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];

type Values = ReadonlyMap<string, string>;

export class RecordApi {
  private readonly context: ModuleContext;
  private readonly service: RecordService;
  private readonly uploader: Uploader;

  constructor(context: ModuleContext, service: RecordService, uploader: Uploader) {
    this.context = context;
    this.service = service;
    this.uploader = uploader;
  }

  accepts(method: string, path: string): boolean {
    if (path.startsWith(CONTROL)) return method === 'GET' || method === 'HEAD' || method === 'POST';
    return METHODS.includes(method) && (path === PATH || path.startsWith(`${PATH}/`));
  }

  async handle(request: HttpRequest): Promise<void> {
    if (request.path.startsWith(CONTROL)) {
      this.control(request);
      return;
    }
    const { method } = request;
    const what = request.path.slice(PATH.length + 1);
    const isRead = method === 'GET' || method === 'HEAD';
    if (what === '' && isRead) this.send(request, await this.list(request.query));
    else if (what === '' && method === 'DELETE') this.send(request, await this.remove(request));
    else if (what === 'active' && isRead)
      this.send(request, { control: this.mayControl(request), ...this.active() });
    else if (what === 'start' && method === 'POST') this.send(request, await this.start(request));
    else if (what === 'stop' && method === 'POST') this.send(request, await this.stop(request));
    else {
      throw new RejectedError(
        'not-found',
        `There is no ${method} ${request.path}; there are GET and DELETE ${PATH}, GET ${PATH}/active, ` +
          `POST ${PATH}/start and POST ${PATH}/stop.`,
      );
    }
  }

  private send(request: HttpRequest, answer: object): void {
    const { serverId } = this.context;
    const envelope = { code: 0, server: `vid-${serverId}`, service: serverId, pid: String(process.pid) };
    sendJson(request.response, 200, { ...envelope, ...answer });
  }

  /** Streams with their totals when no stream is named, else its files and gaps in the range. */
  private async list(query: URLSearchParams): Promise<object> {
    const { index } = this.service;
    const start = readTime(query, 'start', 0);
    const end = readTime(query, 'end', Number.MAX_SAFE_INTEGER);
    const count = Math.min(readCount(query, 'count', DEFAULT_PAGE), MAX_PAGE);
    const page = readCount(query, 'page', 0);
    if (!query.has('stream')) {
      const all = index.streams().filter((one) => one.firstMs < end && one.lastMs >= start);
      const streams = all.slice(page * count, (page + 1) * count).map((one) => ({
        stream: one.stream,
        days: one.days,
        files: one.files,
        bytes: one.bytes,
        start: isoTime(one.firstMs),
        end: isoTime(one.lastMs),
      }));
      return { total: all.length, page, streams };
    }
    const stream = readKey(query).text;
    const { total, files } = await index.files(stream, start, end, page * count, count);
    const gaps = await index.gaps(stream, start, end);
    return {
      stream,
      total,
      page,
      recordings: files.map(fileView),
      gaps: gaps.slice(0, MAX_PAGE).map(gapView),
    };
  }

  /** `file=` removes one, `start=` and `end=` all that lie in the range as a whole. */
  private async remove(request: HttpRequest): Promise<object> {
    this.checkControl(request);
    const { index } = this.service;
    const { query } = request;
    const stream = readKey(query).text;
    const name = query.get('file');
    const files: RecordedFile[] = [];
    if (name !== null) {
      const file = await index.find(stream, name);
      if (file === null)
        throw new RejectedError(
          'not-found',
          `${stream} has no recording ${name}; GET ${PATH}?stream=${stream} lists them.`,
        );
      files.push(file);
    } else {
      if (!query.has('start') || !query.has('end')) {
        throw new RejectedError(
          'bad-request',
          'Say what is to be removed: file=<as listed>, or start= and end= as 2026-11-21T10:00:00Z.',
        );
      }
      const start = readTime(query, 'start', 0);
      const end = readTime(query, 'end', 0);
      const found = await index.files(stream, start, end);
      files.push(...found.files.filter((file) => file.startMs >= start && file.endMs <= end));
    }
    const kept: { file: string; reason: string }[] = [];
    let deleted = 0;
    let bytes = 0;
    for (const file of files.slice(0, MAX_DELETED)) {
      const reason = await index.remove(file);
      if (reason !== '') kept.push({ file: file.file, reason });
      else {
        deleted++;
        bytes += file.bytes;
        this.context.log.info('record.removed', { file: file.file, cause: 'api', remote: request.remote });
      }
    }
    return { deleted, bytes, kept, left: Math.max(0, files.length - MAX_DELETED) };
  }

  private active(): object {
    const waiting = this.service.waiting().map(({ stream, rule }) => ({
      stream,
      recording: rule.name,
      format: rule.format,
      plan: rule.plan,
      state: 'waiting',
    }));
    return {
      recordings: [...this.service.recorders().map(recorderView), ...waiting],
      upload: this.uploader.state(),
    };
  }

  private async start(request: HttpRequest): Promise<object> {
    this.checkControl(request);
    const values = await readValues(request);
    const key = keyOf(values.get('app'), values.get('stream'));
    const recorder = this.service.start(key, this.ruleFrom(key, values));
    return { recording: recorder === null ? { stream: key.text, state: 'waiting' } : recorderView(recorder) };
  }

  private async stop(request: HttpRequest): Promise<object> {
    this.checkControl(request);
    const values = await readValues(request);
    const key = keyOf(values.get('app'), values.get('stream'));
    const stopped = this.service.stop(key, values.get('name') ?? '');
    return {
      stopped: stopped.map(({ name, recorder }) =>
        recorder === null ? { stream: key.text, recording: name, state: 'waiting' } : recorderView(recorder),
      ),
    };
  }

  /** Settings of the policy's recording of that name, where there is one, with what the request says over them. */
  private ruleFrom(key: StreamKey, values: Values): RecordRule {
    const given: Record<string, unknown> = { enable: 'on' };
    const take = (field: keyof typeof recordSection.fields, name: string) => {
      const text = values.get(name);
      if (text === undefined) return;
      const result = recordSection.fields[field].safeParse(text);
      if (!result.success)
        throw new RejectedError(
          'bad-request',
          `${name}=${text} ${result.error.issues[0]?.message ?? 'is wrong'}.`,
        );
      given[field] = result.data;
    };
    take('name', 'name');
    take('format', 'format');
    take('plan', 'plan');
    take('durationMs', 'duration');
    take('path', 'path');
    take('maxAgeMs', 'max-age');
    take('waitKey', 'wait-key');
    take('upload', 'upload');
    const name = String(given['name'] ?? '') || String(given['format'] ?? '');
    const known = this.service.rulesOf(key, '').find((rule) => rule.name === name);
    return makeRecordRule({ ...known, ...given });
  }

  /** nginx-rtmp's: answers the file's path as text. */
  private control(request: HttpRequest): void {
    this.checkControl(request);
    const { query } = request;
    const what = request.path.slice(CONTROL.length);
    const key = keyOf(query.get('app') ?? undefined, query.get('name') ?? undefined);
    const rec = query.get('rec') ?? '';
    if (what === 'start') {
      const values = new Map(rec === '' ? [] : [['name', rec]]);
      const known = this.service.rulesOf(key, '').some((rule) => rule.name === rec);
      if (!known) values.set('format', 'flv').set('plan', 'session');
      const recorder = this.service.start(key, this.ruleFrom(key, values));
      sendText(request.response, 200, recorder === null ? '' : this.pathOf(recorder));
    } else if (what === 'stop') {
      const stopped = this.service.stop(key, rec);
      const paths = stopped.flatMap(({ recorder }) => (recorder === null ? [] : [this.pathOf(recorder)]));
      sendText(request.response, 200, paths.join('\n'));
    } else {
      throw new RejectedError(
        'not-found',
        `There is no ${request.path}; there are ${CONTROL}start and ${CONTROL}stop.`,
      );
    }
  }

  /** '' while it waits for a key frame. */
  private pathOf(recorder: Recorder): string {
    const { lastFile } = recorder;
    return lastFile === '' ? '' : this.service.index.pathOf(lastFile);
  }

  /** For pages, which offer no button that would be refused. */
  private mayControl(request: HttpRequest): boolean {
    try {
      this.checkControl(request);
      return true;
    } catch (error) {
      if (error instanceof RejectedError) return false;
      throw error;
    }
  }

  private checkControl(request: HttpRequest): void {
    checkApiControl(request, this.context.configuration().server.rec.control, 'rec');
  }
}

/** Of a JSON body or a form, and of the query, which counts less. */
async function readValues(request: HttpRequest): Promise<Values> {
  const values = new Map(request.query);
  const text = await readApiBody(request);
  const type = request.message.headers['content-type'] ?? '';
  if (type.startsWith('application/x-www-form-urlencoded') && !text.startsWith('{')) {
    for (const [name, value] of new URLSearchParams(text)) values.set(name, value);
    return values;
  }
  for (const [name, value] of readApiObject(text)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      values.set(name, String(value));
  }
  return values;
}

/** `stream` is `app/name`, or the name beside `app`. */
function readKey(query: URLSearchParams): StreamKey {
  return keyOf(query.get('app') ?? undefined, query.get('stream') ?? undefined);
}

function keyOf(app: string | undefined, name = ''): StreamKey {
  if (name === '')
    throw new RejectedError('bad-request', 'Which stream? Say stream=live/cam, or app=live and stream=cam.');
  if (app !== undefined && app !== '') return makeStreamKey(app, name);
  if (!name.includes('/'))
    throw new RejectedError(
      'bad-request',
      `Which application? Say stream=live/${name}, or app=live beside it.`,
    );
  return streamKeyOf(name);
}

function readTime(query: URLSearchParams, name: string, fallback: number): number {
  const ms = readInstant(query, name);
  return Number.isNaN(ms) ? fallback : ms;
}

function readCount(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (!/^\d{1,9}$/.test(text))
    throw new RejectedError('bad-request', `${name}=${text} is not a whole number.`);
  return Number(text);
}

function fileView(file: RecordedFile): object {
  return {
    file: file.file,
    url: addressOf(file.file),
    recording: file.recording,
    format: file.format,
    start: isoTime(file.startMs),
    end: isoTime(file.endMs),
    duration: Math.round(file.endMs - file.startMs) / 1000,
    bytes: file.bytes,
    tracks: file.tracks,
    open: file.open,
  };
}

function gapView(gap: RecordedGap): object {
  const { recording, cause, startMs, endMs } = gap;
  return { recording, start: isoTime(startMs), end: Number.isNaN(endMs) ? null : isoTime(endMs), cause };
}

function recorderView(recorder: Recorder): object {
  const { key, rule } = recorder.options;
  const file = recorder.fileName;
  return {
    id: recorder.id,
    stream: key.text,
    recording: rule.name,
    format: rule.format,
    plan: rule.plan,
    state: recorder.state,
    file,
    url: file === '' ? '' : addressOf(file),
    start: recorder.openSinceMs === 0 ? null : isoTime(recorder.openSinceMs),
    duration: Math.round(recorder.openDurationMs) / 1000,
    bytes: recorder.openBytes,
    backlog: recorder.backlogBytes,
    finished: { files: recorder.fileCount, bytes: recorder.finishedBytes },
    gap_count: recorder.gapCount,
    gaps: recorder.gaps.map(gapView),
    error: recorder.lastError,
    left_out: recorder.leftOut.map(({ track, reason }) => ({ track: track.id, kind: track.kind, reason })),
  };
}
