/**
 * HLS over HTTP (RFC 8216 and 8216bis): `/app/stream.m3u8`, the media playlists behind it, MPEG-TS segments and keys.
 * The segments of a stream are made from the first request on; playlists wait for the first one. The address answers
 * with a master playlist whose entries carry the viewer's id, so that a viewer is counted once and without cookies.
 */
import { type StreamKey, splitStreamText } from '../../media/stream-key.ts';
import { sendSegment } from '../../origin/segment-answer.ts';
import { type CmafStream, nobodyPublishes, type TsStream } from '../../origin/segment-origin.ts';
import type { SegmentViewer } from '../../origin/segment-viewers.ts';
import type { SegmentedStream } from '../../origin/segmented-stream.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { answerHttpAsker, HTTP_VIA_FIELD } from '../../runtime/stream-loop.ts';
import { RejectedError } from '../../util/errors.ts';
import { type Address, hlsAddress } from './hls-address.ts';
import { chooseFormat, tracksAsSent } from './hls-format.ts';
import { cmafMaster, tsMaster } from './hls-ladder.ts';
import { HlsList, type ListText } from './hls-list.ts';

const SESSION_PARAMETER = 'hls_ctx';
/** A list that is waited for is answered after this many target durations at the latest (RFC 8216bis 6.2.5.2). */
const BLOCK_TARGETS = 3;
/** A player may ask for a segment this far ahead; further ones are a mistake (RFC 8216bis 6.2.5.2). */
const MAX_AHEAD = 2;
const TYPE_PLAYLIST = 'application/vnd.apple.mpegurl';

export class HlsServer {
  private readonly context: ModuleContext;
  private readonly lists = new WeakMap<object, HlsList>();
  /** Of the path that was looked at last: between `accepts` and `handle` it is the same. */
  private lastPath = '';
  private lastAddress: Address | null = null;

  constructor(context: ModuleContext) {
    this.context = context;
  }

  accepts(method: string, path: string): boolean {
    return (method === 'GET' || method === 'HEAD') && this.addressOf(path) !== null;
  }

  private addressOf(path: string): Address | null {
    if (path !== this.lastPath) {
      this.lastAddress = hlsAddress(path);
      this.lastPath = path;
    }
    return this.lastAddress;
  }

  async handle(request: HttpRequest): Promise<void> {
    const address = this.addressOf(request.path)!; // accepts tested it
    switch (address.kind) {
      case 'segment':
        await this.tsSegment(request, address);
        break;
      case 'key':
        await this.key(request, address);
        break;
      case 'master':
        await this.master(request, this.withoutIndexName(address));
        break;
      default:
        await this.media(request, address);
    }
  }

  /** Somebody publishes: streams whose policy says so are cut from now on, viewers or not. */
  onPublish(key: StreamKey, host: string): void {
    const settings = this.context.segments.settings(key, host);
    if (!settings.enable || !settings.always) return;
    if (settings.format !== 'ts') this.context.segments.openCmaf(key, host);
    if (settings.format !== 'fmp4') this.context.segments.openTs(key, host);
  }

  /** `/live/cam/index.m3u8` means the stream live/cam, unless a stream is really called index. */
  private withoutIndexName(address: Address): Address {
    if (address.stream !== 'index' && address.stream !== 'hls') return address;
    const { app, name } = splitStreamText(address.app);
    if (app === '' || this.context.hub.find(`${address.app}/${address.stream}`) !== undefined) return address;
    // Its entries are relative to a folder that is one level deeper.
    return {
      ...address,
      app,
      stream: name,
      isNested: true,
    };
  }

