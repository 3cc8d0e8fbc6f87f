/** smart_rtmpd's addresses and field names: /api/live, its alias /api/stream, &cmd=count, and /api/status. */
import { CODECS } from '../../codec/codec-id.ts';
import { defaultTrack } from '../../media/track.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import type { StreamView } from './stream-view.ts';

export class SmartRtmpdApi {
  private readonly context: ModuleContext;
  private readonly streams: StreamView;
  private readonly started = new Date();

  constructor(context: ModuleContext, streams: StreamView) {
    this.context = context;
    this.streams = streams;
  }

  /** A string is answered as plain text, anything else as JSON. */
  answer(request: HttpRequest, parts: readonly string[]): unknown {
    switch (parts[1] ?? '') {
      case '':
        return { urls: { v1: '/api/v1', live: '/api/live', status: '/api/status' } };
      case 'live':
      case 'stream':
        return this.live(request);
      case 'status':
        return this.status();
      default:
        throw new RejectedError('not-found', `The API has no ${request.path}; GET /api lists what it has.`);
    }
  }

  private live(request: HttpRequest): unknown {
    const name = request.query.get('name');
    if (name === null) return { stream: this.liveUrls(request) };
    const app = request.query.get('app') ?? 'live';
    if (request.query.get('cmd') === 'count') return this.count(`${app}/${name}`);
    return this.detail(request, app, name);
  }

  private liveUrls(request: HttpRequest): string[] {
    const endpoint = this.context.endpoints.all().find((candidate) => candidate.type === 'rtmp');
    const base =
      endpoint === undefined ? `rtmp://${request.host}` : this.context.endpoints.base(endpoint, request.host);
    return this.context.hub
      .streams()
      .filter((stream) => stream.state === 'live')
      .map((stream) => `${base}/${stream.key.app}/${stream.key.name}`);
  }

  private count(text: string): string {
    const players = this.context.sessions
      .all()
      .filter((session) => session.role === 'player' && session.streamText === text);
    const counted = (test: (protocol: string) => boolean) =>
      players.filter((session) => test(session.protocol)).length;
    const rtmp = counted((protocol) => protocol.startsWith('rtmp'));
    const flv = counted((protocol) => protocol.endsWith('flv'));
    const hls = counted((protocol) => protocol === 'hls');
    const rtsp = counted((protocol) => protocol.startsWith('rtsp'));
    return `rtmp:${rtmp}\nflv:${flv}\nrtsp:${rtsp}\nhls:${hls}\n`;
  }

  private detail(request: HttpRequest, app: string, name: string): unknown {
    const stream = this.streams.find(app, name);
    if (stream === undefined) throw new RejectedError('not-found', `Nobody publishes ${app}/${name} now.`);
    const video = defaultTrack(stream.tracks, 'video');
    const audio = defaultTrack(stream.tracks, 'audio');
    const { statistics } = stream;
    const bitsPerSecond = statistics.inRate.perSecond(statistics.bytesIn, this.context.clock.nowUs()) * 8;
    const seconds = stream.liveSinceMs === 0 ? 0 : Math.round((Date.now() - stream.liveSinceMs) / 1000);
    return {
      app: {
        duration: `PT${seconds}S`,
        from: this.context.hub.publisherOf(stream)?.protocol ?? 'none',
        rate: `${formatBits(bitsPerSecond)}/s`,
        rec: app === 'rec',
      },
      media: {
        ...(audio && {
          audio: {
            channel: audio.config.channels,
            codec: smartName(CODECS[audio.config.codec].label),
            samplebit: 16,
            samplerate: audio.config.sampleRate,
          },
        }),
        ...(video && {
          video: {
            codec: smartName(CODECS[video.config.codec].label),
            fps: Math.round(video.config.frameRate || statistics.frameRate),
            gop: statistics.gopFrames,
            height: video.config.height,
            width: video.config.width,
          },
        }),
      },
      urls: this.context.endpoints.playUrls(request.host, app, name),
    };
  }

  private status(): unknown {
    const port = (type: string) =>
      this.context.endpoints.all().find((endpoint) => endpoint.type === type)?.port ?? 0;
    const { http } = this.context;
    const pad = (value: number) => String(value).padStart(2, '0');
    const d = this.started;
    const day = `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
    const rtmp = port('rtmp');
    const rtmps = port('rtmps');
    const rtsp = port('rtsp');
    const rtsps = port('rtsps');
    const srt = port('srt');
    return {
      http: { port: http.port, run: http.port >= 0 },
      https: { port: http.tlsPort, run: http.tlsPort >= 0 },
      rtmp: { port: rtmp || rtmps, run: rtmp + rtmps > 0, ssl: rtmp === 0 && rtmps > 0 },
      rtsp: { port: rtsp || rtsps, run: rtsp + rtsps > 0, ssl: rtsp === 0 && rtsps > 0 },
      srt: { port: srt, run: srt > 0 },
      start_time: `${day} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`,
    };
  }
}

function smartName(label: string): string {
  return label.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

function formatBits(bits: number): string {
  if (bits >= 1_000_000) return `${(bits / 1_000_000).toFixed(2)} Mb`;
  return bits >= 1000 ? `${(bits / 1000).toFixed(2)} Kb` : `${bits.toFixed(2)} b`;
}
