/** The composition root: builds everything from a configuration, starts it in order, reloads, stops it in order. */
import { availableParallelism } from 'node:os';
import { Admission } from '../access/admission.ts';
import { SessionRegistry } from '../access/session-registry.ts';
import { type Configuration, diffConfiguration } from '../config/configuration.ts';
import { publisherRank } from '../config/publisher-rank.ts';
import { Pump } from '../media/pump.ts';
import { StreamHub, type StreamRules } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import { SegmentOrigin } from '../origin/segment-origin.ts';
import { CertificateStore } from '../runtime/certificate-store.ts';
import { ConnectionLimits } from '../runtime/connection-limits.ts';
import { EndpointList } from '../runtime/endpoints.ts';
import { connectionRoom, openFileLimit } from '../runtime/file-limit.ts';
import { HttpListener } from '../runtime/http-listener.ts';
import {
  type ModuleContext,
  type RunningModule,
  type ServerModule,
  TargetRegistry,
} from '../runtime/module.ts';
import { VideoConversions } from '../runtime/video-conversions.ts';
import { makeStartWorker } from '../runtime/worker-thread.ts';
import { WorkerSoundConverter } from '../transcode/sound-converter.ts';
import { soundConverterSettings } from '../transcode/transcode-config.ts';
import { systemClock } from '../util/clock.ts';
import { randomId } from '../util/id.ts';
import type { Logger, LogHub } from '../util/log.ts';
import { TickWheel } from '../util/tick-wheel.ts';
import { VERSION } from './version.ts';

/** How long players and publishers get to take what is still waiting for them. */
const STOP_GRACE_MS = 1500;

export interface ApplicationOptions {
  readonly configuration: Configuration;
  /** Folder that relative TLS files start from. */
  readonly configFolder: string;
  readonly modules: readonly ServerModule[];
  readonly logHub: LogHub;
  readonly readAsset: (path: string) => Uint8Array | null;
  readonly pathBeside: (name: string) => string;
  readonly onFault: (error: unknown) => void;
}

export class Application {
  readonly context: ModuleContext;
  private readonly options: ApplicationOptions;
  private readonly log: Logger;
  private readonly tick: TickWheel;
  private readonly hub: StreamHub;
  private readonly http: HttpListener;
  private readonly limits: ConnectionLimits;
  private readonly room: { connections: number; warning: string };
  private readonly admission: Admission;
  private readonly soundConverter: WorkerSoundConverter;
  private readonly running: RunningModule[] = [];
  private configuration: Configuration;

  constructor(options: ApplicationOptions) {
    this.options = options;
    this.configuration = options.configuration;
    const { server, resolver } = options.configuration;
    const { onFault } = options;
    this.log = options.logHub.logger();
    this.tick = new TickWheel(systemClock, onFault);
    const pump = new Pump(systemClock, onFault);
    const startWorker = makeStartWorker(options.readAsset);
    this.soundConverter = new WorkerSoundConverter({
      startWorker,
      settings: () => soundConverterSettings(this.configuration.server.sound, availableParallelism()),
      log: this.log,
      clock: systemClock,
      tick: this.tick,
    });
    this.hub = new StreamHub(pump, systemClock, this.tick, (key, host) => this.rulesFor(key, host));
    this.hub.addListener({
      onPublish: () => undefined,
      onUnpublish: () => undefined,
      onClosed: () => undefined,
      onSwitch: ({ key }, from, to, cause) =>
        this.log.info('stream.switched', {
          stream: key.text,
          to: `${to.protocol} ${to.remote}`,
          from: from === null ? '' : `${from.protocol} ${from.remote}`,
          cause,
        }),
    });
    this.room = connectionRoom(server.limits.connections, openFileLimit());
    this.limits = new ConnectionLimits(this.room.connections, server.limits.perAddress);
    this.admission = new Admission(resolver);
    const files = {
      folder: options.configFolder,
      key: server.ssl.serverkey,
      cert: server.ssl.servercert,
      ca: server.ssl.serverca,
    };
    const certificates = new CertificateStore(files, this.log);
    this.http = new HttpListener({
      addresses: server.http.ip,
      port: server.http.enable ? server.http.port : -1,
      tlsPort: server.http.enable && server.http.ssl ? server.http.sport : -1,
      certificates,
      limits: this.limits,
      handshakeMs: server.limits.handshake,
      corsOrigin: server.http.cors,
      log: this.log,
      onFault,
    });
    const context: Omit<ModuleContext, 'segments'> = {
      serverId: randomId(),
      version: VERSION,
      configuration: () => this.configuration,
      hub: this.hub,
      sessions: new SessionRegistry(),
      admission: this.admission,
      http: this.http,
      endpoints: new EndpointList(),
      targets: new TargetRegistry(),
      videoConversions: new VideoConversions(),
      certificates,
      limits: this.limits,
      log: this.log,
      clock: systemClock,
      tick: this.tick,
      startWorker,
      rtcCalls: { current: null },
      readAsset: options.readAsset,
      pathBeside: options.pathBeside,
      onFault,
    };
    this.context = Object.assign(context, { segments: new SegmentOrigin(context) });
  }

