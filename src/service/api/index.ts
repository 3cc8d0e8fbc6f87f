/**
 * The HTTP API that scripts and the built-in pages read: SRS's /api/v1 shapes with our own fields added, and
 * smart_rtmpd's /api/live and /api/status. Of what changes something, only switching between publishers is here.
 */
import { checkApiControl, readApiValues } from '../../runtime/api-control.ts';
import { type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { SmartRtmpdApi } from './smart-rtmpd-api.ts';
import { StreamView } from './stream-view.ts';
import { SummaryView } from './summary-view.ts';

export const apiModule: ServerModule = { name: 'api', start };

const MAX_PAGE = 1000;
const DEFAULT_PAGE = 10;
/** Rates are right also when nobody asked for a while. */
const SAMPLE_MS = 3000;

/** Parts of this API that other services answer. */
const ELSEWHERE = ['recordings', 'pulls'];
/** POST {stream, publisher}: the publisher takes over at its next key frame; '' = by preference again. */
const SWITCH_PATH = '/api/v1/streams/switch';

type Handler = (request: HttpRequest, id: string) => unknown;

async function start(context: ModuleContext): Promise<RunningModule> {
  const isEnabled = () => context.configuration().server.api.enable;
  const streams = new StreamView(context);
  const summaries = new SummaryView(context);
  const smart = new SmartRtmpdApi(context, streams);
  const timer = context.tick.every(SAMPLE_MS, () => {
    streams.sampleRates();
    summaries.sample();
  });
  const handlers: Readonly<Record<string, Handler>> = {
    server: (request) => ({ data: summaries.server(request) }),
    versions: () => ({ data: summaries.versions() }),
    summaries: () => ({ data: summaries.summaries() }),
    streams: (request, id) =>
      id === '' ? page(request, 'streams', streams.list(request)) : { stream: streams.one(request, id) },
    clients: (request, id) =>
      id === '' ? page(request, 'clients', streams.clients()) : { client: streams.client(id) },
    vhosts: (request) => page(request, 'vhosts', streams.vhosts()),
  };
  const envelope = {
    code: 0,
    server: `vid-${context.serverId}`,
    service: context.serverId,
    pid: String(process.pid),
  };
  context.http.route({
    name: 'api',
    accepts: (method, path) =>
      (method === 'GET' || method === 'HEAD') && (path === '/api' || path.startsWith('/api/')),
    handle: (request) => {
      if (!isEnabled())
        throw new RejectedError('denied', 'The API is switched off (api enable in config.xml).');
      const parts = request.path.split('/').filter((part) => part !== '');
      const answer = parts[1] === 'v1' ? v1(handlers, request, parts) : smart.answer(request, parts);
      if (typeof answer === 'string') sendPlain(request, answer);
      else if (parts[1] === 'v1') sendJson(request.response, 200, { ...envelope, ...(answer as object) });
      else sendJson(request.response, 200, answer);
    },
  });
  context.http.route({
    name: 'api-switch',
    accepts: (method, path) => method === 'POST' && path === SWITCH_PATH,
    handle: async (request) => {
      const stream = await switchPublisher(context, request);
      sendJson(request.response, 200, { ...envelope, stream: streams.one(request, stream) });
    },
  });
  return {
    reload: () => [],
    stop: async () => timer.cancel(),
  };
}

/** Resolves with the name of the stream. */
async function switchPublisher(context: ModuleContext, request: HttpRequest): Promise<string> {
  const { enable, control } = context.configuration().server.api;
  if (!enable) throw new RejectedError('denied', 'The API is switched off (api enable in config.xml).');
  checkApiControl(request, control);
  const values = await readApiValues(request);
  const name = String(values.get('stream') ?? '');
  const publisher = String(values.get('publisher') ?? '');
  const stream = context.hub.find(name);
  if (stream === undefined)
    throw new RejectedError('not-found', `There is no stream ${name} now; say stream=live/cam.`);
  if (!context.hub.choosePublisher(stream, publisher)) {
    const all = context.hub.publishersOf(stream).map(({ owner }) => owner.id);
    throw new RejectedError(
      'not-found',
      `${name} has no publisher ${publisher}; it has ${all.join(', ') || 'none'}.`,
    );
  }
  context.log.info('publisher.chosen', { stream: name, publisher: publisher || 'by preference' });
  return name;
}

function v1(
  handlers: Readonly<Record<string, Handler>>,
  request: HttpRequest,
  parts: readonly string[],
): unknown {
  const name = parts[2] ?? '';
  if (name === '')
    return {
      urls: Object.fromEntries(
        [...Object.keys(handlers), ...ELSEWHERE].map((key) => [key, `/api/v1/${key}`]),
      ),
    };
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler === undefined)
    throw new RejectedError('not-found', `The API has no ${request.path}; GET /api/v1 lists what it has.`);
  return handler(request, parts[3] ?? '');
}

function page(request: HttpRequest, name: string, all: readonly unknown[]): Record<string, unknown> {
  const start = readNumber(request, 'start', 0);
  const count = Math.min(readNumber(request, 'count', DEFAULT_PAGE), MAX_PAGE);
  return { total: all.length, [name]: all.slice(start, start + count) };
}

function readNumber(request: HttpRequest, name: string, fallback: number): number {
  const text = request.query.get(name);
  if (text === null) return fallback;
  if (!/^\d{1,9}$/.test(text))
    throw new RejectedError('bad-request', `${name}=${text} is not a whole number.`);
  return Number(text);
}

function sendPlain(request: HttpRequest, text: string): void {
  request.response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  });
  request.response.end(text);
}
