/** A child process that cannot be started is one that ended, not a fault. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { FfmpegRun } from '../../../../src/service/transcode/ffmpeg-run.ts';

test('a program that is not there', async () => {
  const complaint = await new Promise<string>((resolve) => {
    const run = new FfmpegRun('/nowhere/ffmpeg', [], { onOutput: () => undefined, onEnd: resolve });
    assert.equal(run.pid, 0);
    run.write(new Uint8Array(1), null);
  });
  assert.match(complaint, /ENOENT/);
});

test('a system without another file descriptor', {
  skip: process.platform === 'win32' ? 'no limit of descriptors to set on Windows' : false,
}, () => {
  const module = new URL('../../../../src/service/transcode/ffmpeg-run.ts', import.meta.url).href;
  const script = `
    import { openSync } from 'node:fs';
    import { FfmpegRun } from ${JSON.stringify(module)};
    try { for (;;) openSync('/dev/null'); } catch {}
    const run = new FfmpegRun('/bin/cat', [], { onOutput() {}, onEnd: (complaint) => console.log('ended: ' + complaint) });
    run.write(new Uint8Array(1), null);
    console.log('waiting: ' + run.waitingBytes);`;
  const { stdout, stderr, status } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'waiting: 0\nended: spawn /bin/cat EMFILE\n');
});
