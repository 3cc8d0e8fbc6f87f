/** Streams and sessions as the API shows them (SRS field names first, ours after them). */
import { createHash } from 'node:crypto';
import type { LiveSession } from '../../access/session-registry.ts';
import { CODECS, type CodecId } from '../../codec/codec-id.ts';
import type { PublisherView } from '../../media/lineup.ts';
import type { Stream } from '../../media/stream.ts';
import { splitStreamText } from '../../media/stream-key.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';

const SRS_CODEC_NAMES: Partial<Readonly<Record<CodecId, string>>> = {
  h264: 'H264',
  h265: 'HEVC',
  av1: 'AV1',
  vp8: 'VP8',
  vp9: 'VP9',
  aac: 'AAC',
  opus: 'Opus',
  mp3: 'MP3',
  ac3: 'AC-3',
  eac3: 'E-AC-3',
  flac: 'FLAC',
  g711a: 'G711A',
  g711u: 'G711U',
  g722: 'G722',
  g726: 'G726',
  l16: 'L16',
  speex: 'Speex',
  mjpeg: 'MJPEG',
};

const SRS_CLIENT_FAMILIES: Readonly<Record<string, string>> = {
  rtmp: 'rtmp',
  rtmps: 'rtmp',
  rtsps: 'rtsp',
  webrtc: 'rtc',
};

/** SRS says `fmle-publish`, `rtmp-play`, `flv-play`, `hls-play` and so on; what it does not have is named alike. */
export function srsClientType({ protocol, role }: LiveSession): string {
  const carrier = /^(?:https?|wss?|udp|tcp|rtp)-(.+)$/.exec(protocol)?.[1];
  const family = SRS_CLIENT_FAMILIES[protocol] ?? carrier ?? protocol;
  if (role === 'publisher') return family === 'rtmp' ? 'fmle-publish' : `${family}-publish`;
  return role === 'player' ? `${family}-play` : 'Unknown';
}

export class StreamView {
  private readonly context: ModuleContext;

  constructor(context: ModuleContext) {
    this.context = context;
  }

  list(request: HttpRequest): unknown[] {
    const sessions = this.sessionsByStream();
    const live = this.context.hub.streams().filter((stream) => stream.state !== 'idle');
    const shown: object[] = live.map((stream) =>
      this.describe(stream, sessions.get(stream.key.text) ?? [], request.host),
    );
    for (const [text, source] of this.context.hub.onDemandStreams()) {
      if (live.some((stream) => stream.key.text === text)) continue;
      shown.push(this.describeIdle(text, source.description, request.host));
    }
    return shown;
  }

  one(request: HttpRequest, id: string): unknown {
    const found = this.list(request).find((entry) => {
      const { id: entryId, url } = entry as { id: string; url: string };
      return entryId === id || url === `/${id}`;
    });
    if (found === undefined)
      throw new RejectedError('not-found', `There is no stream with the id ${id} now.`);
    return found;
  }

  find(app: string, name: string): Stream | undefined {
    return this.context.hub.find(`${app}/${name}`);
  }

  clients(): unknown[] {
    return this.context.sessions.all().map((session) => this.describeClient(session));
  }

  client(id: string): unknown {
    const session = this.context.sessions.get(id);
    if (session === undefined) throw new RejectedError('not-found', `There is no session ${id} now.`);
    return this.describeClient(session);
  }

  vhosts(): unknown[] {
    const { sessions, hub } = this.context;
    const all = sessions.all();
    return [
      {
        id: `vid-${this.context.serverId}`,
        name: '__defaultVhost__',
        enabled: true,
        clients: all.length,
        streams: hub.streams().length,
        send_bytes: all.reduce((sum, session) => sum + session.bytesOut(), sessions.endedBytesOut),
        recv_bytes: all.reduce((sum, session) => sum + session.bytesIn(), sessions.endedBytesIn),
      },
    ];
  }

  sampleRates(): void {
    const now = this.context.clock.nowUs();
    const sessions = this.sessionsByStream();
    for (const stream of this.context.hub.streams()) {
      stream.statistics.inRate.sample(stream.statistics.bytesIn, now);
      stream.statistics.outRate.sample(this.bytesOut(stream, sessions.get(stream.key.text) ?? []), now);
    }
  }

  private sessionsByStream(): Map<string, LiveSession[]> {
    const map = new Map<string, LiveSession[]>();
    for (const session of this.context.sessions.all()) {
      const list = map.get(session.streamText);
      if (list === undefined) map.set(session.streamText, [session]);
      else list.push(session);
    }
    return map;
  }

  private bytesOut(stream: Stream, sessions: readonly LiveSession[]): number {
    let bytes = stream.statistics.bytesOutClosed;
    for (const session of sessions) if (session.role === 'player') bytes += session.bytesOut();
    return bytes;
  }

