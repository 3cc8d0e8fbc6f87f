/** HLS viewers as sessions: made by the first playlist request, gone after two windows of silence. */
import type { LiveSession, SessionRole } from '../../access/session-registry.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { randomId } from '../../util/id.ts';
import type { Timeout } from '../../util/tick-wheel.ts';

const SWEEP_MS = 2000;
const MIN_SILENCE_MS = 10_000;
const MAX_VIEWERS = 100_000;
const ID_LENGTH = 12;

export class HlsViewer implements LiveSession {
  readonly id = randomId(ID_LENGTH);
  readonly protocol = 'hls';
  role: SessionRole = 'player';
  readonly remote: string;
  readonly sinceMs = Date.now();
  streamText: string;
  url: string;
  tcUrl = '';
  pageUrl: string;
  userAgent: string;
  readonly key: StreamKey;
  lastRequestMs = Date.now();
  private sent = 0;
  private readonly remove: (viewer: HlsViewer) => void;

  constructor(request: HttpRequest, key: StreamKey, remove: (viewer: HlsViewer) => void) {
    this.remote = request.remote;
    this.url = request.path;
    this.pageUrl = request.message.headers.referer ?? '';
    this.userAgent = request.message.headers['user-agent'] ?? '';
    this.key = key;
    this.streamText = key.text;
    this.remove = remove;
  }

  onRequest(bytes: number): void {
    this.lastRequestMs = Date.now();
    this.sent += bytes;
  }

  bytesIn(): number {
    return 0;
  }

  bytesOut(): number {
    return this.sent;
  }

  dropped(): number {
    return 0;
  }

  kick(): void {
    this.remove(this);
  }
}

export class HlsViewers {
  private readonly context: ModuleContext;
  private readonly viewers = new Map<string, HlsViewer>();
  private readonly sweeping: Timeout;

  constructor(context: ModuleContext) {
    this.context = context;
    this.sweeping = context.tick.every(SWEEP_MS, () => this.sweep());
  }

  add(request: HttpRequest, key: StreamKey): HlsViewer {
    const viewer = new HlsViewer(request, key, (gone) => this.drop(gone, 'it was ended'));
    if (this.viewers.size >= MAX_VIEWERS) return viewer;
    this.viewers.set(viewer.id, viewer);
    this.context.sessions.add(viewer);
    this.context.log
      .child(viewer.id)
      .info('hls.play-start', { stream: key.text, remote: viewer.remote, agent: viewer.userAgent });
    return viewer;
  }

  find(id: string): HlsViewer | undefined {
    return this.viewers.get(id);
  }

  private sweep(): void {
    const now = Date.now();
    for (const viewer of this.viewers.values()) {
      const { hls } = this.context
        .configuration()
        .resolver.resolve(viewer.key.vhost, viewer.key.app, viewer.key.name);
      const silenceMs = Math.max(MIN_SILENCE_MS, hls.durationMs * hls.count * 2);
      if (now - viewer.lastRequestMs > silenceMs) this.drop(viewer, 'no request any more');
    }
  }

  private drop(viewer: HlsViewer, reason: string): void {
    if (!this.viewers.delete(viewer.id)) return;
    this.context.sessions.remove(viewer);
    const seconds = Math.round((viewer.lastRequestMs - viewer.sinceMs) / 1000);
    this.context.log
      .child(viewer.id)
      .info('hls.play-stop', { stream: viewer.key.text, reason, seconds, bytes: viewer.bytesOut() });
  }

  close(): void {
    this.sweeping.cancel();
    for (const viewer of [...this.viewers.values()]) this.drop(viewer, 'The server is shutting down.');
  }
}
