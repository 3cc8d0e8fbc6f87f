/** Pictures converted by the machine's ffmpeg, or by what stands for it: times, sound, lost children, reasons. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FRAME_KEY, type Frame } from '../../src/media/frame.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import type { Track } from '../../src/media/track.ts';
import { ask } from '../support/http-client.ts';
import { type ClipFrames, HubPublisher, readClip } from '../support/hub-publisher.ts';
import { makeClip } from '../support/node-av.ts';
import { missing, NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { refusal, until } from '../support/until.ts';

const SKIP = missing('ffmpeg') || NODE_AV_MISSING;
const SHEBANG =
  process.platform === 'win32' ? 'no scripts that run by themselves on Windows' : NODE_AV_MISSING;
const WAIT_MS = 20_000;
const CLIP_SECONDS = 3;

let hevc: ClipFrames;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-transcode-'));
  if (NODE_AV_MISSING === false)
    hevc = readClip(await makeClip({ video: 'libx265', audio: 'aac', format: 'mpegts' }, CLIP_SECONDS));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Everything of a stream. */
class Viewer {
  readonly frames: Frame[] = [];
  tracks: readonly Track[] = [];
  ended = '';
  readonly leave: () => void;

  constructor(server: TestServer, name: string) {
    const { detach } = server.application.context.hub.consume(
      makeStreamKey('live', name),
      {
        onTracks: (tracks) => {
          this.tracks = tracks;
        },
        onFrame: (frame) => this.frames.push(frame),
        onPause: () => undefined,
        onEnd: (reason) => {
          this.ended = reason;
        },
      },
      0,
    );
    this.leave = detach;
  }

  of(kind: Track['kind']): Frame[] {
    const ids = this.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
    return this.frames.filter(({ trackId }) => ids.includes(trackId));
  }
}

