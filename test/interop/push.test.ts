/** Programs that push by HTTP, UDP, RTP and TCP, and one that receives our datagrams: bit by bit where all must arrive. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { makeClip } from '../support/node-av.ts';
import { missing, NODE_AV_MISSING, run, start } from '../support/programs.ts';
import { demoRecording, StreamWitness } from '../support/publish-body.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const NODE_AV = fileURLToPath(new URL('../support/node-av-ffmpeg.mjs', import.meta.url));
const whole = demoRecording(60);

let server: TestServer;
let folder = '';
const witnesses: StreamWitness[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-push-'));
  server = await TestServer.start({
    config: `<mpegts><listen>udp://127.0.0.1:0?stream=live/udp</listen>
      <listen>udp://127.0.0.1:0?stream=live/rtp</listen><listen>tcp://127.0.0.1:0?stream=live/tcp</listen></mpegts>`,
    policy: '<application name="live"><publish idle="1s" grace="0"/></application>',
  });
});

after(async () => {
  for (const witness of witnesses) witness.detach();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function watch(name: string): StreamWitness {
  const witness = new StreamWitness(server.application.context.hub, 'live', name);
  witnesses.push(witness);
  return witness;
}

function portOf(name: string): number {
  const { fields } = server
    .logged('mpegts.listening')
    .find((line) => line.fields['stream'] === `live/${name}`)!;
  return Number(/:(\d+)$/.exec(String(fields['url']))![1]);
}

const details = () => server.application.context.sessions.all().map((session) => session.details?.() ?? {});

/** A clip that was only copied into another container. */
async function copied(format: string, ...options: readonly string[]): Promise<string> {
  const path = join(folder, `clip.${format}`);
  const ran = await run('ffmpeg', [
    '-v',
    'error',
    '-y',
    '-i',
    CLIP,
    '-c',
    'copy',
    ...options,
    '-f',
    format,
    path,
  ]);
  assert.equal(ran.code, 0, ran.err);
  return path;
}

const FRAGMENTS = ['-movflags', 'frag_keyframe+empty_moov+default_base_moof'];

describe('ffmpeg of the system pushes', { skip: missing('ffmpeg') }, () => {
  for (const [what, options, url] of [
    ['FLV by POST', ['-f', 'flv'], (name: string) => server.http(`/live/${name}.flv`)],
    ['MPEG-TS by PUT', ['-f', 'mpegts', '-method', 'PUT'], (name: string) => server.http(`/live/${name}.ts`)],
    [
      'fragmented MP4 by POST',
      [...FRAGMENTS, '-f', 'mp4', '-method', 'POST'],
      (name: string) => server.http(`/live/${name}.mp4`),
    ],
  ] as const) {
    test(what, async () => {
      const name = what.replace(/\W+/g, '-').toLowerCase();
      const witness = watch(name);
      const ran = await run('ffmpeg', [
        '-v',
        'error',
        '-nostdin',
        '-i',
        CLIP,
        '-c',
        'copy',
        ...options,
        url(name),
      ]);
      assert.equal(ran.code, 0, ran.err);
      await until('the end', () => witness.ended !== '');
      witness.assertWhole(whole);
    });
  }

  for (const [name, format, url] of [
    ['udp', 'mpegts', () => `udp://127.0.0.1:${portOf('udp')}`],
    ['udp', 'mpegts', () => `udp://127.0.0.1:${portOf('udp')}?pkt_size=1316`],
    ['rtp', 'rtp_mpegts', () => `rtp://127.0.0.1:${portOf('rtp')}`],
    ['tcp', 'mpegts', () => `tcp://127.0.0.1:${portOf('tcp')}`],
  ] as const) {
    test(`${format} to ${url
      .toString()
      .replace(/^[^`]*`|`$/g, '')
      .replace(/\$\{.*?\}/, 'port')}`, async () => {
      const witness = watch(name);
      const ran = await run('ffmpeg', [
        '-v',
        'error',
        '-nostdin',
        '-readrate',
        '6',
        '-i',
        CLIP,
        '-c',
        'copy',
        '-f',
        format,
        url(),
      ]);
      assert.equal(ran.code, 0, ran.err);
      const told = details().find((one) => one['format'] === 'ts');
      if (told !== undefined) assert.equal(told['continuity_errors'], 0);
      await until('the end', () => witness.ended !== '', 15_000);
      // Its RTP packetizer keeps the last datagrams for itself.
      if (name === 'rtp')
        assert.ok(witness.frames.length > whole.frames.length - 60, `${witness.frames.length} frames`);
      else witness.assertWhole(whole);
    });
  }
});

describe('FFmpeg 8 pushes', { skip: NODE_AV_MISSING }, () => {
  for (const [what, video, audio, format, suffix] of [
    ['H.264 and AAC in FLV', 'libx264', 'aac', 'flv', 'flv'],
    ['HEVC and AAC in enhanced FLV', 'libx265', 'aac', 'flv', 'flv'],
    ['HEVC and AAC in MPEG-TS', 'libx265', 'aac', 'mpegts', 'ts'],
    ['H.264 and Opus in MPEG-TS', 'libx264', 'libopus', 'mpegts', 'ts'],
    ['H.264 and MP3 in MPEG-TS', 'libx264', 'libmp3lame', 'mpegts', 'ts'],
  ] as const) {
    test(what, async () => {
      const path = await makeClip({ video, audio, format }, 2);
      const name = what.replace(/\W+/g, '-').toLowerCase();
      const witness = watch(name);
      const url = server.http(`/live/${name}.${suffix}`);
      const ran = await run(process.execPath, [NODE_AV, 'copy', path, url, format]);
      assert.equal(ran.code, 0, ran.err);
      await until('the end', () => witness.ended !== '');
      const { streams } = JSON.parse(ran.out.trim().split('\n').at(-1)!) as {
        streams: { kind: string; packets: string[] }[];
      };
      for (const { kind, packets } of streams)
        assert.equal(witness.ofKind(kind as 'video' | 'audio').length, packets.length, kind);
    });
  }
});

describe('curl pushes', { skip: missing('curl', 'ffmpeg') }, () => {
  for (const [what, args] of [
    ['-T', (path: string) => ['-T', path]],
    ['--data-binary', (path: string) => ['--data-binary', `@${path}`]],
    ['-T over HTTP/2', (path: string) => ['-k', '--http2', '-T', path]],
    ['-T from standard input, in chunks', (path: string) => ['-T', '-', '--next-file', path]],
  ] as const) {
    for (const [format, suffix, options] of [
      ['flv', 'flv', []],
      ['mpegts', 'ts', []],
      ['mp4', 'mp4', FRAGMENTS],
    ] as const) {
      test(`${suffix}: ${what}`, async () => {
        const path = format === 'flv' ? CLIP : await copied(format, ...options);
        const name = `curl-${suffix}-${what.replace(/\W+/g, '')}`;
        const witness = watch(name);
        const isTls = what.includes('HTTP/2');
        const url = isTls
          ? `https://127.0.0.1:${server.httpsPort}/live/${name}.${suffix}`
          : server.http(`/live/${name}.${suffix}`);
        const given = args(path);
        const ran = given.includes('--next-file')
          ? await run('sh', ['-c', `curl -s -w '%{http_code}' -T - '${url}' < '${path}'`])
          : await run('curl', ['-s', '-w', '%{http_code}', ...given, url]);
        assert.equal(ran.code, 0, ran.err);
        assert.match(ran.out, /"code":0.*200$/);
        witness.assertWhole(whole);
      });
    }
  }

  test('is told why it may not', async () => {
    const ran = await run('curl', ['-s', '-w', '%{http_code}', '-T', CLIP, server.http('/secret/x.flv')]);
    assert.match(ran.out, /"secret" is not allowed.*\s403$/);
  });
});

