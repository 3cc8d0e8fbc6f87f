/**
 * A stand-in for the server, for tests of the pages in a browser: html/ with the real policy header, the two player
 * libraries, an API whose answers the test sets, and the demo clip as HTTP-FLV and WS-FLV in real time.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { WebSocketServer } from 'ws';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self' ws: wss: http: https:; " +
  "worker-src 'self' blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'";
const VENDOR: Readonly<Record<string, string>> = {
  '/vendor/mpegts.js': 'node_modules/mpegts.js/dist/mpegts.js',
  '/vendor/hls.min.js': 'node_modules/hls.js/dist/hls.min.js',
  '/vendor/dash.mediaplayer.min.js': 'node_modules/dashjs/dist/modern/umd/dash.mediaplayer.min.js',
};
/** Of 2026-01-02. */
const DAY = '2026-01-02';
const LOOP_MS = 20_000;
const FLV_HEADER_BYTES = 13;
const TAG_EXTRA_BYTES = 15;
/** Sent at once, so that a picture is there without waiting. */
const LEAD_MS = 1000;

export interface SiteStream {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly state: string;
  readonly [field: string]: unknown;
}

/** A stream as the API describes it; `changes` replace fields. */
export function siteStream(name: string, changes: Readonly<Record<string, unknown>> = {}): SiteStream {
  const none = { language: '', left_out: {} };
  return {
    id: `vid-${Buffer.from(name).toString('hex')}`,
    name,
    app: 'live',
    url: `/live/${name}`,
    live_ms: 1_700_000_000_000,
    clients: 1,
    kbps: { recv_30s: 190, send_30s: 190 },
    state: 'live',
    source: { protocol: 'rtmp', remote: '10.0.0.9:40000' },
    on_demand: false,
    tracks: [
      {
        ...none,
        id: 0,
        kind: 'video',
        codec: 'h264',
        label: 'H.264',
        mime: 'avc1.64001f',
        width: 1280,
        height: 720,
        fps: 25,
      },
      {
        ...none,
        id: 1,
        kind: 'audio',
        codec: 'aac',
        label: 'AAC',
        mime: 'mp4a.40.2',
        sample_rate: 48_000,
        channels: 2,
      },
    ],
    urls: [
      { type: 'rtmp', url: `rtmp://203.0.113.7/live/${name}` },
      { type: 'http-flv', url: `http://203.0.113.7:8080/live/${name}.flv` },
      { type: 'ws-flv', url: `ws://203.0.113.7:8080/live/${name}.flv` },
      { type: 'http-hls', url: `http://203.0.113.7:8080/live/${name}.m3u8` },
    ],
    ...changes,
  };
}

export class PagesSite {
  streams: SiteStream[] = [];
  /** What is recorded now, `app/name`; null = the server has no recordings and no files. */
  recording: Set<string> | null = null;
  /** Whether the pages may start, stop and delete. */
  control: boolean = true;
  /** Names of recorded files of live/cam. */
  recorded: string[] = [];
  private readonly server: Server;
  private readonly sockets: WebSocketServer;
  private readonly feeds = new Set<() => void>();
  private readonly clip = readFileSync(join(process.cwd(), 'build/demo-clip.flv'));

  constructor() {
    this.server = createServer((request, response) => this.answer(request, response));
    this.sockets = new WebSocketServer({ server: this.server });
    this.sockets.on('connection', (socket) => {
      const stop = this.feed(
        (bytes) => socket.send(bytes),
        () => socket.close(),
      );
      socket.on('close', stop);
    });
  }

