/** Publishes FLV tags over RTMP at the speed of their timestamps, round and round. */
import { demoTags, type FlvTag, isConfig, TAG_AUDIO, TAG_SCRIPT, TAG_VIDEO } from './flv-tags.ts';
import { RtmpPeer, type RtmpPeerOptions } from './rtmp-peer.ts';

const PACE_MS = 20;

export interface ClipPublisherOptions extends RtmpPeerOptions {
  readonly name: string;
  /** Media of these tag types; default both. */
  readonly types?: readonly number[];
  /** Times the speed of the clip. */
  readonly speed?: number;
  /** Milliseconds of the clip that are sent at once when it begins. */
  readonly leadMs?: number;
  readonly tags?: readonly FlvTag[];
}

export class ClipPublisher {
  readonly peer: RtmpPeer;
  /** All that was sent. */
  readonly sent: FlvTag[] = [];
  private readonly tags: readonly FlvTag[];
  private readonly roundMs: number;
  private readonly speed: number;
  private readonly name: string;
  private next = 0;
  private startedMs: number;
  private timer: NodeJS.Timeout | null = null;

  private constructor(peer: RtmpPeer, options: ClipPublisherOptions) {
    this.peer = peer;
    this.name = options.name;
    const types = options.types ?? [TAG_AUDIO, TAG_VIDEO];
    this.tags = (options.tags ?? demoTags()).filter(
      (tag) => types.includes(tag.type) || keepsScript(tag, types),
    );
    this.speed = options.speed ?? 1;
    this.roundMs = Math.round(this.tags.at(-1)!.timestamp) + 40;
    this.startedMs = Date.now() - (options.leadMs ?? 2500) / this.speed;
  }

  /** Connects, publishes and begins to send. */
  static async start(options: ClipPublisherOptions): Promise<ClipPublisher> {
    const peer = await RtmpPeer.open(options);
    await peer.publish(options.name);
    const publisher = new ClipPublisher(peer, options);
    publisher.resume();
    return publisher;
  }

  private pump(): void {
    const now = (Date.now() - this.startedMs) * this.speed;
    for (;;) {
      const round = Math.floor(this.next / this.tags.length);
      const tag = this.tags[this.next % this.tags.length]!;
      const timestamp = tag.timestamp + round * this.roundMs;
      if (timestamp > now || this.peer.socket.writableLength > 4_000_000) return;
      this.next++;
      if (round > 0 && (isConfig(tag) || tag.type === TAG_SCRIPT)) continue;
      const sent = { ...tag, timestamp };
      this.sent.push(sent);
      this.peer.send(sent);
    }
  }

  resume(): void {
    this.timer ??= setInterval(() => this.pump(), PACE_MS);
    this.pump();
  }

  /** Falls silent; the connection stays. */
  pause(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Goes as a crashed encoder does. */
  crash(): void {
    this.pause();
    this.peer.close();
  }

  /** Says goodbye as an encoder does. */
  stop(): void {
    this.pause();
    this.peer.unpublish(this.name);
    this.peer.socket.end();
  }
}

/** Metadata of the clip names both tracks, so it goes only with both. */
function keepsScript(tag: FlvTag, types: readonly number[]): boolean {
  return tag.type === TAG_SCRIPT && types.length === 2;
}