  private rulesFor(key: StreamKey, host: string): StreamRules {
    const policy = this.configuration.resolver.resolve(host, key.app, key.name);
    return {
      busy: policy.publish.busy,
      failoverMs: policy.publish.failoverMs,
      steadyMs: policy.publish.return ? policy.publish.steadyMs : -1,
      rankOf: (owner) => publisherRank(policy.publish.prefer, owner),
      graceMs: policy.publish.graceMs,
      jitter: policy.time.jitter,
      absoluteTime: policy.time.atc,
      gop: {
        cache: policy.gop.cache,
        frames: policy.gop.frames,
        bytes: policy.gop.bytes,
        us: policy.gop.ms * 1000,
      },
      feed: {
        queueUs: policy.play.queueMs * 1000,
        queueBytes: policy.play.queueBytes,
        mergeUs: policy.play.mergeMs * 1000,
        mergeBytes: policy.play.mergeBytes,
        stallUs: policy.play.stallMs * 1000,
      },
      sound: { converter: this.soundConverter, mode: policy.sound.convert },
    };
  }

  /** Rejects with the first thing that cannot be had; what had started is stopped again. */
  async start(): Promise<void> {
    for (const warning of this.configuration.warnings) this.log.warn('config.note', { text: warning });
    if (this.room.warning !== '') this.log.warn('limits.files', { text: this.room.warning });
    try {
      this.tick.start();
      this.http.hold();
      await this.http.open();
      for (const module of this.options.modules) this.running.push(await module.start(this.context));
      this.http.release();
      const progressMs = this.configuration.server.log.progress;
      if (progressMs > 0) this.tick.every(progressMs, () => this.logProgress());
    } catch (error) {
      await this.stop('the server could not start');
      throw error;
    }
  }

  /** One line per interval instead of a line per event. */
  private logProgress(): void {
    const streams = this.hub.streams().filter((stream) => stream.state === 'live');
    const { sessions } = this.context;
    if (streams.length === 0 && sessions.size === 0) return;
    const all = sessions.all();
    const players = all.filter((session) => session.role === 'player').length;
    const now = systemClock.nowUs();
    let inBits = 0;
    let outBits = 0;
    for (const { statistics } of streams) {
      inBits += statistics.inRate.perSecond(statistics.bytesIn, now) * 8;
      outBits += statistics.outRate.lastPerSecond * 8;
    }
    this.log.info('progress', {
      streams: streams.length,
      players,
      sessions: all.length,
      'in-kbps': Math.round(inBits / 1000),
      'out-kbps': Math.round(outBits / 1000),
      'rss-mb': Math.round(process.memoryUsage.rss() / 1_048_576),
    });
  }

  /** Takes a checked configuration into use; returns what of it needs a restart. */
  reload(next: Configuration): string[] {
    const changes = diffConfiguration(this.configuration, next);
    this.configuration = next;
    this.admission.policy = next.resolver;
    this.limits.total = connectionRoom(next.server.limits.connections, openFileLimit()).connections;
    this.limits.perAddress = next.server.limits.perAddress;
    this.options.logHub.level = next.server.log.level;
    const needRestart: string[] = [];
    for (const change of changes) {
      this.log.info('config.changed', {
        name: change.name,
        before: change.before,
        after: change.after,
        applies: change.reload,
      });
      if (change.reload === 'restart') needRestart.push(change.name);
    }
    for (const module of this.running) needRestart.push(...module.reload());
    return needRestart;
  }

  /** Ends publishers and players properly, then closes what is left. Idempotent. */
  async stop(reason: string): Promise<void> {
    this.hub.close(reason);
    const modules = this.running.splice(0).reverse();
    for (const module of modules) {
      await module.stop().catch((error: unknown) => this.options.onFault(error));
    }
    this.context.segments.close();
    this.soundConverter.close();
    await this.http.close();
    const deadline = Date.now() + STOP_GRACE_MS;
    while (this.limits.open > 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const module of modules) module.destroy?.();
    this.http.destroyConnections();
    this.context.certificates.close();
    this.hub.pump.stop();
    this.tick.stop();
  }
}
