/** Pulls from aiortc by WHEP and forwards to it by WHIP: it is a full agent of ICE with its own DTLS, codecs and clock. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FRAME_KEY } from '../../src/media/frame.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type Running, start } from '../support/programs.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../support/aiortc-endpoint.py', import.meta.url));
const isThere = ['aiortc', 'aiohttp', 'numpy'].every((name) =>
  existsSync(`/usr/lib/python3/dist-packages/${name}`),
);
const skip = isThere ? false : 'python3-aiortc and python3-aiohttp are not installed';
const TIMEOUT_MS = 60_000;

interface Counts {
  readonly video: number;
  readonly audio: number;
  readonly size: readonly number[];
  readonly rate: number;
  readonly loudness: number;
  readonly via: string;
  readonly deleted: number;
}

class Endpoint {
  readonly port: number;
  private readonly running: Running;

  private constructor(running: Running, port: number) {
    this.running = running;
    this.port = port;
  }

  static async start(...args: readonly string[]): Promise<Endpoint> {
    const running = start(PYTHON, [SCRIPT, ...args], TIMEOUT_MS);
    let said = '';
    running.child.stdout?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    await until('the endpoint', () => said.includes('\n') || running.child.exitCode !== null, 20_000);
    if (running.child.exitCode !== null) throw new Error((await running.done).err);
    return new Endpoint(running, (JSON.parse(said) as { port: number }).port);
  }

  async counts(): Promise<Counts> {
    return (await (await fetch(`http://127.0.0.1:${this.port}/counts`)).json()) as Counts;
  }

  async stop(): Promise<void> {
    this.running.stop();
    await this.running.done;
  }
}

describe('calls to aiortc', { skip }, () => {
  let server: TestServer;
  let endpoint: Endpoint;

  before(async () => {
    endpoint = await Endpoint.start('--token', 'sesame');
    server = await TestServer.start({
      webrtc: '<tcp>off</tcp>',
      policy: `<application name="live"><publish><grace>0</grace></publish>
        <stream name="cam"><forward>whip://sesame@127.0.0.1:${endpoint.port}/whip</forward></stream>
      </application>`,
    });
  });

  after(async () => {
    await server?.close();
    await endpoint?.stop();
  });

  function pull(user: string): Pulled {
    return new Pulled(`whep://${user}127.0.0.1:${endpoint.port}/whep`, {
      rtcCalls: server.application.context.rtcCalls,
    });
  }

  test('pull: pictures and sound, a key frame when it is asked for, the end', async () => {
    const deleted = (await endpoint.counts()).deleted;
    const pulled = pull('sesame@');
    await pulled.media(['vp8', 'opus'], 40);
    const pictures = () => pulled.frames.filter(({ config }) => config.codec === 'vp8');
    assert.equal(pictures()[0]!.flags & FRAME_KEY, FRAME_KEY, 'it begins with a key frame');
    const keys = () => pictures().filter(({ flags }) => (flags & FRAME_KEY) !== 0).length;
    const before = keys();
    pulled.pull.requestKeyFrame?.();
    await until('a key frame', () => keys() > before);
    // Lip sync: both begin together, and nothing of it is left behind.
    const [picture = 0, sound = 0] = ['vp8', 'opus'].map(
      (codec) => pulled.frames.filter(({ config }) => config.codec === codec).at(-1)!.dts,
    );
    assert.ok(Math.abs(picture - sound) < 300_000, `${picture} ${sound}`);
    pulled.pull.close();
    for (let tries = 0; (await endpoint.counts()).deleted === deleted && tries < 100; tries++);
    assert.equal((await endpoint.counts()).deleted, deleted + 1);
    assert.deepEqual(pulled.faults, []);
  });

  test('pull: without the token', async () => {
    const end = await pull('').ended();
    assert.match(end.reason, /asks for a token or a password \(401\): No token, no stream\.$/);
    assert.match((await pull('stranger@').ended()).reason, /does not take this token \(401\)/);
  });

  test('forward: pictures and sound are decoded there', async () => {
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
    let counts = await endpoint.counts();
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; counts = await endpoint.counts())
      if (counts.video > 30 && counts.audio > 50) break;
    assert.ok(counts.video > 30 && counts.audio > 50, JSON.stringify(counts));
    assert.ok(counts.size[0]! > 0 && counts.rate === 48_000 && counts.loudness > 500, JSON.stringify(counts));
    assert.equal(counts.via, server.application.context.serverId);
    const { deleted } = counts;
    publisher.stop();
    await until('the end of the forward', () => server.application.context.hub.streams().length === 0);
    for (let tries = 0; (await endpoint.counts()).deleted === deleted && tries < 100; tries++);
    assert.equal((await endpoint.counts()).deleted, deleted + 1);
  });
});

test('pull from aiortc: H.264', { skip }, async () => {
  const endpoint = await Endpoint.start('--codec', 'H264');
  const server = await TestServer.start({ webrtc: '<tcp>off</tcp>' });
  const pulled = new Pulled(`http://127.0.0.1:${endpoint.port}/whep`, {
    rtcCalls: server.application.context.rtcCalls,
  });
  await pulled.media(['h264', 'opus'], 40);
  assert.equal(pulled.codecs, 'h264+opus');
  pulled.pull.close();
  await server.close();
  await endpoint.stop();
});