const GST = missing('gst-launch-1.0', 'gst-inspect-1.0');

describe('GStreamer pushes', { skip: GST }, () => {
  for (const [name, tail] of [
    ['udp', () => ['udpsink', 'host=127.0.0.1', `port=${portOf('udp')}`]],
    ['rtp', () => ['rtpmp2tpay', '!', 'udpsink', 'host=127.0.0.1', `port=${portOf('rtp')}`]],
    ['tcp', () => ['tcpclientsink', 'host=127.0.0.1', `port=${portOf('tcp')}`]],
  ] as const) {
    test(name, async (t) => {
      for (const plugin of ['flvdemux', 'h264parse', 'mpegtsmux', 'rtpmp2tpay', 'udpsink']) {
        if ((await run('gst-inspect-1.0', [plugin])).code !== 0) return t.skip(`no ${plugin}`);
      }
      const witness = watch(name);
      const running = start('gst-launch-1.0', [
        ...['-q', 'filesrc', `location=${CLIP}`, '!', 'flvdemux', 'name=d'],
        ...['mpegtsmux', 'name=m', 'alignment=7', '!', ...tail()],
        ...['d.video', '!', 'queue', '!', 'h264parse', 'config-interval=-1', '!', 'm.'],
        ...['d.audio', '!', 'queue', '!', 'aacparse', '!', 'm.'],
      ]);
      t.after(() => running.stop());
      await until(
        'frames of both',
        () => witness.ofKind('video').length > 40 && witness.ofKind('audio').length > 40,
        15_000,
      );
      const told = details().find((one) => one['format'] === 'ts');
      assert.equal(told?.['continuity_errors'], 0);
      assert.equal(told?.['damaged'], 0);
      running.stop();
      await until('the end', () => witness.ended !== '', 15_000);
    });
  }
});

describe('a forward by datagrams', { skip: missing('ffmpeg') }, () => {
  test('is played by ffmpeg without a complaint', async (t) => {
    const probe = createSocket('udp4');
    await new Promise<void>((done) => probe.bind(0, '127.0.0.1', done));
    const { port } = probe.address();
    await new Promise<void>((done) => probe.close(done));
    const source = await TestServer.start({
      policy: `<application name="live"><forward>udp://127.0.0.1:${port}</forward></application>`,
    });
    t.after(() => source.close());
    const player = run('ffmpeg', [
      ...['-v', 'error', '-nostdin', '-xerror', '-i', `udp://127.0.0.1:${port}?timeout=20000000`],
      ...['-t', '3', '-f', 'null', '-'],
    ]);
    await until('the player', () => isTaken(port));
    const publisher = await ClipPublisher.start({ port: source.rtmpPort, name: 'cam', leadMs: 0 });
    t.after(() => publisher.stop());
    const { code, err } = await player;
    assert.equal(code, 0, err);
    assert.equal(err.trim(), '');
  });
});

/** Whether some process has bound a UDP port; only Linux tells. */
function isTaken(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  try {
    return [4, 6].some((version) =>
      readFileSync(`/proc/net/udp${version === 4 ? '' : '6'}`, 'latin1').includes(`:${hex} `),
    );
  } catch {
    return true;
  }
}
