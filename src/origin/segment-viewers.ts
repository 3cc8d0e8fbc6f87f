/**
 * Viewers of lists (HLS, DASH) as sessions: made by the first request, told by a parameter of the lists' addresses,
 * gone after two windows of silence. Segments carry no parameter, so that caches on the way can share them: their
 * bytes are counted for the viewer that asked for a list on the same connection.
 */
import type { LiveSession, SessionRole } from '../access/session-registry.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { HttpRequest } from '../runtime/http-listener.ts';
import { randomId } from '../util/id.ts';
import type { Timeout } from '../util/tick-wheel.ts';
import type { OriginContext } from './segment-origin.ts';

const SWEEP_MS = 2000;
const MIN_SILENCE_MS = 10_000;
const MAX_VIEWERS = 100_000;
const ID_LENGTH = 12;

export class SegmentViewer implements LiveSession {
  readonly id = randomId(ID_LENGTH);
  readonly protocol: string;
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
  /** What it is told by when its address carries no id. */
  mark = '';
  private sent = 0;
  private readonly remove: (viewer: SegmentViewer) => void;

  constructor(
    request: HttpRequest,
    protocol: string,
    key: StreamKey,
    remove: (viewer: SegmentViewer) => void,
  ) {
    this.protocol = protocol;
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

export class SegmentViewers {
  private readonly context: OriginContext;
  private readonly viewers = new Map<string, SegmentViewer>();
  private readonly unnamedIds = new Map<string, string>();
  private readonly ofConnection = new WeakMap<object, SegmentViewer>();
  private readonly sweeping: Timeout;

  constructor(context: OriginContext) {
    this.context = context;
    this.sweeping = context.tick.every(SWEEP_MS, () => this.sweep());
  }

  add(request: HttpRequest, protocol: string, key: StreamKey): SegmentViewer {
    const viewer = new SegmentViewer(request, protocol, key, (gone) => this.drop(gone, 'it was ended'));
    if (this.viewers.size >= MAX_VIEWERS) return viewer;
    this.viewers.set(viewer.id, viewer);
    this.context.sessions.add(viewer);
    this.context.log.child(viewer.id).info(`${viewer.protocol}.play-start`, {
      stream: key.text,
      remote: viewer.remote,
      agent: viewer.userAgent,
    });
    return viewer;
  }

  find(id: string): SegmentViewer | undefined {
    return this.viewers.get(id);
  }

  /** A viewer whose address carries no id: the same program at the same place is the same viewer. */
  unnamed(request: HttpRequest, protocol: string, key: StreamKey): SegmentViewer {
    const place = request.remote.slice(0, request.remote.lastIndexOf(':'));
    const mark = `${protocol} ${key.text} ${place} ${request.message.headers['user-agent'] ?? ''}`;
    const known = this.viewers.get(this.unnamedIds.get(mark) ?? '');
    if (known !== undefined) return known;
    const viewer = this.add(request, protocol, key);
    viewer.mark = mark;
    if (this.viewers.has(viewer.id)) this.unnamedIds.set(mark, viewer.id);
    return viewer;
  }

  /** A list was sent to this viewer. */
  onList(request: HttpRequest, viewer: SegmentViewer, bytes: number): void {
    viewer.onRequest(bytes);
    this.ofConnection.set(connectionOf(request), viewer);
  }

  /** A segment was sent. */
  onSegment(request: HttpRequest, bytes: number): void {
    this.ofConnection.get(connectionOf(request))?.onRequest(bytes);
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

  private drop(viewer: SegmentViewer, reason: string): void {
    if (!this.viewers.delete(viewer.id)) return;
    if (viewer.mark !== '') this.unnamedIds.delete(viewer.mark);
    this.context.sessions.remove(viewer);
    const seconds = Math.round((viewer.lastRequestMs - viewer.sinceMs) / 1000);
    this.context.log.child(viewer.id).info(`${viewer.protocol}.play-stop`, {
      stream: viewer.key.text,
      reason,
      seconds,
      bytes: viewer.bytesOut(),
    });
  }

  close(): void {
    this.sweeping.cancel();
    for (const viewer of [...this.viewers.values()]) this.drop(viewer, 'The server is shutting down.');
  }
}

/** All requests of an HTTP/2 session share it. */
function connectionOf({ message }: HttpRequest): object {
  const { stream } = message as { stream?: { session?: object } };
  return stream?.session ?? message.socket;
}
