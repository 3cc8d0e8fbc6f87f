/**
 * One UDP port as a publisher: whoever sends a transport stream there first (plain or in RTP) is it, until it falls
 * silent. A second sender meanwhile is refused and counted; the port has no way to tell it so.
 */
import type { ModuleContext } from '../../runtime/module.ts';
import { PublisherSession } from '../../runtime/publisher-session.ts';
import { TsDatagramReader, transportOf } from '../../wire/mpegts/ts-datagram.ts';
import { originOfPort, startPublisher } from './port-publisher.ts';

/** As long as a sender may pause before another takes its place. */
const SOURCE_SILENT_US = 1_000_000;
/** A sender that was refused or ended goes on sending; it is not asked about again for this long. */
const REFUSED_US = 10_000_000;
/** What may come while somebody decides whether it may be published. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** What a datagram costs beside its bytes, of which it may have none. */
const HELD_OVERHEAD_BYTES = 64;

interface Source {
  readonly address: string;
  readonly port: number;
  readonly session: PublisherSession;
  readonly reader: TsDatagramReader;
  lastUs: number;
  /** Datagrams that wait for the decision; null once it is made. */
  held: Uint8Array[] | null;
  heldBytes: number;
  /** Datagrams of other senders. */
  refused: number;
}

export class DatagramPublisher {
  private readonly context: ModuleContext;
  private readonly origin: ReturnType<typeof originOfPort>;
  private source: Source | null = null;
  /** Who is not listened to, and until when. */
  private deafTo = '';
  private deafToPort = 0;
  private deafUntilUs = 0;

  /** `stream` is `app/name`; `url` is where it listens, for lists. */
  constructor(context: ModuleContext, stream: string, url: string) {
    this.context = context;
    this.origin = originOfPort(stream, url);
  }

  /** `bytes` must be the caller's to give away: they may be kept. Hot path. */
  receive(bytes: Uint8Array, address: string, port: number): void {
    const nowUs = this.context.clock.nowUs();
    const { source } = this;
    if (source === null) {
      this.begin(bytes, address, port, nowUs);
      return;
    }
    if (source.port !== port || source.address !== address) {
      if (nowUs - source.lastUs < SOURCE_SILENT_US) {
        this.refuse(source, address, port);
        return;
      }
      source.session.end({ kind: 'left', reason: `it fell silent, and ${address}:${port} sends now` });
      this.begin(bytes, address, port, nowUs);
      return;
    }
    source.lastUs = nowUs;
    if (source.held === null) source.reader.push(bytes, nowUs);
    else this.hold(source, bytes);
  }

  private refuse(source: Source, address: string, port: number): void {
    source.refused++;
    this.context.log.counted('mpegts.second-source', {
      remote: `${address}:${port}`,
      stream: source.session.streamText,
      cause: `${source.session.remote} sends there already`,
    });
  }

  private begin(bytes: Uint8Array, address: string, port: number, nowUs: number): void {
    const isDeaf = nowUs < this.deafUntilUs && address === this.deafTo && port === this.deafToPort;
    if (isDeaf || this.context.hub.isClosing) return;
    const transport = transportOf(bytes);
    if (transport === '') {
      this.context.log.counted('mpegts.not-ts', { remote: `${address}:${port}`, where: this.origin.url });
      return;
    }
    const session: PublisherSession = new PublisherSession(
      this.context,
      {
        ...this.origin,
        protocol: `${transport}-ts`,
        remote: `${address.includes(':') ? `[${address}]` : address}:${port}`,
        format: 'ts',
        isLossy: true,
        details: () => ({
          lost_datagrams: source.reader.lost,
          strange_datagrams: source.reader.strange,
          refused_datagrams: source.refused,
        }),
      },
      ({ kind }) => {
        if (this.source === source) this.source = null;
        // A sender that paused is welcome back at once; one that sends what is of no use is not.
        const isSending = this.context.clock.nowUs() - source.lastUs < SOURCE_SILENT_US;
        if (kind !== 'left' && (kind !== 'silent' || isSending)) this.turnDeaf(source);
      },
    );
    const source: Source = {
      address,
      port,
      session,
      reader: new TsDatagramReader(transport, (part) => session.receive(part)),
      lastUs: nowUs,
      held: [],
      heldBytes: 0,
      refused: 0,
    };
    this.source = source;
    this.hold(source, bytes);
    void this.decide(source);
  }

  private hold(source: Source, bytes: Uint8Array): void {
    const cost = bytes.length + HELD_OVERHEAD_BYTES;
    if (source.heldBytes + cost > MAX_HELD_BYTES) return;
    source.heldBytes += cost;
    source.held?.push(bytes);
  }

  private async decide(source: Source): Promise<void> {
    if (!(await startPublisher(this.context, source.session))) return;
    const held = source.held ?? [];
    source.held = null;
    for (const bytes of held) source.reader.push(bytes, this.context.clock.nowUs());
  }

  private turnDeaf({ address, port }: Source): void {
    this.deafTo = address;
    this.deafToPort = port;
    this.deafUntilUs = this.context.clock.nowUs() + REFUSED_US;
  }

  close(reason: string): void {
    this.source?.session.end({ kind: 'revoked', reason });
  }
}
