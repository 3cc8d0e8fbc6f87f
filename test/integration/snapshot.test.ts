/** Still pictures: the key frame as MP4, and as JPEG by a program that stands for ffmpeg. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TAG_AUDIO } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { missing } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const SHEBANG = process.platform === 'win32' ? 'no scripts that run by themselves on Windows' : false;

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-jpg-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** A program with this body; `input` is what came in, `runs` a file that gets a line for each run. */
function script(name: string, body: string): string {
  const path = join(folder, name);
  const runs = JSON.stringify(`${path}.runs`);
  writeFileSync(
    path,
    `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs');
appendFileSync(${runs}, process.pid + ' ' + process.argv.slice(2).join(' ') + '\\n');
const input = readFileSync(0);
${body}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

function runsOf(path: string): string[] {
  return existsSync(`${path}.runs`) ? readFileSync(`${path}.runs`, 'utf8').trim().split('\n') : [];
}

async function withServer(
  ffmpeg: string,
  run: (server: TestServer, port: number) => Promise<void>,
): Promise<void> {
  const server = await TestServer.start({ config: `<ffmpeg path="${ffmpeg}"/>` });
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
  const sound = await ClipPublisher.start({ port: server.rtmpPort, name: 'sound', types: [TAG_AUDIO] });
  const { hub } = server.application.context;
  try {
    await until('pictures', () => (hub.find('live/cam')?.cachedBytes ?? 0) > 0);
    await until('sound', () => (hub.find('live/sound')?.cachedBytes ?? 0) > 0);
    await run(server, server.httpPort);
  } finally {
    publisher.stop();
    sound.stop();
    await server.close();
  }
}

test('without ffmpeg: 501 says what to install and what works without it', async () => {
  await withServer('/nowhere/ffmpeg', async (_server, port) => {
    const answer = await ask({ port, path: '/live/cam.jpg' });
    assert.equal(answer.status, 501);
    assert.match(answer.text, /no program at \/nowhere\/ffmpeg/);
    assert.match(answer.text, /install it/);
    assert.match(answer.text, /\/live\/cam\.keyframe\.mp4/);
    const mp4 = await ask({ port, path: '/live/cam.keyframe.mp4' });
    assert.equal(mp4.status, 200);
    const checker = new Mp4Checker();
    const [run] = checker.stream(mp4.body);
    assert.deepEqual(checker.violations, []);
    assert.deepEqual([run?.samples, run?.keys], [1, 1]);
  });
});

test('what is not there', async () => {
  await withServer('/nowhere/ffmpeg', async (_server, port) => {
    for (const [path, status] of [
      ['/live/nobody.jpg', 404],
      ['/live/sound.jpg', 415],
      ['/live/sound.keyframe.mp4', 415],
      ['/nothere.jpg', 400],
    ] as const) {
      assert.equal((await ask({ port, path })).status, status, path);
    }
  });
});

test('the program gets the key frame, and many requests cost one run', { skip: SHEBANG }, async () => {
  const program = script('good', "process.stdout.write(Buffer.concat([Buffer.from('JPEG'), input]));");
  await withServer(program, async (_server, port) => {
    const mp4 = await ask({ port, path: '/live/cam.keyframe.mp4' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ port, path: '/live/cam.jpg' })));
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], 'image/jpeg');
      assert.equal(answer.text.slice(0, 4), 'JPEG');
      assert.ok(answer.body.equals(answers[0]!.body));
    }
    // The clip has a key frame every two seconds, so the one before may have been asked for.
    assert.equal(answers[0]!.body.toString('latin1', 8, 12), mp4.body.toString('latin1', 4, 8));
    assert.equal(runsOf(program).length, 1);
    assert.match(runsOf(program)[0]!, /-i pipe:0 .*pipe:1$/);
    const head = await ask({ port, path: '/live/cam.jpg', method: 'HEAD' });
    assert.equal(head.body.length, 0);
    assert.equal(Number(head.headers['content-length']) > 1000, true);
  });
});

test('a program that fails: 502, its complaint is logged, and it is not asked again at once', {
  skip: SHEBANG,
}, async () => {
  const program = script('bad', "process.stderr.write('no decoder'); process.exitCode = 3;");
  await withServer(program, async (server, port) => {
    for (let i = 0; i < 3; i++) {
      const answer = await ask({ port, path: '/live/cam.jpg' });
      assert.equal(answer.status, 502);
      assert.match(answer.text, /could make no picture of live\/cam/);
    }
    assert.equal(runsOf(program).length, 1);
    assert.match(JSON.stringify(server.logged('snapshot.ffmpeg-failed')), /no decoder/);
  });
});

test('a server that stops takes the program with it', { skip: SHEBANG }, async () => {
  const program = script('endless', 'setInterval(() => undefined, 1000);');
  let answer: Promise<{ status: number }> = Promise.resolve({ status: 0 });
  await withServer(program, async (_server, port) => {
    answer = ask({ port, path: '/live/cam.jpg' }).catch(() => ({ status: -1 }));
    await until('the program runs', () => runsOf(program).length === 1);
  });
  const pid = Number(runsOf(program)[0]!.split(' ')[0]);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await answer;
});

test('the real ffmpeg makes a JPEG', { skip: missing('ffmpeg') }, async () => {
  await withServer('', async (_server, port) => {
    const answer = await ask({ port, path: '/live/cam.jpg' });
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    assert.equal(answer.body.readUInt16BE(0), 0xffd8);
    assert.equal(answer.body.readUInt16BE(answer.body.length - 2), 0xffd9);
  });
});
