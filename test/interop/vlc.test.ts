/** VLC, where it is installed, plays what it knows; what it wrote is read by our own reader. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openMediaFile } from '../../src/media-file/media-file.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { missing } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { readFrom } from '../unit/media-file/media-files.ts';

const ENOUGH_BYTES = 300_000;
const LIMIT_MS = 25_000;
/** VLC does not run as root. */
const NOBODY = 65_534;
const LIBRARIES = '/usr/lib';
const RTSP_PLUGIN = 'vlc/plugins/access/liblive555_plugin.so';

/** Debian builds VLC without it. */
function hasRtsp(): boolean {
  if (!existsSync(LIBRARIES)) return false;
  return readdirSync(LIBRARIES).some((name) => existsSync(join(LIBRARIES, name, RTSP_PLUGIN)));
}

describe('VLC', { concurrency: 5, skip: missing('vlc') }, () => {
  let server: TestServer;
  let cam: ClipPublisher;
  let folder = '';

  before(async () => {
    server = await TestServer.start({
      policy: '<application name="live"><hls><duration>1s</duration></hls></application>',
    });
    cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
    folder = mkdtempSync(join(tmpdir(), 'sluice-vlc-'));
    chmodSync(folder, 0o777);
  });

  after(async () => {
    cam.stop();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const rtsp = () => `rtsp://127.0.0.1:${server.rtspPort}/live/cam`;
  const noRtsp = hasRtsp() ? false : 'this VLC is built without live555';
  const ways: readonly (readonly [string, () => string, (string | false)?, ...string[]])[] = [
    ['rtmp', () => server.rtmp('/live/cam')],
    ['flv', () => server.http('/live/cam.flv')],
    ['ts', () => server.http('/live/cam.ts')],
    ['m3u8', () => server.http('/live/cam.m3u8')],
    ['mpd', () => server.http('/live/cam.mpd')],
    ['rtsp by UDP', rtsp, noRtsp],
    ['rtsp by TCP', rtsp, noRtsp, '--rtsp-tcp'],
  ];
  for (const [name, url, skip = false, ...options] of ways) {
    test(`plays ${name}`, { skip }, async () => {
      const path = join(folder, `${name.replaceAll(' ', '-')}.ts`);
      const output = `#std{access=file,mux=ts,dst=${path}}`;
      const child = spawn('vlc', ['-I', 'dummy', '-q', ...options, url(), '--sout', output], {
        stdio: 'ignore',
        env: { ...process.env, HOME: folder },
        ...(process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
      });
      try {
        const size = () => (existsSync(path) ? statSync(path).size : 0);
        await until('what VLC writes', () => size() > ENOUGH_BYTES, LIMIT_MS);
      } finally {
        child.kill('SIGKILL');
      }
      const file = await openMediaFile(path);
      const frames = await readFrom(file, 0);
      assert.deepEqual(file.tracks.map(({ kind, config }) => `${kind} ${config.codec}`).sort(), [
        'audio aac',
        'video h264',
      ]);
      for (const { id, kind } of file.tracks) {
        const own = frames.filter(({ trackId }) => trackId === id);
        assert.ok(own.length > 20, `${own.length} frames of ${kind}`);
      }
      await file.close();
    });
  }
});
