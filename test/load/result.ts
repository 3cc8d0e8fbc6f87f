/** What one run of one case against one server gave; fields that a case does not measure are undefined. */
export interface Result {
  readonly case: string;
  readonly peer: string;
  readonly version: string;
  /** Players or publishers asked for. */
  readonly count: number;
  /** Share of one core that the server used. */
  readonly cpuPercent: number | undefined;
  readonly cpuSecondsPerGbit: number | undefined;
  readonly residentMib: number;
  readonly kibPerConnection: number | undefined;
  /** Delivered to all players, or taken from all publishers. */
  readonly mbps: number | undefined;
  readonly playerKbpsMin: number | undefined;
  readonly playerKbpsP50: number | undefined;
  /** Players that received every byte between the two marks. */
  readonly complete: number | undefined;
  /** Players that had not received the end mark in time. */
  readonly behind: number | undefined;
  readonly firstMediaP50Ms: number | undefined;
  readonly firstMediaP99Ms: number | undefined;
  readonly delayP50Ms: number | undefined;
  readonly delayP99Ms: number | undefined;
  readonly messagesPerSecond: number | undefined;
  readonly microsecondsPerMessage: number | undefined;
  /** Bytes that the server had not read from its sockets at the end. */
  readonly unreadKib: number | undefined;
  readonly startMs: number | undefined;
  /** Share of the server's core that something else used: a disturbed run when high. */
  readonly foreignPercent: number | undefined;
  /** Share of the load core that was busy. */
  readonly loadCorePercent: number | undefined;
  /** Share of it that the load processes used themselves. */
  readonly loadPercent: number | undefined;
  readonly notes: readonly string[];
}

/** The value at a rank of unsorted numbers, undefined without any; `rank` from 0 to 1. */
export function percentile(values: readonly number[], rank: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(rank * sorted.length))];
}
