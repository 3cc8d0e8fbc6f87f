/** The cases of the benchmark, and the goals that a case has by itself or beside other servers. */
import type { ClipName } from './clip-recipe.ts';
import type { PlayerProtocol } from './player.ts';
import type { Result } from './result.ts';

export interface BenchCase {
  readonly name: string;
  readonly kind: 'play' | 'push' | 'start';
  readonly protocol: Exclude<PlayerProtocol, 'raw'>;
  readonly tls: boolean;
  /** Players, or publishers of a push case. */
  readonly count: number;
  readonly clip: ClipName;
  /** Upper bound of merged writes to configure; undefined leaves the server's default. */
  readonly mergeMs: number | undefined;
  readonly goals: readonly Goal[];
}

/** One requirement; undefined when a result that it needs is not there. */
interface Goal {
  readonly text: string;
  check(own: Result, others: ReadonlyMap<string, Result>): { value: number; limit: number } | undefined;
}

type Measure = (result: Result) => number | undefined;

const cpuPerGbit: Measure = (result) => result.cpuSecondsPerGbit;
const cpuPercent: Measure = (result) => result.cpuPercent;

function atMost(text: string, limit: number, measure: Measure): Goal {
  return {
    text: `${text} <= ${limit}`,
    check: (own) => {
      const value = measure(own);
      return value === undefined ? undefined : { value, limit };
    },
  };
}

function ratio(text: string, limit: number, peer: string, measure: Measure): Goal {
  return {
    text: `${text} <= ${limit} x ${peer}`,
    check: (own, others) => {
      const other = others.get(peer);
      const value = measure(own);
      const base = other === undefined ? undefined : measure(other);
      if (value === undefined || base === undefined || base === 0) return undefined;
      return { value: value / base, limit };
    },
  };
}

const allComplete: Goal = {
  text: 'incomplete players <= 0',
  check: (own) => (own.complete === undefined ? undefined : { value: own.count - own.complete, limit: 0 }),
};
const memoryPerPlayer = atMost('KiB per player', 24, (result) => result.kibPerConnection);

function play(
  name: string,
  protocol: BenchCase['protocol'],
  count: number,
  clip: ClipName,
  mergeMs: number | undefined,
  goals: readonly Goal[],
  tls = false,
): BenchCase {
  return { name, kind: 'play', protocol, tls, count, clip, mergeMs, goals: [...goals, allComplete] };
}

export const CASES: readonly BenchCase[] = [
  play('rtmp-3000-lo', 'rtmp', 3000, 'lo', 350, [
    atMost('CPU-s per Gbit', 0.15, cpuPerGbit),
    ratio('CPU-s per Gbit', 0.3, 'nms2', cpuPerGbit),
    ratio('CPU-s per Gbit', 0.2, 'nginx', cpuPerGbit),
    ratio('CPU-s per Gbit', 1.35, 'bare', cpuPerGbit),
    memoryPerPlayer,
  ]),
  play('rtmp-1000-lo', 'rtmp', 1000, 'lo', undefined, [
    atMost('delay p50 ms', 30, (result) => result.delayP50Ms),
    atMost('CPU-s per Gbit', 0.8, cpuPerGbit),
    ratio('CPU-s per Gbit', 0.4, 'nginx', cpuPerGbit),
  ]),
  play('rtmp-1000-lo-200', 'rtmp', 1000, 'lo', 200, [
    atMost('delay p50 ms', 100, (result) => result.delayP50Ms),
    atMost('CPU-s per Gbit', 0.3, cpuPerGbit),
  ]),
  play('rtmp-3000-hi', 'rtmp', 3000, 'hi', 350, [
    atMost('CPU-s per Gbit', 0.08, cpuPerGbit),
    memoryPerPlayer,
  ]),
  play('rtmp-10-lo', 'rtmp', 10, 'lo', undefined, [atMost('delay p50 ms', 3, (result) => result.delayP50Ms)]),
  play('flv-3000-lo', 'http-flv', 3000, 'lo', 350, [memoryPerPlayer]),
  play('flv-1000-lo', 'http-flv', 1000, 'lo', undefined, []),
  play('flv-3000-hi', 'http-flv', 3000, 'hi', 350, []),
  play('flv-10-lo', 'http-flv', 10, 'lo', undefined, []),
  play('ws-3000-lo', 'ws-flv', 3000, 'lo', 350, [memoryPerPlayer]),
  play('ws-1000-lo', 'ws-flv', 1000, 'lo', undefined, []),
  play('ws-3000-hi', 'ws-flv', 3000, 'hi', 350, []),
  play('ws-10-lo', 'ws-flv', 10, 'lo', undefined, []),
  play('rtsp-3000-lo', 'rtsp', 3000, 'lo', 350, []),
  play('rtsp-1000-lo', 'rtsp', 1000, 'lo', undefined, []),
  play('rtsp-1000-lo-200', 'rtsp', 1000, 'lo', 200, []),
  play('rtsp-3000-hi', 'rtsp', 3000, 'hi', 350, []),
  play('rtmps-300-lo', 'rtmp', 300, 'lo', 350, [], true),
  play('https-flv-300-lo', 'http-flv', 300, 'lo', 350, [], true),
  {
    name: 'push-1000-lo',
    kind: 'push',
    protocol: 'rtmp',
    tls: false,
    count: 1000,
    clip: 'lo',
    mergeMs: undefined,
    goals: [ratio('CPU', 0.5, 'nms4', cpuPercent), ratio('CPU', 1, 'nginx', cpuPercent)],
  },
  {
    name: 'start',
    kind: 'start',
    protocol: 'rtmp',
    tls: false,
    count: 0,
    clip: 'lo',
    mergeMs: undefined,
    goals: [
      atMost('start ms', 250, (result) => result.startMs),
      atMost('idle RSS MiB', 70, (result) => result.residentMib),
    ],
  },
];

/**
 * The RTMP case that a case of FLV or RTSP is held against. With ten players the fixed cost of the process is
 * most of the figure, so those are not compared.
 */
export function rtmpTwin(name: string): string | undefined {
  const match = /^(?:flv|ws|rtsp)-(\d{3,}-.*)$/.exec(name);
  return match === null ? undefined : `rtmp-${match[1]}`;
}

/** Times the CPU per Gbit of its RTMP case that a case may need. */
export function overRtmpLimit({ protocol }: BenchCase): number {
  return protocol === 'rtsp' ? 1.15 : 1.1;
}
