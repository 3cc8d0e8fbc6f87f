/**
 * WebRTC players that come one after another, ten at once: WHEP over HTTP, ICE, a full DTLS handshake, the pictures that
 * are held, DELETE. What one of them costs the main thread and the thread of WebRTC.
 */
import { SETTLE_MS } from './datagram-turn.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { LOAD_CORE } from './system.ts';
import type { Trial } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';
import { threadsSince, webrtcConfig } from './webrtc-fan-out.ts';
import type { WebrtcConnects } from './webrtc-receivers.ts';

const CONNECTS = 600;
const QUICK_CONNECTS = 150;
const TURNS = 3;
const LEAST_PER_CORE = 100;

export const webrtcConnects: Trial = {
  name: 'webrtc-connect',
  title: 'WebRTC: players that connect and leave (WHEP, ICE, DTLS), ten at once',
  missing: () => '',
  run: async ({ executable, count, isQuick }) => {
    const connects = count ?? (isQuick ? QUICK_CONNECTS : CONNECTS);
    const rows = [
      ['turn', 'connects/s', 'ms p50/p99', 'main ms each', 'thread ms each', 'all ms each', 'per core and s'],
    ];
    const perCore: number[] = [];
    const server = await TrialServer.start({
      executable,
      config: webrtcConfig(),
      clip: 'lo',
      publishers: 1,
      connections: connects,
    });
    const receivers = new TrialChild('webrtc-receivers.ts', LOAD_CORE);
    try {
      await delay(SETTLE_MS);
      const url = server.url('/live/bench/whep');
      await receivers.ask({ type: 'connect', count: QUICK_CONNECTS, url });
      for (let turn = 1; turn <= (isQuick ? 1 : TURNS); turn += 1) {
        const before = server.cpuByThread();
        const { seconds, millis } = await receivers.ask<WebrtcConnects>({
          type: 'connect',
          count: connects,
          url,
        });
        const { all, busiest, main } = threadsSince(before, server.cpuByThread());
        const each = (used: number): string => ((used * 1000) / connects).toFixed(2);
        const part = (share: number): string => percentile(millis, share)?.toFixed(0) ?? '-';
        perCore.push(connects / all);
        rows.push([
          String(turn),
          (connects / seconds).toFixed(0),
          `${part(0.5)}/${part(0.99)}`,
          each(main),
          each(busiest),
          each(all),
          (connects / all).toFixed(0),
        ]);
      }
    } finally {
      await receivers.stop();
      await server.close();
    }
    const rate = percentile(perCore, 0.5) ?? Number.NaN;
    return {
      rows,
      goals: [
        {
          text: `CPU ms for a connect, median <= ${1000 / LEAST_PER_CORE}`,
          value: 1000 / rate,
          limit: 1000 / LEAST_PER_CORE,
        },
      ],
      notes: [],
    };
  },
};
