/**
 * DASH over the shared HTTP server: manifests, and the clock that they name. The first answer tells the viewer's id in
 * `Location`; from then on all viewers get the same bytes. Players that do not follow it (FFmpeg) are known by where
 * they come from.
 */
import { type StreamKey, splitStreamText } from '../../media/stream-key.ts';
import { type CmafStream, nobodyPublishes } from '../../origin/segment-origin.ts';
import type { SegmentViewer } from '../../origin/segment-viewers.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { type DashAddress, dashAddress } from './dash-address.ts';
import { DashPresentation } from './dash-presentation.ts';

const SESSION_PARAMETER = 'dash_ctx';
const TIME_PATH = '/time';
/** A track that has sent nothing for this many target durations is left out. */
const FIRST_TARGETS = 2;
const TYPE_MANIFEST = 'application/dash+xml';
/** Programs in a browser, which keep to `Location`. */
const BROWSER = /^Mozilla\//;

export class DashServer {
  private readonly context: ModuleContext;
  private readonly presentations = new WeakMap<CmafStream, DashPresentation>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  accepts(method: string, path: string): boolean {
    return (method === 'GET' || method === 'HEAD') && (path === TIME_PATH || dashAddress(path) !== null);
  }

  async handle(request: HttpRequest): Promise<void> {
    if (request.path === TIME_PATH) this.time(request);
    else await this.manifest(request, dashAddress(request.path)!); // accepts tested it
  }

  /** xs:dateTime, for players whose clock is wrong. */
  private time({ response, method }: HttpRequest): void {
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
    const text = new Date(this.context.clock.wallUs() / 1000).toISOString();
    response.end(method === 'HEAD' ? undefined : text);
  }

  private async manifest(request: HttpRequest, address: DashAddress): Promise<void> {
    const isNested = this.isNested(address);
    const { isLowLatency } = address;
    const { app, name } = isNested
      ? splitStreamText(address.app)
      : { app: address.app, name: address.stream };
    const { viewers } = this.context.segments;
    const id = request.query.get(SESSION_PARAMETER);
    const known = id === null ? undefined : viewers.find(id);
    const isKnown = known?.key.app === app && known.key.name === name;
    const key = known !== undefined && isKnown ? known.key : await this.admit(request, app, name);
    const stream = this.context.segments.openCmaf(key, request.host);
    if (!(await stream.ready())) throw nobodyPublishes(key);
    const presentation = this.presentationOf(stream);
    const { durationMs } = stream.settings;
    await stream.until(() => presentation.isReady(isLowLatency), durationMs * FIRST_TARGETS);
    const base = `${isNested ? '../' : ''}${encodeURIComponent(key.name)}.cmaf/`;
    if (known !== undefined && isKnown) {
      this.sendShared(request, known, presentation, isLowLatency, base);
      return;
    }
    const viewer = BROWSER.test(request.message.headers['user-agent'] ?? '')
      ? viewers.add(request, 'dash', key)
      : viewers.unnamed(request, 'dash', key);
    const text = presentation.first(isLowLatency, base, locationFor(request, viewer));
    if (text === null) throw nobodyPublishes(key);
    const bytes = Buffer.from(text);
    viewers.onList(request, viewer, bytes.length);
    request.response.writeHead(200, {
      'Content-Type': TYPE_MANIFEST,
      'Cache-Control': 'no-store',
      'Content-Length': bytes.length,
    });
    request.response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  /** `/live/cam/index.mpd` means the stream live/cam, unless a stream is really called index. */
  private isNested({ app, stream }: DashAddress): boolean {
    if (stream !== 'index' && stream !== 'manifest') return false;
    return app.includes('/') && this.context.hub.find(`${app}/${stream}`) === undefined;
  }

  private async admit(request: HttpRequest, app: string, name: string): Promise<StreamKey> {
    const key = await this.context.segments.admit(request, 'dash', app, name);
    const { dash, hls } = this.context.configuration().resolver.resolve(request.host, key.app, key.name);
    if (!dash.enable)
      throw new RejectedError('denied', `DASH is switched off for ${key.text} (dash enable in policy.xml).`);
    if (hls.key !== 'off')
      throw new RejectedError(
        'unsupported',
        `The segments of ${key.text} are encrypted as only HLS knows it (hls key in policy.xml), so there is no DASH.`,
      );
    return key;
  }

  private presentationOf(stream: CmafStream): DashPresentation {
    const known = this.presentations.get(stream);
    if (known !== undefined) return known;
    const made = new DashPresentation(stream, () => this.context.clock.wallUs());
    this.presentations.set(stream, made);
    return made;
  }

  private sendShared(
    request: HttpRequest,
    viewer: SegmentViewer,
    presentation: DashPresentation,
    isLowLatency: boolean,
    base: string,
  ): void {
    const { response, message } = request;
    const text = presentation.shared(isLowLatency, base);
    if (text === null) throw nobodyPublishes(viewer.key);
    const headers: Record<string, string | number> = {
      'Content-Type': TYPE_MANIFEST,
      'Cache-Control': 'no-cache',
      Vary: 'Accept-Encoding',
      ETag: text.etag,
    };
    const { viewers } = this.context.segments;
    if (message.headers['if-none-match'] === text.etag) {
      viewers.onList(request, viewer, 0);
      response.writeHead(304, headers);
      response.end();
      return;
    }
    const isZipped = /\bgzip\b/.test(String(message.headers['accept-encoding'] ?? ''));
    const body = isZipped ? text.zipped : text.bytes;
    if (isZipped) headers['Content-Encoding'] = 'gzip';
    headers['Content-Length'] = body.length;
    viewers.onList(request, viewer, body.length);
    response.writeHead(200, headers);
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

/** The same file with the viewer's id, and what the person wrote behind the address. */
function locationFor(request: HttpRequest, viewer: SegmentViewer): string {
  const kept = new URLSearchParams(request.query);
  kept.set(SESSION_PARAMETER, viewer.id);
  const file = request.path.slice(request.path.lastIndexOf('/') + 1);
  return `${encodeURIComponent(file)}?${kept.toString()}`;
}
