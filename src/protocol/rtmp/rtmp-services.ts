/** What RTMP sessions need of the server around them; tests give their own. */
import type { AccessRequest } from '../../access/admission.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { PublisherTimes } from '../../runtime/publisher-silence.ts';
import type { Logger } from '../../util/log.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import type { AmfLimits } from '../../wire/amf/amf-value.ts';
import type { StreamAddress } from '../../wire/rtmp/rtmp-url.ts';
import type { ConnectRequest } from './rtmp-connect.ts';
import type { RtmpSession } from './rtmp-session.ts';
import type { HeldFile } from './rtmp-vod.ts';

interface RtmpLimits {
  readonly maxMessageBytes: number;
  readonly maxChunkStreams: number;
  readonly handshakeMs: number;
}

export interface PlayableFiles {
  /** The file of an address, opened; null when the address is not one of a file. Throws RejectedError. */
  open(address: StreamAddress): Promise<HeldFile | null>;
  /** For the pace of players. */
  after(delayMs: number, run: () => void): Timeout;
}

export interface RtmpServices {
  readonly hub: StreamHub;
  readonly log: Logger;
  /** Files that can be played; left out where there are none. */
  readonly files?: PlayableFiles;
  limits(): RtmpLimits;
  amfLimits(): AmfLimits;
  chunkSize(): number;
  windowAckBytes(): number;
  /** '' when the connect is fine, else a sentence for the peer. */
  refusalOf(request: ConnectRequest): string;
  /** Throws RejectedError('loop') when the stream came through this server already. */
  checkLoop(via: readonly string[]): void;
  /** The way of a stream, for a player that is a Sluice server and says `asked`. Throws RejectedError('loop'). */
  answerAsker(key: StreamKey, asked: readonly string[]): readonly string[];
  admit(request: AccessRequest): Promise<StreamKey>;
  publishTimes(key: StreamKey, host: string): PublisherTimes;
  /** How long a player of a stream that nobody publishes is held. */
  playWaitMs(key: StreamKey, host: string): number;
  nowUs(): number;
  /** A stream began; the session's role and stream text are set. */
  onRole(session: RtmpSession): void;
  onClosed(session: RtmpSession): void;
  onFault(error: unknown): void;
}
