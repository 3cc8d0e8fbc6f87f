/** What RTSP sessions need of the server around them; tests give their own. */
import type { AccessRequest } from '../../access/admission.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { PublisherTimes } from '../../runtime/publisher-silence.ts';
import type { Logger } from '../../util/log.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import type { DatagramPorts } from './rtsp-datagrams.ts';
import type { MulticastSenders } from './rtsp-multicast.ts';
import type { RtspSession } from './rtsp-session.ts';
import type { SrtpUse } from './rtsp-transport.ts';
import type { TunnelTable } from './rtsp-tunnel.ts';

/** Who must say who they are; '' as user: nobody. */
export interface RtspLogin {
  readonly user: string;
  readonly password: string;
  /** Whether Basic is offered beside Digest. */
  readonly basic: boolean;
}

export interface RtspMulticastPolicy {
  readonly enable: boolean;
  readonly range: string;
  readonly ttl: number;
  readonly interface: string;
}

/** What the policy says of one stream, as far as RTSP asks. */
export interface RtspStreamPolicy {
  readonly publishTimes: PublisherTimes;
  /** How long a player of a stream that nobody publishes is held. */
  readonly waitMs: number;
  readonly publishLogin: RtspLogin;
  readonly playLogin: RtspLogin;
  readonly multicast: RtspMulticastPolicy;
}

export interface RtspServices {
  /** Of the tool line in descriptions and the Server header. */
  readonly version: string;
  readonly hub: StreamHub;
  readonly log: Logger;
  /** Null where media may not go over UDP. */
  datagrams(): DatagramPorts | null;
  /** Whether media may go as SRTP. */
  srtp(): SrtpUse;
  readonly multicast: MulticastSenders;
  readonly tunnels: TunnelTable<RtspSession>;
  limits(): { readonly handshakeMs: number; readonly sessionTimeoutMs: number };
  /** Told to players over UDP as the source of their media; '' = the address that they reached. */
  publicRtpAddress(): string;
  policy(key: StreamKey, host: string, secure: boolean): RtspStreamPolicy;
  /** Throws RejectedError('loop') when the stream came through this server already. */
  checkLoop(via: readonly string[]): void;
  /** The way of a stream, for a player that is a Sluice server and says `asked`. Throws RejectedError('loop'). */
  answerAsker(key: StreamKey, asked: readonly string[]): readonly string[];
  admit(request: AccessRequest): Promise<StreamKey>;
  nowUs(): number;
  wallUs(): number;
  after(delayMs: number, run: () => void): Timeout;
  /** The session began to publish or to play; role and stream text are set. */
  onRole(session: RtspSession): void;
  onClosed(session: RtspSession): void;
  onFault(error: unknown): void;
}
