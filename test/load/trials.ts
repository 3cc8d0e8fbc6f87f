/** The trials of the benchmark. */
import { playerLatency } from './player-latency.ts';
import { recordCost } from './record-cost.ts';
import { reloadStorm } from './reload-storm.ts';
import { requestRate } from './request-rate.ts';
import { rtspUdp } from './rtsp-udp.ts';
import { soundStreams } from './sound-streams.ts';
import { srtFanOut } from './srt-fan-out.ts';
import { srtpPackets } from './srtp-packets.ts';
import type { Trial, TrialOptions, TrialResult } from './trial.ts';
import { webrtcConnects } from './webrtc-connects.ts';
import { webrtcFanOut } from './webrtc-fan-out.ts';

export const TRIALS: readonly Trial[] = [
  requestRate,
  reloadStorm,
  playerLatency,
  recordCost,
  rtspUdp,
  srtFanOut,
  webrtcFanOut,
  webrtcConnects,
  srtpPackets,
  soundStreams,
];

export async function runTrial(trial: Trial, options: TrialOptions): Promise<TrialResult> {
  const { name, title } = trial;
  return { name, title, ...(await trial.run(options)) };
}
