/**
 * Our answers and offers in parsers of others: headless Chromium takes each for its own peer connection and says what it
 * understood; aiortc (where Python has it) takes our answers for its offers.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { answerPlay, answerPublish } from '../../src/rtc/negotiation/answer.ts';
import { makeOffer } from '../../src/rtc/negotiation/call.ts';
import { parseOffer } from '../../src/rtc/negotiation/offer.ts';
import { BROWSER_MISSING } from '../support/browser-player.ts';
import { CALLER, LOCAL, tracksOf } from '../support/webrtc-sdp.ts';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'];
/** In the page: makes an offer, takes an answer, says what it made of it. */
const PAGE = `
globalThis.offer = async (prepare) => {
  globalThis.pc = new RTCPeerConnection();
  await prepare(pc);
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
};
globalThis.take = async (sdp) => {
  await pc.setRemoteDescription({ type: 'answer', sdp });
  const found = pc.getTransceivers().map((one) => ({
    direction: one.currentDirection,
    transport: one.sender.transport?.state ?? 'none',
    sends: one.sender.getParameters().codecs.map((codec) => codec.mimeType.toLowerCase()),
    rids: one.sender.getParameters().encodings.map(({ rid }) => rid ?? ''),
    receives: one.receiver.getParameters().codecs.map((codec) => codec.mimeType.toLowerCase()),
  }));
  pc.close();
  return found;
};
globalThis.answer = async (sdp, sends) => {
  const pc = new RTCPeerConnection();
  const canvas = document.createElement('canvas');
  canvas.getContext('2d');
  const sound = new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
  await pc.setRemoteDescription({ type: 'offer', sdp });
  if (sends) {
    for (const one of pc.getTransceivers()) {
      one.direction = 'sendonly';
      await one.sender.replaceTrack(one.receiver.track.kind === 'video' ? canvas.captureStream(5).getVideoTracks()[0] : sound);
    }
  }
  await pc.setLocalDescription(await pc.createAnswer());
  const text = pc.localDescription.sdp;
  pc.close();
  return text;
};`;

interface Found {
  readonly direction: string | null;
  readonly transport: string;
  readonly sends: readonly string[];
  readonly rids: readonly string[];
  readonly receives: readonly string[];
}

describe('session descriptions in Chromium', { skip: BROWSER_MISSING }, () => {
  let browser: Browser;
  let page: Page;

  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: FLAGS,
    });
    page = await browser.newPage();
    await page.evaluate(PAGE);
  });

  after(async () => {
    await browser?.close();
  });

  const offer = async (prepare: string) => parseOffer(await page.evaluate<string>(`offer(${prepare})`));
  const take = (sdp: string) => page.evaluate<Found[]>(`take(${JSON.stringify(sdp)})`);
  const SEND = `(pc) => { pc.addTransceiver('audio', { direction: 'sendonly' });
    pc.addTransceiver('video', { direction: 'sendonly' }); }`;
  const RECEIVE = `(pc) => { pc.addTransceiver('video', { direction: 'recvonly' });
    pc.addTransceiver('audio', { direction: 'recvonly' }); }`;

  for (const codec of ['vp8', 'vp9', 'av1', 'h264'] as const) {
    test(`publishes ${codec}`, async (t) => {
      const offered = await offer(SEND);
      if (!offered.medias[1]!.codecs.some((one) => one.codec === codec)) {
        t.skip(`this Chromium has no ${codec}`);
        return;
      }
      const { sdp, description } = answerPublish(offered, LOCAL, { stream: 'a/b', preferred: [codec] });
      assert.equal(description.medias[1]!.codec, codec);
      const [sound, picture] = await take(sdp);
      assert.deepEqual([sound!.direction, picture!.direction], ['sendonly', 'sendonly']);
      assert.equal(sound!.sends[0], 'audio/opus');
      assert.deepEqual(picture!.sends, [`video/${codec}`, 'video/rtx']);
    });
  }

  test('publishes three layers', async () => {
    const offered = await offer(`(pc) => pc.addTransceiver('video', { direction: 'sendonly', sendEncodings: [
      { rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }] })`);
    const { sdp, description, notes } = answerPublish(offered, LOCAL, { stream: 'a/b', preferred: [] });
    assert.deepEqual(notes, []);
    assert.deepEqual(description.medias[0]!.rids, ['f', 'h', 'q']);
    const [picture] = await take(sdp);
    assert.deepEqual(picture!.rids, ['q', 'h', 'f']);
  });

  test('a data channel that comes first is refused, what is left connects', async () => {
    const offered =
      await offer(`(pc) => { pc.createDataChannel('x'); pc.addTransceiver('audio', { direction: 'sendonly' });
      pc.addTransceiver('video', { direction: 'sendonly' }); }`);
    const { sdp } = answerPublish(offered, LOCAL, { stream: 'a/b', preferred: [] });
    const found = await take(sdp);
    assert.deepEqual(
      found.map(({ direction, transport }) => [direction, transport]),
      [
        ['sendonly', 'new'],
        ['sendonly', 'new'],
      ],
    );
  });

  for (const [codec, form] of [
    ['h264', ' 42c01e'],
    ['h264', ' 640028'],
    ['h264', ' 4d4029'],
    ['vp8', ''],
    ['vp9', ' profile-id=0'],
    ['av1', ' profile=0'],
  ] as const) {
    test(`plays ${codec}${form}`, async () => {
      const offered = await offer(RECEIVE);
      const { sdp, description } = answerPlay(offered, tracksOf(codec + form, 'opus'), LOCAL, {
        stream: 'a/b',
      });
      assert.equal(description.medias.length, 2);
      const [picture, sound] = await take(sdp);
      assert.deepEqual([picture!.direction, sound!.direction], ['recvonly', 'recvonly']);
      assert.ok(picture!.receives.includes(`video/${codec}`), picture!.receives.join());
      assert.ok(sound!.receives.includes('audio/opus'));
    });
  }

  for (const codec of ['g711a', 'g711u', 'g722'] as const) {
    test(`plays ${codec} alone, the picture being inactive`, async () => {
      const offered = await offer(RECEIVE);
      const { sdp, description } = answerPlay(offered, tracksOf(codec), LOCAL, { stream: 'a/b' });
      assert.deepEqual(
        description.medias.map(({ kind, mid }) => [kind, mid]),
        [['audio', '1']],
      );
      const [picture, sound] = await take(sdp);
      assert.equal(picture!.direction, 'inactive');
      assert.equal(sound!.direction, 'recvonly');
    });
  }

  test('answers our offer to play', async () => {
    const call = makeOffer({ direction: 'play' }, CALLER);
    const text = await page.evaluate<string>(`answer(${JSON.stringify(call.sdp)}, true)`);
    const { medias, dtlsRole, isCaller } = call.accept(text);
    assert.deepEqual(
      medias.map(({ kind, direction, codec }) => [kind, direction, codec]),
      [
        ['video', 'receive', medias[0]!.codec],
        ['audio', 'receive', 'opus'],
      ],
    );
    assert.ok(medias[0]!.ssrc > 0 && medias[0]!.rtxSsrc > 0 && medias[0]!.extensions.transportCc > 0);
    assert.deepEqual([dtlsRole, isCaller], ['server', true]);
  });

  for (const codecs of [
    ['h264 640028', 'opus'],
    ['vp8', 'g711a'],
    ['av1 profile=0', 'opus'],
  ]) {
    test(`answers our offer to publish ${codecs.join(' and ')}`, async () => {
      const call = makeOffer({ direction: 'publish', tracks: tracksOf(...codecs) }, CALLER);
      const text = await page.evaluate<string>(`answer(${JSON.stringify(call.sdp)}, false)`);
      const { medias } = call.accept(text);
      assert.deepEqual(
        medias.map(({ codec, direction, feedTrack }) => [codec, direction, feedTrack]),
        codecs.map((codec) => [codec.split(' ', 1)[0], 'send', 0]),
      );
      assert.ok(medias[0]!.rtxPayloadType > 0 && medias[0]!.feedback.pli && medias[0]!.feedback.transportCc);
    });
  }
});

