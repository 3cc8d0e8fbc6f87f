/**
 * HLS over HTTP (RFC 8216, MPEG-TS segments): `/app/stream.m3u8` and the segments that it names. The packager of a
 * stream starts with the first request and stops some time after the last; playlists wait for the first segment.
 * Viewers are counted by a query parameter, without cookies: the address answers with a master playlist.
 */
import type { StreamKey } from '../../media/stream-key.ts';
import { type HttpRequest, sendText } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { HlsStream } from './hls-stream.ts';
import { HlsViewers } from './hls-viewers.ts';

const PLAYLIST_SUFFIX = '.m3u8';
const SEGMENT_SUFFIX = '.ts';
const SESSION_PARAMETER = 'hls_ctx';
/** `/live/cam-12.ts`: the segment's number follows the last hyphen. */
const SEGMENT_NAME = /^(.*)-(\d{1,15})$/;

export class HlsServer {
  private readonly context: ModuleContext;
  private readonly streams = new Map<string, HlsStream>();
  private readonly viewers: HlsViewers;

  constructor(context: ModuleContext) {
    this.context = context;
    this.viewers = new HlsViewers(context);
  }

  accepts(method: string, path: string): boolean {
    if (method !== 'GET' && method !== 'HEAD') return false;
    if (path.startsWith('/vod/') || path.startsWith('/rec/') || path.startsWith('/docs/')) return false;
    return (
      path.endsWith(PLAYLIST_SUFFIX) ||
      (path.endsWith(SEGMENT_SUFFIX) && SEGMENT_NAME.test(path.slice(0, -SEGMENT_SUFFIX.length)))
    );
  }

  async handle(request: HttpRequest): Promise<void> {
    if (request.path.endsWith(PLAYLIST_SUFFIX)) await this.playlist(request);
    else this.segment(request);
  }

  private async playlist(request: HttpRequest): Promise<void> {
    const { app, stream } = splitStreamPath(request.path, PLAYLIST_SUFFIX);
    const sessionId = request.query.get(SESSION_PARAMETER);
    const known = sessionId === null ? undefined : this.viewers.find(sessionId);
    const key = known?.key ?? (await this.admit(request, app, stream));
    if (known !== undefined && known.key.text !== `${app}/${stream}`) {
      throw new RejectedError('denied', 'This session belongs to another stream.');
    }
    const hls = this.open(key, request.host);
    // Players keep asking for the address that they were given. The first answer is a master playlist, whose one
    // variant carries the viewer's id, so that a viewer is counted once.
    const viewer = known ?? this.viewers.add(request, key);
    const query = `${SESSION_PARAMETER}=${viewer.id}`;
    const text = known === undefined ? await hls.master(query) : await hls.playlist(query);
    if (text === null) throw new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
    viewer.onRequest(text.length);
    request.response.writeHead(200, {
      'Content-Type': 'application/vnd.apple.mpegurl',
      'Cache-Control': 'no-cache',
      'Content-Length': Buffer.byteLength(text),
    });
    request.response.end(request.method === 'HEAD' ? undefined : text);
  }

  private async admit(request: HttpRequest, app: string, stream: string): Promise<StreamKey> {
    const key = await this.context.admission.check({
      action: 'play',
      protocol: 'hls',
      host: request.host,
      app,
      stream,
      query: request.rawQuery,
      remote: request.remote,
      sessionId: '',
    });
    if (!this.settings(key, request.host).enable) {
      throw new RejectedError('denied', `HLS is switched off for ${key.text} (hls enable in policy.xml).`);
    }
    return key;
  }

  /** Somebody publishes: streams whose policy says so are packaged from now on, viewers or not. */
  onPublish(key: StreamKey, host: string): void {
    const { hls } = this.context.configuration().resolver.resolve(host, key.app, key.name);
    if (hls.enable && hls.always) this.open(key, host);
  }

  private settings(key: StreamKey, host: string) {
    return this.context.configuration().resolver.resolve(host, key.app, key.name).hls;
  }

  private open(key: StreamKey, host: string): HlsStream {
    const existing = this.streams.get(key.text);
    if (existing !== undefined && !existing.isOver) return existing;
    // What ended for good is only kept for late segments; a new publisher begins a new list with higher numbers.
    const isBack =
      this.context.hub.find(key.text)?.state === 'live' || this.context.hub.onDemandStreams().has(key.text);
    if (existing !== undefined && !isBack) return existing;
    const created: HlsStream = new HlsStream(this.context, key, this.settings(key, host), () => {
      if (this.streams.get(key.text) === created) this.streams.delete(key.text);
    });
    existing?.close();
    this.streams.set(key.text, created);
    try {
      created.start();
    } catch (error) {
      this.streams.delete(key.text);
      throw error;
    }
    return created;
  }

  private segment(request: HttpRequest): void {
    const bare = request.path.slice(0, -SEGMENT_SUFFIX.length);
    const match = SEGMENT_NAME.exec(bare)!;
    const { app, stream } = splitStreamPath(match[1]!, '');
    const hls = this.streams.get(`${app}/${stream}`);
    const segment = hls?.segment(`${match[2]}${SEGMENT_SUFFIX}`);
    const { response } = request;
    if (segment === undefined) {
      sendText(response, 404, 'This segment is no longer, or not yet, there.');
      return;
    }
    const viewer = this.viewers.find(request.query.get(SESSION_PARAMETER) ?? '');
    viewer?.onRequest(segment.sizeBytes);
    response.writeHead(200, {
      'Content-Type': 'video/mp2t',
      'Cache-Control': 'public, max-age=3600, immutable',
      'Content-Length': segment.sizeBytes,
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    for (const part of segment.parts) response.write(part);
    response.end();
  }

  close(): void {
    for (const hls of [...this.streams.values()]) hls.close();
    this.viewers.close();
  }
}
