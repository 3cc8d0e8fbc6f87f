/**
 * /api/v1/pulls: what is pulled (GET, all or one by id or stream), adding (POST) and stopping (DELETE). What is added here
 * lives until the server ends; for good it belongs into policy.xml.
 */

import { channelSection } from '../../config/stream-source-section.ts';
import { streamKeyOf } from '../../media/stream-key.ts';
import { checkApiControl, readApiValues } from '../../runtime/api-control.ts';
import { type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { shownUrl } from '../../util/shown-url.ts';
import type { PullChannel } from './pull-channel.ts';
import { PULL_URL, type PullRule, type PullSource, pullSection, sortSources } from './pull-config.ts';
import type { PullService } from './pull-service.ts';

const PATH = '/api/v1/pulls';
const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];
const MAX_URLS = 16;

type Values = ReadonlyMap<string, unknown>;

export class PullApi {
  private readonly context: ModuleContext;
  private readonly service: PullService;

  constructor(context: ModuleContext, service: PullService) {
    this.context = context;
    this.service = service;
  }

  accepts(method: string, path: string): boolean {
    return METHODS.includes(method) && (path === PATH || path.startsWith(`${PATH}/`));
  }

  async handle(request: HttpRequest): Promise<void> {
    const { enable, control } = this.context.configuration().server.api;
    if (!enable) throw new RejectedError('denied', 'The API is switched off (api enable in config.xml).');
    const { method } = request;
    const id = request.path.slice(PATH.length + 1);
    if (method === 'GET' || method === 'HEAD') {
      this.send(request, id === '' ? this.list() : { pull: this.view(this.find(id)) });
      return;
    }
    checkApiControl(request, control);
    const values = await readApiValues(request);
    if (method === 'POST') {
      if (id !== '')
        throw new RejectedError('not-found', `There is no POST ${request.path}; POST ${PATH} adds.`);
      this.send(request, { pull: this.view(this.service.addByApi(this.ruleFrom(values))) });
      return;
    }
    const which = id === '' ? String(values.get('id') ?? values.get('stream') ?? '') : id;
    if (which === '')
      throw new RejectedError('bad-request', `Which pull? Say DELETE ${PATH}/ID, or stream=live/cam.`);
    const channel = this.find(which);
    if (channel.origin.by === 'policy') {
      throw new RejectedError(
        'denied',
        `This pull stands in the policy (${channel.origin.rule.where}); take it out there and reload.`,
      );
    }
    this.service.remove(channel, 'it was stopped by the API');
    this.send(request, { pull: this.view(channel) });
  }

  private send(request: HttpRequest, answer: object): void {
    const { serverId } = this.context;
    const envelope = { code: 0, server: `vid-${serverId}`, service: serverId, pid: String(process.pid) };
    sendJson(request.response, 200, { ...envelope, ...answer });
  }

  private list(): object {
    const pulls = this.service.all().map((channel) => this.view(channel));
    return { total: pulls.length, pulls };
  }

  private find(id: string): PullChannel {
    const channel = this.service.findById(id);
    if (channel === undefined)
      throw new RejectedError('not-found', `There is no pull ${id}; GET ${PATH} lists them.`);
    return channel;
  }

  private view(channel: PullChannel): object {
    const { origin, run } = channel;
    const nowUs = this.context.clock.nowUs();
    const isLive = channel.state === 'live';
    return {
      id: channel.id,
      stream: origin.key.text,
      state: channel.state,
      on_demand: origin.rule.onDemand,
      by: origin.by,
      where: origin.by === 'policy' ? origin.rule.where : '',
      source: isLive ? (run?.shown ?? '') : '',
      since: isLive && run !== null ? new Date(run.liveSinceMs).toISOString() : null,
      attempts: channel.attempts,
      next_attempt_ms:
        channel.state === 'retrying' ? Math.max(0, Math.round((channel.nextAttemptUs - nowUs) / 1000)) : null,
      error: channel.lastError,
      recv_bytes: channel.bytesReceived,
      details: (isLive && run?.details()) || {},
      sources: origin.urls.map((url, place) => ({
        url: shownUrl(url),
        priority: origin.rule.sources[place]!.priority, // as many as there are URLs
        state: this.stateOf(channel, place),
        error: channel.errors[place],
      })),
    };
  }

  private stateOf(channel: PullChannel, place: number): string {
    if (channel.run?.options.place === place) return channel.state === 'live' ? 'live' : 'connecting';
    if (channel.standby?.options.place === place)
      return channel.standby.liveSinceMs > 0 ? 'standby' : 'connecting';
    return 'idle';
  }

  private ruleFrom(values: Values): PullRule {
    const stream = String(values.get('stream') ?? '');
    if (stream.includes('*'))
      throw new RejectedError('bad-request', 'A pull of the API needs a stream without *.');
    const key = streamKeyOf(stream);
    const { resolver } = this.context.configuration();
    if (!resolver.isAppAllowed('', key.app))
      throw new RejectedError(
        'denied',
        `The application "${key.app}" is not allowed: ${resolver.allowHint(key.app)}.`,
      );
    const sources = urlsOf(values).map((url, place) => sourceFrom(url, place, values));
    const own = channelSection.schema.parse(
      pick(
        values,
        { on_demand: 'onDemand', start_timeout: 'startTimeoutMs', close_after: 'closeAfterMs' },
        channelSection,
      ),
    );
    return Object.freeze({
      stream: key.text,
      sources: sortSources(sources),
      onDemand: own.onDemand,
      startMs: own.startTimeoutMs,
      closeMs: own.closeAfterMs,
      retryMs: own.retryMs,
      retryMaxMs: own.retryMaxMs,
      where: 'api',
    });
  }
}

/** `url`, or `urls` with the preferred one first. */
function urlsOf(values: Values): string[] {
  const given = values.get('urls') ?? values.get('url');
  const urls = (Array.isArray(given) ? given : [given]).filter(
    (one) => typeof one === 'string' && one !== '',
  );
  if (urls.length === 0)
    throw new RejectedError(
      'bad-request',
      'Where from? Say {"stream":"live/cam","url":"rtsp://192.0.2.20/main"}; several stand in "urls".',
    );
  if (urls.length > MAX_URLS) throw new RejectedError('bad-request', `More than ${MAX_URLS} URLs.`);
  return urls as string[];
}

function sourceFrom(url: string, place: number, values: Values): PullSource {
  if (!PULL_URL.test(url))
    throw new RejectedError('bad-request', `"${shownUrl(url)}" is no URL that can be pulled.`);
  const texts = pick(
    values,
    { transport: 'transport', verify: 'verify', connect: 'connectMs', silence: 'silenceMs' },
    pullSection,
  );
  const source = pullSection.schema.parse(texts) as PullSource;
  return Object.freeze({ ...source, url, priority: place });
}

interface FieldsOf {
  readonly fields: Readonly<
    Record<
      string,
      { safeParse(text: string): { success: boolean; error?: { issues: { message: string }[] } | undefined } }
    >
  >;
}

/** Values by the names of settings, each checked by itself so that a refusal names it. */
function pick(
  values: Values,
  names: Readonly<Record<string, string>>,
  { fields }: FieldsOf,
): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, key] of Object.entries(names)) {
    const value = values.get(name);
    if (value === undefined || value === null) continue;
    const text = String(value);
    const result = fields[key]!.safeParse(text); // keys are those of the section
    if (!result.success)
      throw new RejectedError(
        'bad-request',
        `${name}=${text} ${result.error?.issues[0]?.message ?? 'is wrong'}.`,
      );
    texts[key] = text;
  }
  return texts;
}
