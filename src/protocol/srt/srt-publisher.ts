/**
 * A caller that publishes: the payloads of its connection, or of all connections of its socket group, are a transport
 * stream. To the rest of the server it is a publisher like those of HTTP bodies and datagrams.
 */
import type { SessionDetails } from '../../access/session-registry.ts';
import type { SrtLink } from '../../client/srt/srt-link.ts';
import { TsGate } from '../../client/srt/ts-gate.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PublisherSession } from '../../runtime/publisher-session.ts';
import { RejectedError } from '../../util/errors.ts';
import { GroupMerge } from './group-merge.ts';
import type { SrtIncoming } from './srt-incoming.ts';

export class SrtPublisher {
  readonly session: PublisherSession;
  private readonly context: ModuleContext;
  private readonly links: SrtLink[] = [];
  private readonly merge: GroupMerge | null;
  private readonly onOver: (publisher: SrtPublisher) => void;
  private readonly gate = new TsGate();

  /** `onOver` is called once the session has ended. */
  constructor(incoming: SrtIncoming, onOver: (publisher: SrtPublisher) => void) {
    const { context, wanted, remote, url } = incoming;
    this.context = context;
    this.onOver = onOver;
    this.merge = incoming.groupId === 0 ? null : new GroupMerge((payload) => this.receive(payload));
    this.session = new PublisherSession(
      context,
      {
        protocol: 'srt',
        remote,
        host: wanted.host,
        app: wanted.app,
        stream: wanted.stream,
        query: wanted.query,
        url,
        pageUrl: '',
        userAgent: '',
        format: 'ts',
        via: incoming.via,
        details: () => this.details(),
      },
      () => this.close(),
    );
  }

  /** Admission, then the handshake, then the name. Throws RejectedError while the handshake is not answered. */
  async begin(incoming: SrtIncoming): Promise<void> {
    const key = await this.admit(incoming);
    // A server that stops meanwhile must not say yes.
    if (this.context.hub.isClosing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    this.checkFree(incoming, key.text);
    this.join(incoming);
    try {
      this.session.begin(key);
    } catch (error) {
      const cause = (error as Error).message;
      if (!(error instanceof RejectedError)) this.context.onFault(error);
      this.context.log.counted('srt.refused', { remote: incoming.remote, stream: key.text, cause });
      this.session.end({ kind: 'fault', reason: cause });
    }
  }

  /** Asks for what this connection wants; throws RejectedError. */
  async admit({ context, wanted, remote }: SrtIncoming): Promise<StreamKey> {
    return await context.admission.check({
      action: 'publish',
      protocol: this.session.protocol,
      host: wanted.host,
      app: wanted.app,
      stream: wanted.stream,
      query: wanted.query,
      remote,
      sessionId: this.session.id,
    });
  }

  /** A name that is held is told in the handshake already, where the policy lets nobody take it. */
  private checkFree({ wanted }: SrtIncoming, text: string): void {
    const { hub } = this.context;
    const stream = hub.find(text);
    const holder = stream === undefined ? null : hub.publisherOf(stream);
    if (holder === null || holder.source !== undefined || holder.yields === true) return;
    const { publish } = this.context.configuration().resolver.resolve(wanted.host, wanted.app, wanted.stream);
    if (publish.busy === 'refuse') {
      throw new RejectedError(
        'busy',
        `${text} is already being published by ${holder.remote} (${holder.protocol}, session ${holder.id}).`,
      );
    }
  }

  /** One more connection: the first, or another one of the group. */
  join(incoming: SrtIncoming): void {
    const { clock } = this.context;
    const { merge } = this;
    const link: SrtLink = incoming.accept(
      {
        onPayload: (payload, sequence) => {
          if (merge === null) this.receive(payload);
          else merge.push(payload, sequence, clock.nowUs());
        },
        onClosed: (reason) => {
          const at = this.links.indexOf(link);
          if (at >= 0) this.links.splice(at, 1);
          merge?.left(clock.nowUs());
          if (this.links.length === 0) this.session.end({ kind: 'left', reason });
        },
      },
      0,
    );
    this.links.push(link);
    if (merge !== null) merge.links++;
  }

  /** Hot path. */
  private receive(payload: Uint8Array): void {
    let bytes: Uint8Array | null;
    try {
      bytes = this.gate.pass(payload);
    } catch (error) {
      const reason = `${(error as Error).message}; have the encoder send MPEG-TS (FFmpeg: -f mpegts).`;
      const { remote, streamText: stream } = this.session;
      this.context.log.counted('srt.not-ts', { remote, stream, cause: reason });
      this.session.end({ kind: 'unsupported', reason });
      return;
    }
    if (bytes !== null) this.session.receive(bytes);
  }

  private details(): SessionDetails {
    const [first] = this.links;
    const { merge } = this;
    return {
      ...(merge === null
        ? {}
        : { group_links: this.links.length, group_lost: merge.lost, group_repeated: merge.repeated }),
      ...first?.statistics(),
    };
  }

  /** The session is over. */
  private close(): void {
    for (const link of [...this.links]) link.close();
    this.onOver(this);
  }
}
