/**
 * The contract between the application and its parts. A protocol or service is one folder that exports a
 * ServerModule and one line in app/modules.ts; everything it needs of the rest comes through ModuleContext.
 */
import type { Admission } from '../access/admission.ts';
import type { SessionRegistry } from '../access/session-registry.ts';
import type { Configuration } from '../config/configuration.ts';
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { SegmentOrigin } from '../origin/segment-origin.ts';
import type { RtcCallsHolder } from '../rtc/rtc-calls.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { TickWheel } from '../util/tick-wheel.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { EndpointList } from './endpoints.ts';
import type { HttpListener } from './http-listener.ts';
import type { VideoConversions } from './video-conversions.ts';
import type { StartWorker } from './worker-thread.ts';

export interface ModuleContext {
  /** Random name of this run of the server; marks what it forwards, so that loops are seen. */
  readonly serverId: string;
  readonly version: string;
  readonly configuration: () => Configuration;
  readonly hub: StreamHub;
  readonly sessions: SessionRegistry;
  readonly admission: Admission;
  readonly http: HttpListener;
  /** Live streams in segments, which HLS and DASH list. */
  readonly segments: SegmentOrigin;
  readonly endpoints: EndpointList;
  readonly targets: TargetRegistry;
  /** Pictures for players that cannot take them as they are. */
  readonly videoConversions: VideoConversions;
  readonly certificates: CertificateStore;
  readonly limits: ConnectionLimits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly tick: TickWheel;
  /** A name of the configuration as a path: relative ones start beside the executable. */
  readonly pathBeside: (name: string) => string;
  /** Code on a thread of its own. */
  readonly startWorker: StartWorker;
  /** By which streams are pulled and forwarded over WebRTC; filled by the module that has its threads. */
  readonly rtcCalls: RtcCallsHolder;
  /** Files that are part of the executable: `html/...`, `conf/...`, `demo/clip.flv`. */
  readonly readAsset: (path: string) => Uint8Array | null;
  /** Our own fault, found where nobody else can handle it: logged with its stack and counted. */
  readonly onFault: (error: unknown) => void;
}

export interface RunningModule {
  /** A new configuration is in force; returns what of it needs a restart. */
  reload(): readonly string[];
  /** Ends sessions properly; also works after a start that failed half way. */
  stop(): Promise<void>;
  /** After the grace of a shutdown: cuts connections whose peers did not leave. */
  destroy?(): void;
}

export interface ServerModule {
  /** Configuration element, log field, protocol name. */
  readonly name: string;
  start(context: ModuleContext): Promise<RunningModule>;
}

export interface ForwardRequest {
  readonly source: StreamKey;
  /** Address that is announced to the target: `rtmp://host/app/stream?query`. */
  readonly url: string;
  /** Where to connect; often the host of the URL. */
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
  /** The target accepted and gets media. */
  readonly onLive: () => void;
  /** Over, for whatever reason; called exactly once unless `close` was called. */
  readonly onEnd: (reason: string) => void;
}

/** A forward that is being set up or is running. */
export interface OutgoingForward {
  close(): void;
  bytesSent(): number;
}

export type OpenTarget = (request: ForwardRequest) => OutgoingForward;

/** URL scheme -> how to send a stream there. Filled by protocols, used by the relay. */
export class TargetRegistry {
  private readonly schemes = new Map<string, OpenTarget>();

  register(scheme: string, open: OpenTarget): void {
    this.schemes.set(scheme, open);
  }

  find(scheme: string): OpenTarget | undefined {
    return this.schemes.get(scheme);
  }
}
