/**
 * The built-in test channel: an embedded FLV clip played in a loop, in real time, while somebody watches. It costs
 * nothing otherwise: neither the clip is unpacked nor a timer runs.
 */

import type { Publication } from '../../media/publication.ts';
import type { OnDemandSource, StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { FlvIngest } from '../../packaging/flv-ingest.ts';
import type { Clock } from '../../util/clock.ts';
import { InvariantError } from '../../util/errors.ts';
import { FlvTagReader } from '../../wire/flv/tag-reader.ts';

interface Tag {
  readonly type: number;
  readonly timestampMs: number;
  readonly body: Uint8Array;
}

const TYPE_AUDIO = 8;
const TYPE_VIDEO = 9;
/** How far ahead of real time tags are published, so that a coarse timer never lets a player run dry. */
const LEAD_MS = 120;

export class DemoSource implements OnDemandSource {
  readonly description = 'built-in test channel';
  private readonly hub: StreamHub;
  private readonly clock: Clock;
  private readonly loadClip: () => Uint8Array;
  private readonly schedule: (run: () => void) => () => void;
  private publication: Publication | null = null;
  private cancelTimer: (() => void) | null = null;
  private ingest: FlvIngest | null = null;
  private tags: readonly Tag[] = [];
  private next = 0;
  private loopMs = 0;
  private loopLengthMs = 0;
  private startUs = 0;

  /** `schedule` calls back every few hundredths of a second until the function that it returned is called. */
  constructor(
    hub: StreamHub,
    clock: Clock,
    loadClip: () => Uint8Array,
    schedule: (run: () => void) => () => void,
  ) {
    this.hub = hub;
    this.clock = clock;
    this.loadClip = loadClip;
    this.schedule = schedule;
  }

  start(key: StreamKey): void {
    if (this.publication !== null) return;
    this.readClip();
    const owner = {
      id: 'demo',
      protocol: 'demo',
      remote: 'built in',
      host: '',
      via: [],
      revoke: () => this.halt(),
    };
    const publication = this.hub.publish(key, owner);
    this.publication = publication;
    this.ingest = new FlvIngest(publication);
    this.next = 0;
    this.loopMs = 0;
    // One GOP at once: the first viewer sees a picture without waiting.
    this.startUs = this.clock.nowUs() - 1_000_000;
    this.cancelTimer = this.schedule(() => this.advance());
    this.advance();
  }

  stop(): void {
    const { publication } = this;
    this.halt();
    publication?.end('nobody watches the test channel');
  }

  private halt(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
    this.publication = null;
    this.ingest = null;
    this.tags = [];
  }

  private readClip(): void {
    const tags: Tag[] = [];
    const reader = new FlvTagReader((type, timestampMs, body) => {
      tags.push({ type, timestampMs, body: Uint8Array.from(body) });
    });
    reader.receive(this.loadClip());
    if (tags.length === 0) throw new InvariantError('the embedded test clip holds no tags');
    this.tags = tags;
    this.loopLengthMs = loopLength(tags);
  }

  private advance(): void {
    const { ingest } = this;
    if (ingest === null) return;
    const untilMs = (this.clock.nowUs() - this.startUs) / 1000 + LEAD_MS;
    for (;;) {
      const tag = this.tags[this.next]!;
      const dueMs = this.loopMs + tag.timestampMs;
      if (dueMs > untilMs) return;
      // Headers and metadata are the same in every round.
      if (this.loopMs === 0 || tag.timestampMs > 0 || !isHeader(tag))
        ingest.tag(tag.type, dueMs >>> 0, tag.body);
      this.next++;
      if (this.next === this.tags.length) {
        this.next = 0;
        this.loopMs += this.loopLengthMs;
      }
    }
  }
}

function isHeader(tag: Tag): boolean {
  return tag.type !== TYPE_AUDIO && tag.type !== TYPE_VIDEO ? true : tag.body[1] === 0;
}

/** Length of a round: the last video frame and one frame more. */
function loopLength(tags: readonly Tag[]): number {
  const times = tags
    .filter((tag) => tag.type === TYPE_VIDEO && tag.body[1] === 1)
    .map((tag) => tag.timestampMs);
  const last = times.at(-1) ?? tags.at(-1)!.timestampMs;
  const frame = times.length > 1 ? (last - times[0]!) / (times.length - 1) : 0;
  return Math.round(last + frame);
}
