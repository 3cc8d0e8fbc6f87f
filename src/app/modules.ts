/** THE list: one line per protocol and service, in the order in which they start (and are asked for a route). */
import { cmafModule } from '../protocol/cmaf/index.ts';
import { dashModule } from '../protocol/dash/index.ts';
import { hlsModule } from '../protocol/hls/index.ts';
import { httpLiveModule } from '../protocol/http-live/index.ts';
import { httpPublishModule } from '../protocol/http-publish/index.ts';
import { mpegtsModule } from '../protocol/mpegts/index.ts';
import { rtmpModule } from '../protocol/rtmp/index.ts';
import { rtspModule } from '../protocol/rtsp/index.ts';
import { srtModule } from '../protocol/srt/index.ts';
import { webrtcModule } from '../protocol/webrtc/index.ts';
import type { ServerModule } from '../runtime/module.ts';
import { apiModule } from '../service/api/index.ts';
import { channelModule } from '../service/channel/index.ts';
import { consoleModule } from '../service/console/index.ts';
import { demoModule } from '../service/demo/index.ts';
import { pullModule } from '../service/pull/index.ts';
import { recordModule } from '../service/record/index.ts';
import { relayModule } from '../service/relay/index.ts';
import { slateModule } from '../service/slate/index.ts';
import { snapshotModule } from '../service/snapshot/index.ts';
import { transcodeModule } from '../service/transcode/index.ts';
import { vodModule } from '../service/vod/index.ts';

export const MODULES: readonly ServerModule[] = [
  rtmpModule,
  rtspModule,
  srtModule,
  // Before whatever else finds streams by patterns of names.
  transcodeModule,
  recordModule,
  vodModule,
  // Before what else is posted.
  webrtcModule,
  // Before the players: a WebSocket that publishes has the address of one that plays.
  httpPublishModule,
  mpegtsModule,
  httpLiveModule,
  cmafModule,
  hlsModule,
  dashModule,
  snapshotModule,
  demoModule,
  relayModule,
  pullModule,
  slateModule,
  apiModule,
  consoleModule,
  // Last: what listens to streams must see those that begin with the server.
  channelModule,
];