const PYTHON = process.env['PYTHON'] ?? '/usr/bin/python3';
const AIORTC_MISSING =
  spawnSync(PYTHON, ['-c', 'import aiortc'], { timeout: 20_000 }).status === 0
    ? false
    : `no aiortc for ${PYTHON} (Debian: apt-get install python3-aiortc)`;
/** Prints an offer, reads an answer, prints the directions that came of it. */
const AIORTC = `
import asyncio, json, sys
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
async def main():
    pc = RTCPeerConnection()
    if sys.argv[1] == 'publish':
        pc.addTrack(AudioStreamTrack())
        pc.addTrack(VideoStreamTrack())
    else:
        pc.addTransceiver('audio', direction='recvonly')
        pc.addTransceiver('video', direction='recvonly')
    await pc.setLocalDescription(await pc.createOffer())
    print(json.dumps(pc.localDescription.sdp), flush=True)
    sdp = json.loads(sys.stdin.readline())
    await pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type='answer'))
    print(json.dumps([t.currentDirection for t in pc.getTransceivers()]), flush=True)
    await pc.close()
asyncio.run(main())
`;

describe('session descriptions in aiortc', { skip: AIORTC_MISSING }, () => {
  for (const [name, mode, answer, expected] of [
    [
      'publishes',
      'publish',
      answered((offer) => answerPublish(offer, LOCAL, { stream: 'a/b', preferred: [] })),
      ['sendonly', 'sendonly'],
    ],
    [
      'plays',
      'play',
      answered((offer) => answerPlay(offer, tracksOf('h264 42c01e', 'opus'), LOCAL, { stream: 'a/b' })),
      ['recvonly', 'recvonly'],
    ],
    [
      'plays sound alone',
      'play',
      answered((offer) => answerPlay(offer, tracksOf('g711u'), LOCAL, { stream: 'a/b' })),
      ['recvonly', 'inactive'],
    ],
  ] as const) {
    test(name, async () => {
      assert.deepEqual(await talk(mode, answer), expected);
    });
  }
});

function answered(
  make: (offer: ReturnType<typeof parseOffer>) => { readonly sdp: string },
): (sdp: string) => string {
  return (sdp) => make(parseOffer(sdp)).sdp;
}

async function talk(mode: string, answer: (sdp: string) => string): Promise<unknown> {
  const child = spawn(PYTHON, ['-c', AIORTC, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: unknown[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const value: unknown = JSON.parse(line);
    lines.push(value);
    if (typeof value === 'string') child.stdin.end(`${JSON.stringify(answer(value))}\n`);
  }
  return lines[1];
}
