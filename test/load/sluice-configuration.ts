/** Writes the configuration that the product is measured with: shipped defaults but for addresses and merging. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchCase } from './cases.ts';
import type { Ports } from './servers.ts';

/**
 * `folder` gets config.xml and policy.xml. Players above the shipped limit per address get a higher one. `more` has
 * further elements of <config> and of the application live.
 */
export function writeSluiceConfiguration(
  folder: string,
  ports: Ports,
  benchCase: BenchCase,
  more: { readonly config: string; readonly live: string },
): void {
  const rtsp =
    benchCase.protocol === 'rtsp'
      ? `<rtsp><ip>127.0.0.1</ip><port>${ports.rtsp}</port><ssl>off</ssl></rtsp>`
      : '<rtsp><enable>off</enable></rtsp>';
  const srt = more.config.includes('<srt>') ? '' : '<srt><enable>off</enable></srt>';
  const webrtc = more.config.includes('<webrtc>') ? '' : '<webrtc><enable>off</enable></webrtc>';
  const room = benchCase.count + 1000;
  writeFileSync(
    join(folder, 'config.xml'),
    `<config>
  <rtmp><ip>127.0.0.1</ip><port>${ports.rtmp}</port><sport>${ports.rtmps}</sport></rtmp>
  <http><ip>127.0.0.1</ip><port>${ports.http}</port><sport>${ports.https}</sport></http>
  ${rtsp}
  ${srt}
  ${webrtc}
  <limits><connections>${Math.max(20_000, room)}</connections><per-address>${room}</per-address></limits>
  ${more.config}
</config>
`,
  );
  const play = benchCase.mergeMs === undefined ? '' : `<play merge="${benchCase.mergeMs}ms"/>`;
  writeFileSync(
    join(folder, 'policy.xml'),
    `<policy>
  <application name="live">${play}${more.live}</application>
</policy>
`,
  );
}