  private describe(stream: Stream, sessions: readonly LiveSession[], host: string) {
    const { key, statistics, tracks } = stream;
    const now = this.context.clock.nowUs();
    const publisher = this.context.hub.publisherOf(stream);
    const sent = this.bytesOut(stream, sessions);
    statistics.inRate.sample(statistics.bytesIn, now);
    statistics.outRate.sample(sent, now);
    const video = defaultTrack(tracks, 'video');
    const audio = defaultTrack(tracks, 'audio');
    const publishing = sessions.find((session) => session.role === 'publisher');
    return {
      id: streamId(key.text),
      name: key.name,
      vhost: `vid-${this.context.serverId}`,
      app: key.app,
      tcUrl: publishing?.tcUrl ?? '',
      url: `/${key.text}`,
      live_ms: stream.liveSinceMs,
      clients: sessions.filter((session) => session.role === 'player').length,
      frames: statistics.videoFrames + statistics.audioFrames,
      audio_frames: statistics.audioFrames,
      video_frames: statistics.videoFrames,
      send_bytes: sent,
      recv_bytes: statistics.bytesIn,
      kbps: {
        recv_30s: Math.round((statistics.inRate.perSecond(statistics.bytesIn, now) * 8) / 1000),
        send_30s: Math.round((statistics.outRate.perSecond(sent, now) * 8) / 1000),
      },
      publish: { active: publisher !== null, cid: publisher?.id ?? '' },
      video: video === undefined ? null : describeVideo(video),
      audio: audio === undefined ? null : describeAudio(audio),
      state: stream.state,
      source: publisher === null ? null : { protocol: publisher.protocol, remote: publisher.remote },
      on_demand: this.context.hub.onDemandStreams().has(key.text),
      publishers: this.context.hub.publishersOf(stream).map(describePublisher),
      gop_ms: Math.round(statistics.gopUs / 1000),
      cached_bytes: stream.cachedBytes,
      tracks: tracks.map((track) => this.describeTrack(stream, track)),
      urls: this.context.endpoints.playUrls(host, key.app, key.name),
    };
  }

  private describeIdle(text: string, description: string, host: string) {
    const { app, name } = splitStreamText(text);
    return {
      id: streamId(text),
      name,
      vhost: `vid-${this.context.serverId}`,
      app,
      tcUrl: '',
      url: `/${text}`,
      live_ms: 0,
      clients: 0,
      frames: 0,
      audio_frames: 0,
      video_frames: 0,
      send_bytes: 0,
      recv_bytes: 0,
      kbps: { recv_30s: 0, send_30s: 0 },
      publish: { active: false, cid: '' },
      video: null,
      audio: null,
      state: 'idle',
      source: null,
      on_demand: true,
      publishers: [],
      gop_ms: 0,
      cached_bytes: 0,
      description,
      tracks: [],
      urls: this.context.endpoints.playUrls(host, app, name),
    };
  }

  private describeTrack(stream: Stream, track: Track) {
    const { config } = track;
    const leftOut: Record<string, string> = {};
    for (const feed of stream.feeds.values()) {
      for (const missing of feed.encoder.leftOut()) {
        if (missing.track.id === track.id) leftOut[feed.format.name.split(':')[0]!] = missing.reason;
      }
    }
    const { segments } = this.context;
    const lists = { hls: segments.findTs(stream.key.text), cmaf: segments.findCmaf(stream.key.text) };
    for (const [name, list] of Object.entries(lists)) {
      const missing = list?.packager.leftOut.find((one) => one.track.id === track.id);
      if (missing !== undefined) leftOut[name] = missing.reason;
    }
    return {
      id: track.id,
      kind: track.kind,
      codec: config.codec,
      label: CODECS[config.codec].label,
      mime: config.mime,
      width: config.width,
      height: config.height,
      fps:
        track.kind === 'video'
          ? Math.round((config.frameRate || stream.statistics.frameRate) * 100) / 100
          : 0,
      profile: config.profile,
      level: config.level,
      sample_rate: config.sampleRate,
      channels: config.channels,
      language: track.language,
      bytes: stream.statistics.trackBytes(track.id),
      left_out: leftOut,
      converts_to: stream.sound.targetsOf(track),
      conversions: stream.sound.conversions
        .filter(({ trackId }) => trackId === track.id)
        .map((sound) => ({ target: sound.target, failure: sound.failure, ...sound.info() })),
    };
  }

  private describeClient(session: LiveSession) {
    return {
      id: session.id,
      vhost: `vid-${this.context.serverId}`,
      stream: session.streamText === '' ? '' : streamId(session.streamText),
      ip: session.remote.slice(0, session.remote.lastIndexOf(':')),
      pageUrl: session.pageUrl,
      swfUrl: '',
      tcUrl: session.tcUrl,
      url: session.streamText === '' ? '' : `/${session.streamText}`,
      name: splitStreamText(session.streamText).name,
      type: srsClientType(session),
      publish: session.role === 'publisher',
      alive: Math.round((Date.now() - session.sinceMs) / 100) / 10,
      send_bytes: session.bytesOut(),
      recv_bytes: session.bytesIn(),
      protocol: session.protocol,
      role: session.role,
      remote: session.remote,
      user_agent: session.userAgent,
      dropped: session.dropped(),
      details: session.details?.() ?? {},
    };
  }
}

function describePublisher({
  owner,
  state,
  rank,
  isChosen,
  sinceMs,
  silentMs,
  frames,
  bytes,
}: PublisherView) {
  return {
    id: owner.id,
    state,
    protocol: owner.protocol,
    remote: owner.remote,
    rank,
    chosen: isChosen,
    since: new Date(sinceMs).toISOString(),
    /** Milliseconds since its latest frame; null = none has come. */
    last_frame_ms: silentMs < 0 ? null : silentMs,
    frames,
    recv_bytes: bytes,
  };
}

function streamId(text: string): string {
  return `vid-${createHash('sha1').update(text).digest('hex').slice(0, 8)}`;
}

function describeVideo(track: Track) {
  const { codec, profile, level, width, height } = track.config;
  return { codec: SRS_CODEC_NAMES[codec] ?? codec, profile, level, width, height };
}

function describeAudio(track: Track) {
  const { codec, sampleRate, channels, profile } = track.config;
  return { codec: SRS_CODEC_NAMES[codec] ?? codec, sample_rate: sampleRate, channel: channels, profile };
}
