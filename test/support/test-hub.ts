/** A hub on a fake clock, with owners and tracks to publish. */
import { makeCodecConfig } from '../../src/codec/codec-config.ts';
import type { Publication, PublicationOwner } from '../../src/media/publication.ts';
import { Pump } from '../../src/media/pump.ts';
import { StreamHub, type StreamRules } from '../../src/media/stream-hub.ts';
import { makeTrack } from '../../src/media/track.ts';
import { TickWheel } from '../../src/util/tick-wheel.ts';
import { FakeClock } from './fake-clock.ts';

export const RULES: StreamRules = {
  busy: 'refuse',
  failoverMs: 3000,
  steadyMs: 10_000,
  rankOf: () => 0,
  graceMs: 10_000,
  jitter: 'full',
  absoluteTime: false,
  gop: { cache: true, frames: 100, bytes: 100_000, us: 30_000_000 },
  feed: { queueUs: 10_000_000, queueBytes: 1_000_000, mergeUs: 0, mergeBytes: 65_536, stallUs: 30_000_000 },
  sound: { converter: null, mode: 'auto' },
};

export const VIDEO = makeCodecConfig('h264', new Uint8Array([1, 2, 3]), 'avc1.64001f', {
  width: 640,
  height: 360,
});
export const AUDIO = makeCodecConfig('aac', new Uint8Array([0x12, 0x10]), 'mp4a.40.2', {
  sampleRate: 44_100,
  channels: 2,
});

export class TestHub {
  readonly clock = new FakeClock();
  readonly faults: unknown[] = [];
  readonly tick: TickWheel;
  readonly pump: Pump;
  readonly hub: StreamHub;
  readonly revoked: string[] = [];
  rules: StreamRules = RULES;

  constructor(rules: Partial<StreamRules> = {}) {
    this.rules = { ...RULES, ...rules };
    this.tick = new TickWheel(this.clock, (error) => this.faults.push(error));
    this.pump = new Pump(this.clock, (error) => this.faults.push(error));
    this.hub = new StreamHub(this.pump, this.clock, this.tick, () => this.rules);
  }

  owner(id: string): PublicationOwner {
    return {
      id,
      protocol: 'test',
      remote: '127.0.0.1:1',
      host: '',
      via: [],
      revoke: (reason) => this.revoked.push(`${id}: ${reason}`),
    };
  }

  advanceMs(ms: number): void {
    this.clock.advanceMs(ms);
    this.tick.tick();
  }

  /** Lets flushes that were put off to the next turn of the event loop happen. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

export function addVideo(publication: Publication): void {
  publication.setTrack(makeTrack(0, VIDEO));
}

export function addAudio(publication: Publication): void {
  publication.setTrack(makeTrack(1, AUDIO));
}

export function writeVideo(publication: Publication, ms: number, key = false, bytes = 10): void {
  publication.write(0, key ? 1 : 0, ms, ms, 0, Buffer.alloc(bytes, 1), VIDEO);
}

export function writeAudio(publication: Publication, ms: number): void {
  publication.write(1, 0, ms, ms, 0, Buffer.alloc(6, 2), AUDIO);
}
