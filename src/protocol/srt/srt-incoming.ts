/** What a caller needs of the port around it to become a publisher or a player. */
import type { SrtLink, SrtLinkHandlers } from '../../client/srt/srt-link.ts';
import type { TsPayloads } from '../../client/srt/ts-payloads.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import type { StreamRequest } from './stream-request.ts';

/** A handshake that waits for its answer. */
export interface SrtIncoming {
  readonly context: ModuleContext;
  readonly wanted: StreamRequest;
  /** `address:port` for people. */
  readonly remote: string;
  /** Number of the socket group at the caller, 0 = none. */
  readonly groupId: number;
  /** Ids of Sluice servers that the stream came through. */
  readonly via: readonly string[];
  /** Where the server listens, for lists. */
  readonly url: string;
  readonly payloads: TsPayloads;
  /**
   * Answers with yes: from now on there is a connection. `maxBandwidth` in bytes per second, 0 = no limit. Throws
   * RejectedError when the passphrases do not fit or the caller is gone.
   */
  accept(handlers: SrtLinkHandlers, maxBandwidth: number): SrtLink;
}