  private async master(request: HttpRequest, address: Address): Promise<void> {
    const { app, stream } = address;
    const wanted = address.format === '' ? (request.query.get('format') ?? '') : address.format;
    const key = await this.admit(request, app, stream);
    const settings = this.context.segments.settings(key, request.host);
    const format = chooseFormat(
      wanted === '' ? settings.format : wanted,
      tracksAsSent(this.context.hub.find(key.text)),
    );
    // An address that a viewer already has an id in is a media playlist that some players ask for by this name.
    const known = this.viewerOf(request, key);
    if (known !== undefined && format === 'ts') {
      await this.sendMedia(request, this.openTs(key, request.host), null, known);
      return;
    }
    const viewer = known ?? this.context.segments.viewers.add(request, 'hls', key);
    const query = queryFor(request, viewer);
    let text: string;
    if (format === 'ts') {
      const hls = this.openTs(key, request.host);
      if (!(await hls.ready())) throw nobodyPublishes(key);
      text = tsMaster(hls, query);
    } else {
      const hls = this.context.segments.openCmaf(key, request.host);
      if (!(await hls.ready())) throw nobodyPublishes(key);
      text = cmafMaster([hls, ...(await this.ladder(key, request.host))], query);
    }
    if (address.isNested) text = text.replaceAll(/(^|URI=")(?=[^#\n"]+\.m3u8)/gm, '$1../');
    this.send(request, viewer, { bytes: Buffer.from(text), zipped: null, etag: '' });
  }

  /** The streams that policy puts beside this one, as far as they are live. */
  private async ladder(key: StreamKey, host: string): Promise<CmafStream[]> {
    const { resolver } = this.context.configuration();
    const names = resolver
      .resolve(host, key.app, key.name)
      .ladder.streams.split(/\s+/)
      .filter((name) => name !== '');
    const found: CmafStream[] = [];
    for (const name of names) {
      const text = `${key.text.slice(0, key.text.length - key.name.length)}${name}`;
      const state = this.context.hub.find(text)?.state;
      if (name === key.name || (state !== 'live' && state !== 'lingering')) continue;
      const other = this.context.segments.openCmaf({ ...key, name, text }, host);
      if (await other.ready()) found.push(other);
    }
    return found;
  }

  private openTs(key: StreamKey, host: string): TsStream {
    return this.context.segments.openTs(key, host);
  }

  private viewerOf(request: HttpRequest, key: StreamKey): SegmentViewer | undefined {
    const id = request.query.get(SESSION_PARAMETER);
    const viewer = id === null ? undefined : this.context.segments.viewers.find(id);
    if (viewer !== undefined && viewer.key.text !== key.text)
      throw new RejectedError('denied', 'This session belongs to another stream.');
    return viewer;
  }

  private async media(request: HttpRequest, { app, stream, track }: Address): Promise<void> {
    const text = `${app}/${stream}`;
    const id = request.query.get(SESSION_PARAMETER);
    const known = id === null ? undefined : this.context.segments.viewers.find(id);
    // Qualities of a ladder are other streams that the same viewer changes between.
    const key = known?.key.text === text ? known.key : await this.admit(request, app, stream);
    const viewer = known ?? this.context.segments.viewers.unnamed(request, 'hls', key);
    if (track === '') {
      await this.sendMedia(request, this.openTs(key, request.host), null, viewer);
      return;
    }
    await this.sendMedia(request, this.context.segments.openCmaf(key, request.host), track, viewer);
  }

  private async sendMedia(
    request: HttpRequest,
    stream: TsStream | CmafStream,
    trackName: string | null,
    viewer: SegmentViewer,
  ): Promise<void> {
    if (stream.isReady) stream.touch();
    else if (!(await stream.ready())) throw nobodyPublishes(stream.key);
    const list = this.listOf(stream, trackName);
    const { query } = request;
    const delay = Number(query.get('delay') ?? 0);
    if (delay > 0) {
      const text = list.delayed(delay * 1_000_000);
      if (text === null) throw new RejectedError('not-found', tooLate(stream));
      this.send(request, viewer, text);
      return;
    }
    const isLowLatency = list.isLowLatency;
    if (isLowLatency && query.has('_HLS_msn')) await this.block(stream, list, query);
    const text = list.text(isLowLatency && query.has('_HLS_skip'), isLowLatency);
    if (text === null) throw nobodyPublishes(stream.key);
    this.send(request, viewer, text);
  }

  /** Holds the request until the list has what it asks for. */
  private async block(stream: SegmentedStream, list: HlsList, query: URLSearchParams): Promise<void> {
    const sequence = Number(query.get('_HLS_msn'));
    const part = query.has('_HLS_part') ? Number(query.get('_HLS_part')) : -1;
    const { store } = list;
    if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(part) || sequence < 0)
      throw new RejectedError('bad-request', '_HLS_msn and _HLS_part are whole numbers.');
    if (sequence > store.lastSequence + MAX_AHEAD)
      throw new RejectedError(
        'bad-request',
        `The list ends at ${store.lastSequence}: ${sequence} is too far ahead.`,
      );
    // A part behind the last of its segment means the first of the next (RFC 8216bis 6.2.5.2).
    const isDone = () => list.has(sequence, part);
    await stream.until(isDone, BLOCK_TARGETS * store.targetDurationSeconds * 1000);
    if (!isDone() && !stream.isOver)
      throw new RejectedError('limit', 'The publisher has sent nothing for three target durations.');
  }

  private listOf(stream: TsStream | CmafStream, trackName: string | null): HlsList {
    const { packager } = stream;
    if (trackName === null || !('live' in packager)) {
      const { store } = packager.stores()[0]!; // ready: there is one
      return this.remember(store, () => new HlsList(stream, store, null, () => []));
    }
    const track = packager.find(trackName);
    if (track === undefined || !track.hasMedia)
      throw new RejectedError('not-found', `${stream.key.text} has no track ${trackName} now.`);
    const reports = () =>
      packager
        .live()
        .filter((other) => other !== track)
        .map((other) => this.listOf(stream, other.name).report(`${other.name}.m3u8`));
    return this.remember(track.store, () => new HlsList(stream, track.store, track, reports));
  }

  private remember(store: object, make: () => HlsList): HlsList {
    const known = this.lists.get(store);
    if (known !== undefined) return known;
    const made = make();
    this.lists.set(store, made);
    return made;
  }

  private send(request: HttpRequest, viewer: SegmentViewer, text: ListText): void {
    const { response, message } = request;
    const headers: Record<string, string | number> = {
      'Content-Type': TYPE_PLAYLIST,
      'Cache-Control': 'no-cache',
      Vary: 'Accept-Encoding',
    };
    if (text.etag !== '') headers['ETag'] = text.etag;
    if (text.etag !== '' && message.headers['if-none-match'] === text.etag) {
      this.context.segments.viewers.onList(request, viewer, 0);
      response.writeHead(304, headers);
      response.end();
      return;
    }
    const isZipped =
      text.zipped !== null && /\bgzip\b/.test(String(message.headers['accept-encoding'] ?? ''));
    const body = isZipped && text.zipped !== null ? text.zipped : text.bytes;
    if (isZipped) headers['Content-Encoding'] = 'gzip';
    headers['Content-Length'] = body.length;
    this.context.segments.viewers.onList(request, viewer, body.length);
    response.writeHead(200, headers);
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  private async admit(request: HttpRequest, app: string, stream: string): Promise<StreamKey> {
    const key = await this.context.segments.admit(request, 'hls', app, stream);
    if (!this.context.segments.settings(key, request.host).enable)
      throw new RejectedError('denied', `HLS is switched off for ${key.text} (hls enable in policy.xml).`);
    const via = answerHttpAsker(this.context, key, request);
    if (via !== '') request.response.setHeader(HTTP_VIA_FIELD, via);
    return key;
  }

  private async tsSegment(request: HttpRequest, { app, stream, number }: Address): Promise<void> {
    const hls = this.context.segments.findTs(`${app}/${stream}`);
    const segment = hls?.packager.store.find(number);
    if (hls === undefined || segment === undefined)
      throw new RejectedError('not-found', 'This segment is no longer, or not yet, there.');
    await sendSegment(this.context.segments, request, hls, segment, 'video/mp2t');
  }

  /** Keys are for who may play the stream. */
  private async key(request: HttpRequest, { app, stream, number }: Address): Promise<void> {
    const key = await this.admit(request, app, stream);
    const { segments } = this.context;
    const found =
      segments.findTs(key.text)?.keys?.find(number) ?? segments.findCmaf(key.text)?.keys?.find(number);
    if (found === undefined)
      throw new RejectedError('not-found', 'This key is no longer, or not yet, there.');
    request.response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Cache-Control': 'private, max-age=60',
      'Content-Length': found.length,
    });
    request.response.end(request.method === 'HEAD' ? undefined : found);
  }
}

function tooLate({ settings }: SegmentedStream): string {
  const seconds = Math.round(Math.max(settings.dvrMs, settings.durationMs * settings.cache) / 1000);
  return `So much of the past is not kept: ${seconds} s at most (hls dvr in policy.xml), and only since somebody watches.`;
}

/** What every list of this viewer is asked for with: its id, and what the person wrote behind the address. */
function queryFor(request: HttpRequest, viewer: SegmentViewer): string {
  const kept = new URLSearchParams();
  for (const [name, value] of request.query) {
    if (name !== 'format' && name !== SESSION_PARAMETER && !name.startsWith('_HLS_'))
      kept.append(name, value);
  }
  kept.append(SESSION_PARAMETER, viewer.id);
  return kept.toString();
}