  /** The origin of the site. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.endStreams();
    this.sockets.close();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** Ends every playing connection, as the server does when a stream is over. */
  endStreams(): void {
    for (const end of this.feeds) end();
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname);
    if (path.startsWith('/api/')) void this.answerApi(path, request, response);
    else if (path.endsWith('.flv')) this.answerFlv(path, response);
    else this.answerFile(path, response);
  }

  private async answerApi(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET') {
      await this.change(path, request, response);
      return;
    }
    const publish = [{ type: 'rtmp', url: 'rtmp://203.0.113.7/live', port: 1935 }];
    const facts = {
      name: 'Sluice',
      version: '0.0.0',
      started: '2026-01-01T00:00:00Z',
      uptime_s: 60,
      host: '203.0.113.7',
    };
    const found = this.streams.find((stream) => path === `/api/v1/streams/${stream.id}`);
    const answers: Record<string, unknown> = {
      '/api/v1/server': { code: 0, data: { ...facts, publish, apps: ['live', 'rec'], demo: 'live/demo' } },
      '/api/v1/streams': { code: 0, total: this.streams.length, streams: this.streams },
    };
    Object.assign(answers, this.archiveAnswers(new URL(request.url ?? '/', 'http://site').searchParams));
    const answer = answers[path] ?? (found === undefined ? undefined : { code: 0, stream: found });
    response.writeHead(answer === undefined ? 404 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(answer ?? { code: 404 }));
  }

  private archiveAnswers(query: URLSearchParams): Record<string, unknown> {
    if (this.recording === null) return {};
    const files = this.recorded.map((file, index) => ({
      file,
      url: `/rec/live/cam/${DAY}/${file}`,
      recording: 'fmp4',
      format: 'fmp4',
      start: `${DAY}T10:0${index}:00.000Z`,
      end: `${DAY}T10:0${index}:30.000Z`,
      duration: 30,
      bytes: 1_500_000,
      tracks: [{ kind: 'video', codec: 'h264', height: 720 }],
      open: false,
    }));
    const total = files.length;
    const summary = { stream: 'live/cam', days: 1, files: total, bytes: 3e6, end: `${DAY}T10:05:00.000Z` };
    return {
      '/api/v1/recordings': query.has('stream')
        ? { code: 0, total, recordings: files, gaps: [] }
        : { code: 0, total: 1, streams: total === 0 ? [] : [summary] },
      '/api/v1/recordings/active': {
        code: 0,
        control: this.control,
        recordings: [...this.recording].map((stream) => ({ stream, state: 'recording', error: '' })),
      },
      '/api/rec/live/cam': { dirs: total === 0 ? [] : [DAY] },
      '/api/vod': { dirs: [{ name: 'films' }], files: [] },
      '/api/vod/films': {
        dirs: [],
        files: [{ name: '大 & <b>.mp4', size: 2_500_000, mtime: `${DAY}T00:00:00.000Z` }],
      },
    };
  }

  /** Starting, stopping and deleting, as the server answers it. */
  private async change(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString() || '{}') as { app?: string; stream?: string };
    const query = new URL(request.url ?? '/', 'http://site').searchParams;
    const key = `${body.app}/${body.stream}`;
    const isDelete = request.method === 'DELETE';
    const status = this.control ? 200 : 403;
    if (status === 200) {
      if (isDelete) this.recorded = this.recorded.filter((file) => file !== query.get('file'));
      else if (path.endsWith('/start')) this.recording?.add(key);
      else this.recording?.delete(key);
    }
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(status === 200 ? { code: 0 } : { code: status, message: 'No.' }));
  }

  private answerFlv(path: string, response: ServerResponse): void {
    if (!this.streams.some((stream) => path === `${stream.url}.flv`)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'video/x-flv' });
    const stop = this.feed(
      (bytes) => response.write(bytes),
      () => response.end(),
    );
    response.on('close', stop);
  }

  private answerFile(path: string, response: ServerResponse): void {
    const file = VENDOR[path] ?? join('html', path.endsWith('/') ? `${path}index.html` : path);
    try {
      const bytes = readFileSync(join(process.cwd(), file));
      const type = TYPES[extname(file)] ?? 'application/octet-stream';
      response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': POLICY });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  /** Writes the clip in a loop in real time until the function that it returns is called. */
  private feed(write: (bytes: Buffer) => void, end: () => void): () => void {
    const startMs = performance.now() - LEAD_MS;
    let offset = FLV_HEADER_BYTES;
    let loop = 0;
    write(this.clip.subarray(0, FLV_HEADER_BYTES));
    const timer = setInterval(() => {
      for (;;) {
        const size = this.clip.readUIntBE(offset + 1, 3) + TAG_EXTRA_BYTES;
        const timestampMs = this.clip.readUIntBE(offset + 4, 3) + loop * LOOP_MS;
        if (timestampMs > performance.now() - startMs) return;
        const tag = Buffer.from(this.clip.subarray(offset, offset + size));
        tag.writeUIntBE(timestampMs, 4, 3);
        write(tag);
        offset += size;
        if (offset < this.clip.length) continue;
        offset = FLV_HEADER_BYTES;
        loop++;
      }
    }, 40);
    this.feeds.add(end);
    return () => {
      clearInterval(timer);
      this.feeds.delete(end);
    };
  }
}
