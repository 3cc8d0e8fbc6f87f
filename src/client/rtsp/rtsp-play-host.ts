/** What a session that plays from an RTSP server is told, and what it wants of its surroundings. */
import type { RtpIngestOutput } from '../../packaging/rtp-ingest.ts';
import type { TsIngestOutput } from '../../packaging/ts-ingest.ts';
import type { RtpPayloadFormat } from '../../wire/rtp/payload-format.ts';
import type { RtspUrl } from '../../wire/rtsp/rtsp-url.ts';
import type { RtspGroup, RtspPorts } from './rtsp-ports.ts';

/** How media come: `auto` is UDP, and TCP when that does not work; over RTSPS UDP for SRTP alone. */
export type RtspPlayTransport = 'auto' | 'tcp' | 'udp' | 'multicast';

export interface RtspPlayOptions {
  readonly url: RtspUrl;
  readonly transport: RtspPlayTransport;
  readonly userAgent: string;
  /** What a Sluice server is told of who asks; '' = nothing. */
  readonly via: string;
  readonly formats: readonly RtpPayloadFormat[];
  /** Of our receiver reports. */
  readonly ssrc: number;
}

/** What the session wants of its surroundings. */
export interface RtspPlayHost {
  readonly output: RtpIngestOutput & TsIngestOutput;
  /** Address of the server as the connection has it. */
  peerAddress(): string;
  /** Microseconds since 1970, for key management. */
  wallUs(): number;
  write(bytes: Uint8Array): void;
  /** Two UDP ports; their datagrams go to `datagram`. `done` may come at once or later, null = there are none. */
  openPorts(media: number, done: (ports: RtspPorts | null) => void): void;
  joinGroup(media: number, group: RtspGroup, done: (ports: RtspPorts | null) => void): void;
  /** What a Sluice server tells of the stream's way. */
  onVia(via: string): void;
  /** The server said yes to PLAY. */
  onPlaying(): void;
  /** The stream is elsewhere. */
  onRedirect(location: string): void;
  /** UDP does not work: the owner should begin anew with `tcp`. */
  onNeedsTcp(): void;
  /** Continues a sentence that names the server. Called once, and nothing after it. */
  onEnd(kind: 'over' | 'failed' | 'broken', predicate: string): void;
}