async function withServer(
  options: { config?: string; policy?: string },
  run: (server: TestServer) => Promise<void>,
): Promise<void> {
  const server = await TestServer.start(options);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

function childOf(server: TestServer): number {
  const session = server.application.context.sessions.all().find(({ protocol }) => protocol === 'transcode');
  return Number(session?.details?.()['pid'] ?? 0);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // In a container nobody may take notice of the end of an orphan.
    return process.platform !== 'linux' || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Uneven steps, so that times tell which picture is meant. */
const uneven = (ptsMs: number) => ptsMs + ((Math.round(ptsMs) * 7919) % 11);

for (const [target, codec] of [
  ['h264', 'h264'],
  ['vp8', 'vp8'],
] as const) {
  test(`HEVC with B-frames to ${target}: every picture once, at its time, with the sound of its time`, {
    skip: SKIP,
  }, async () => {
    await withServer({}, async (server) => {
      const publisher = new HubPublisher(server.application.context.hub, 'cam', hevc, 600, uneven);
      const source = new Viewer(server, 'cam');
      const viewer = new Viewer(server, `cam~${target}`);
      await server.until('75 pictures', () => viewer.of('video').length >= 75, WAIT_MS);
      publisher.stop();
      assert.equal(viewer.tracks.find(({ kind }) => kind === 'video')?.config.codec, codec);
      assert.equal(viewer.tracks.find(({ kind }) => kind === 'audio')?.config.codec, 'aac');

      const pictures = viewer.of('video');
      const sound = viewer.of('audio');
      const twin = source.of('audio').find(({ payload }) => Buffer.compare(payload, sound[0]!.payload) === 0);
      assert.ok(twin, 'sound is passed on as it is');
      const offset = twin.pts - sound[0]!.pts;
      const sourceTimes = source
        .of('video')
        .map(({ pts }) => pts)
        .sort((a, b) => a - b);
      const from = sourceTimes.indexOf(pictures[0]!.pts + offset);
      assert.ok(from >= 0, 'the first picture has the time of one of the source');
      const expected = sourceTimes.slice(from, from + pictures.length);
      assert.deepEqual(
        pictures.map(({ pts }) => pts + offset),
        expected,
      );
      assert.ok(
        pictures.every(({ pts, dts }) => pts === dts),
        'no picture is decoded before its time',
      );
      // By the second, and one more at the beginning.
      const keys = pictures.filter(({ flags }) => (flags & FRAME_KEY) !== 0);
      assert.equal((pictures[0]!.flags & FRAME_KEY) !== 0, true);
      for (let i = 1; i < keys.length; i++) assert.ok(keys[i]!.pts - keys[i - 1]!.pts >= 1_990_000);
      assert.ok(keys.length >= 2);
      const wrongSound = sound.filter(
        ({ payload, pts }) =>
          !source
            .of('audio')
            .some((one) => one.pts === pts + offset && Buffer.compare(one.payload, payload) === 0),
      );
      assert.deepEqual(wrongSound, []);
      source.leave();
      viewer.leave();
    });
  });
}

test('a key frame is made when a player asks for one', { skip: SKIP }, async () => {
  await withServer({}, async (server) => {
    const { hub } = server.application.context;
    const publisher = new HubPublisher(hub, 'cam', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    const keys = () => viewer.of('video').filter(({ flags }) => (flags & FRAME_KEY) !== 0);
    await server.until('pictures', () => viewer.of('video').length >= 20, WAIT_MS);
    const stream = hub.find('live/cam~h264');
    assert.ok(stream);
    hub.publisherOf(stream)?.requestKeyFrame?.();
    await server.until('another key frame', () => keys().length >= 2, WAIT_MS);
    assert.ok(keys()[1]!.pts - keys()[0]!.pts < 1_900_000, 'before its turn');
    viewer.leave();
    publisher.stop();
  });
});

test('a killed child is replaced, and the player stays', { skip: SKIP }, async () => {
  await withServer({}, async (server) => {
    const publisher = new HubPublisher(server.application.context.hub, 'cam', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('pictures', () => viewer.of('video').length >= 5, WAIT_MS);
    const pid = childOf(server);
    const before = viewer.of('video').length;
    process.kill(pid, 'SIGKILL');
    await server.until('another child', () => childOf(server) > 0 && childOf(server) !== pid, WAIT_MS);
    await server.until('pictures again', () => viewer.of('video').length >= before + 20, WAIT_MS);
    assert.equal(viewer.ended, '');
    assert.equal(server.logged('transcode.lost').length, 1);
    const pictures = viewer.of('video');
    assert.ok(pictures.every(({ pts }, i) => i === 0 || pts > pictures[i - 1]!.pts));
    viewer.leave();
    publisher.stop();
  });
});

test('the child ends with the last player, with the source, and with the server', {
  skip: SKIP,
}, async () => {
  await withServer({}, async (server) => {
    const { hub, sessions } = server.application.context;
    const publisher = new HubPublisher(hub, 'cam', hevc, 600);
    const other = new HubPublisher(hub, 'other', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('pictures', () => viewer.of('video').length >= 5, WAIT_MS);
    const first = childOf(server);
    viewer.leave();
    await server.until('its end', () => !isAlive(first), WAIT_MS);
    assert.equal(hub.find('live/cam~h264'), undefined);
    assert.equal(
      sessions.all().some(({ protocol }) => protocol === 'transcode'),
      false,
    );

    const again = new Viewer(server, 'cam~vp8');
    await server.until('pictures', () => again.of('video').length >= 5, WAIT_MS);
    const second = childOf(server);
    publisher.stop();
    hub.giveUp(makeStreamKey('live', 'cam'), 'The camera is gone.');
    await server.until('its end', () => !isAlive(second), WAIT_MS);
    await server.until('the end of the player', () => again.ended !== '', WAIT_MS);
    assert.equal(again.ended, 'The camera is gone.');

    const last = new Viewer(server, 'other~h264');
    await server.until('pictures', () => last.of('video').length >= 5, WAIT_MS);
    const third = childOf(server);
    await server.application.stop('the test is over');
    assert.equal(isAlive(third), false);
    other.stop();
  });
});

test('what is made is seen in the API, and can be ended there', { skip: SKIP }, async () => {
  await withServer({}, async (server) => {
    const publisher = new HubPublisher(server.application.context.hub, 'cam', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('pictures', () => viewer.of('video').length >= 5, WAIT_MS);
    const { text } = await ask({ port: server.httpPort, path: '/api/v1/clients/' });
    const { clients } = JSON.parse(text) as { clients: { protocol: string; id: string; details: object }[] };
    const shown = clients.find(({ protocol }) => protocol === 'transcode');
    assert.ok(shown);
    const { source, from, to, encoder } = shown.details as Record<string, unknown>;
    assert.deepEqual([source, from, to], ['live/cam', 'h265', 'h264']);
    assert.match(String(encoder), /264/);
    server.application.context.sessions.get(shown.id)?.kick('An operator ended it.');
    await server.until('the end of the player', () => viewer.ended !== '', WAIT_MS);
    assert.equal(viewer.ended, 'An operator ended it.');
    publisher.stop();
  });
});

test('without ffmpeg the player is told why', { skip: NODE_AV_MISSING }, async () => {
  await withServer({ config: '<ffmpeg path="/nowhere/ffmpeg"/>' }, async (server) => {
    const { hub, videoConversions } = server.application.context;
    const publisher = new HubPublisher(hub, 'cam', hevc, 600);
    const stream = hub.find('live/cam');
    assert.ok(stream);
    const reason = await videoConversions.reasonAgainst(stream, 'h264');
    assert.equal(
      reason,
      'that needs the program ffmpeg, which was not found at /nowhere/ffmpeg (<ffmpeg> in config.xml)',
    );
    const player = videoConversions.choose(stream, (codec) => codec === 'h264' || codec === 'vp8');
    assert.match(
      await refusal(player),
      /live\/cam is H\.265, which this player does not offer.+\/nowhere\/ffmpeg/,
    );
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('the end', () => viewer.ended !== '', WAIT_MS);
    assert.match(viewer.ended, /live\/cam~h264 cannot be made: that needs the program ffmpeg/);
    publisher.stop();
  });
});

test('what WebRTC players are given, by policy and by what they can play', { skip: SKIP }, async () => {
  const policy = '<stream name="live/never"><transcode pictures="never"/></stream>';
  await withServer({ policy }, async (server) => {
    const { hub, videoConversions } = server.application.context;
    const publishers = ['cam', 'never'].map((name) => new HubPublisher(hub, name, hevc, 600));
    const [cam, never] = ['live/cam', 'live/never'].map((text) => hub.find(text)!);
    const chosen = await videoConversions.choose(cam!, (codec) => codec === 'h264');
    assert.equal(chosen.key.text, 'live/cam~h264');
    assert.match(chosen.note, /does not offer H\.265/);
    const firefox = await videoConversions.choose(cam!, (codec) => codec === 'vp8');
    assert.equal(firefox.key.text, 'live/cam~vp8');
    assert.match(
      await refusal(videoConversions.choose(never!, (codec) => codec === 'h264')),
      /pictures="never"/,
    );
    await assert.rejects(async () => new Viewer(server, 'never~h264'), /Nobody publishes/);
    await assert.rejects(async () => new Viewer(server, 'cam~h264~vp8'), /Nobody publishes/);
    for (const publisher of publishers) publisher.stop();
  });
});

test('a child ends when the server crashes', { skip: SKIP }, async () => {
  const module = new URL('../../src/service/transcode/ffmpeg-run.ts', import.meta.url).href;
  const server = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { FfmpegRun } from ${JSON.stringify(module)};
     const args = ['-v', 'error', '-nostdin', '-f', 'rawvideo', '-s', '16x16', '-i', 'pipe:0', '-f', 'rawvideo', 'pipe:1'];
     const run = new FfmpegRun('ffmpeg', args, { onOutput() {}, onEnd() {} });
     run.write(new Uint8Array(100), null);
     console.log(run.pid);`,
  ]);
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  assert.equal(isAlive(pid), true);
  server.kill('SIGKILL');
  await until('the end of ffmpeg', () => !isAlive(pid), WAIT_MS);
});

/** A program with this body that stands for ffmpeg; it knows all encoders. */
function script(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `#!${process.execPath}
const { appendFileSync } = require('node:fs');
if (process.argv.includes('-encoders')) {
  console.log(' V....D libx264 H.264\\n V....D libvpx VP8');
} else {
  appendFileSync(${JSON.stringify(`${path}.runs`)}, process.argv.slice(2).join(' ') + '\\n');
  ${body}
}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

test('a child that fails each time is given up, and the player is told what it said', {
  skip: SHEBANG,
}, async () => {
  const path = script('broken', "console.error('Conversion failed!'); process.exit(1);");
  await withServer({ config: `<ffmpeg path="${path}"/>` }, async (server) => {
    const publisher = new HubPublisher(server.application.context.hub, 'cam', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('the end', () => viewer.ended !== '', WAIT_MS);
    assert.match(viewer.ended, /ffmpeg failed 5 times, at last with: Conversion failed!/);
    assert.equal(readFileSync(`${path}.runs`, 'utf8').trim().split('\n').length, 5);
    publisher.stop();
  });
});

test('a child that neither takes nor gives anything ends with the server', {
  skip: SHEBANG,
}, async () => {
  const path = script('stuck', 'setInterval(() => undefined, 1000);');
  await withServer({ config: `<ffmpeg path="${path}"/>` }, async (server) => {
    const publisher = new HubPublisher(server.application.context.hub, 'cam', hevc, 600);
    const viewer = new Viewer(server, 'cam~h264');
    await server.until('the child', () => existsSync(`${path}.runs`), WAIT_MS);
    const pid = childOf(server);
    viewer.leave();
    publisher.stop();
    await server.application.stop('the test is over');
    assert.equal(isAlive(pid), false);
  });
});

test('no more streams are converted at once than allowed', { skip: SHEBANG }, async () => {
  const path = script('idle', 'process.stdin.resume();');
  const config = `<ffmpeg path="${path}"/><transcode max="1"/>`;
  await withServer({ config }, async (server) => {
    const { hub, videoConversions } = server.application.context;
    const publishers = ['cam', 'yard'].map((name) => new HubPublisher(hub, name, hevc, 600));
    const first = new Viewer(server, 'cam~h264');
    const yard = hub.find('live/yard');
    assert.ok(yard);
    assert.match(await videoConversions.reasonAgainst(yard, 'h264'), /1 streams already/);
    assert.equal(await videoConversions.reasonAgainst(hub.find('live/cam')!, 'h264'), '');
    const second = new Viewer(server, 'yard~h264');
    await server.until('the refusal', () => second.ended !== '', WAIT_MS);
    assert.match(second.ended, /live\/yard~h264 cannot be made: the server converts 1 streams already/);
    first.leave();
    for (const publisher of publishers) publisher.stop();
  });
});
