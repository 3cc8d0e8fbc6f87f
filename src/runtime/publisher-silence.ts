/** How long a publisher has given no media, whatever the protocol: until its first packet, and from one to the next. */

/** `<publish first-packet idle>` of the policy; 0 = for ever. */
export interface PublisherTimes {
  readonly firstPacketMs: number;
  readonly idleMs: number;
}

/** Times are microseconds of the monotonic clock. */
export class PublisherSilence {
  private readonly startUs: number;
  private readonly firstPacketMs: number;
  private readonly idleMs: number;
  private lastMediaUs: number;

  constructor(nowUs: number, { firstPacketMs, idleMs }: PublisherTimes) {
    this.startUs = nowUs;
    this.firstPacketMs = firstPacketMs;
    this.idleMs = idleMs;
    this.lastMediaUs = 0;
  }

  /** Pictures or sound came. Hot path. */
  onMedia(nowUs: number): void {
    this.lastMediaUs = nowUs;
  }

  /** Data keep a stream alive; but they are not the first packet that is waited for. */
  onData(nowUs: number): void {
    if (this.lastMediaUs !== 0) this.lastMediaUs = nowUs;
  }

  /** '' while all is well, else why the publisher must go: a sentence for the peer and the log. */
  overdue(nowUs: number): string {
    const { firstPacketMs, idleMs } = this;
    if (this.lastMediaUs === 0) {
      return firstPacketMs > 0 && nowUs - this.startUs > firstPacketMs * 1000
        ? `The publisher sent no media within ${firstPacketMs / 1000} s (publish first-packet in policy.xml).`
        : '';
    }
    return idleMs > 0 && nowUs - this.lastMediaUs > idleMs * 1000
      ? `The publisher sent no media for ${idleMs / 1000} s (publish idle in policy.xml).`
      : '';
  }
}
