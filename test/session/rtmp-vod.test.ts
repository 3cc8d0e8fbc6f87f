/** Players of files: pace, pause, seek, end, and what a player that leaves gives back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeldFile } from '../../src/protocol/rtmp/rtmp-vod.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { parseData } from '../../src/wire/rtmp/command.ts';
import type { StreamAddress } from '../../src/wire/rtmp/rtmp-url.ts';
import { Conversation, TestServices } from '../support/transcript.ts';
import { type FakeFile, fakeFile } from '../unit/media-file/fake-media-file.ts';

const LEAD_MS = 2000;
const BEGIN = ['user 4 1', 'user 0 1', 'onStatus 1 NetStream.Play.Reset', 'onStatus 1 NetStream.Play.Start'];

class VodServices extends TestServices {
  readonly file: FakeFile = fakeFile({ rounds: 2 });
  released = 0;
  readonly files = {
    open: async ({ app, stream }: StreamAddress): Promise<HeldFile | null> => {
      if (app !== 'vod') return null;
      if (stream !== 'a.mp4') throw new RejectedError('not-found', `There is no file ${stream}.`);
      return { text: `${app}/${stream}`, file: this.file, sizeBytes: 4711, release: () => this.released++ };
    },
    after: (delayMs: number, run: () => void) => this.world.tick.after(delayMs, run),
  };
}

function open(services = new VodServices()) {
  const talk = new Conversation(services).open({ app: 'vod', tcUrl: 'rtmp://host.test/vod' });
  talk.command(0, 'createStream');
  talk.heard();
  return { services, talk };
}

async function advance(talk: Conversation, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    talk.services.world.advanceMs(100);
    for (let i = 0; i < 30; i++) await new Promise((done) => setImmediate(done));
  }
}

/** Of pictures, without decoder configurations. */
const videoTimes = (talk: Conversation) =>
  talk
    .media(9)
    .filter(({ payload }) => payload[1] === 1)
    .map(({ timestamp }) => timestamp);

test('vod over RTMP: what a player is told, and the pace', async () => {
  const { services, talk } = open();
  await talk.play('a.mp4');
  await advance(talk, 100);
  const heard = talk.heard();
  assert.deepEqual(heard.slice(0, 4), BEGIN);
  const metadata = talk.media(18).map(({ payload }) => parseData(18, payload));
  const told = metadata.find(({ name }) => name === 'onMetaData')!.values[0] as Record<string, unknown>;
  assert.equal(told['duration'], services.file.durationUs / 1_000_000);
  assert.equal(told['filesize'], 4711);
  assert.equal(told['width'], services.file.tracks[0]!.config.width);
  assert.equal(talk.session.role, 'player');
  assert.equal(talk.session.streamText, 'vod/a.mp4');
  for (const seconds of [0, 1, 3]) {
    if (seconds > 0) await advance(talk, seconds * 1000);
    const elapsed = services.nowUs() / 1000 - 1_000_000;
    const last = videoTimes(talk).at(-1)!;
    assert.ok(Math.abs(last - (elapsed + LEAD_MS)) < 250, `${last} ms were sent after ${elapsed} ms`);
  }
  const times = videoTimes(talk);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
  assert.ok(talk.session.bytesOut() > 10_000);
  talk.session.close('over');
  talk.assertClosed();
  assert.equal(services.released, 1);
  assert.equal(services.file.openReaders(), 0);
});

test('vod over RTMP: all frames come, then the end; a seek plays again', async () => {
  const { services, talk } = open();
  await talk.play('a.mp4');
  await advance(talk, services.file.durationUs / 1000 + 500);
  const frames = services.file.frames.filter(({ trackId }) => trackId === services.file.tracks[0]!.id);
  // One message more: the decoder configuration.
  assert.equal(talk.media(9).length, frames.length + 1);
  const heard = talk.heard();
  assert.deepEqual(heard.slice(-3), [
    'onStatus 1 NetStream.Play.Complete',
    'user 1 1',
    'onStatus 1 NetStream.Play.Stop',
  ]);
  assert.equal(talk.session.isActive(), false);
  talk.command(1, 'seek', 0);
  await advance(talk, 200);
  assert.ok(talk.media(9).length > frames.length + 20);
  assert.equal(talk.session.isActive(), true);
  talk.session.close('over');
  assert.equal(services.file.openReaders(), 0);
});

test('vod over RTMP: pause holds, and goes on where it stood', async () => {
  const { services, talk } = open();
  await talk.play('a.mp4');
  await advance(talk, 1000);
  talk.heard();
  talk.command(1, 'pause', true, 900);
  await advance(talk, 200);
  assert.deepEqual(talk.heard(), ['user 1 1', 'onStatus 1 NetStream.Pause.Notify']);
  const before = videoTimes(talk).at(-1)!;
  await advance(talk, 5000);
  assert.equal(videoTimes(talk).at(-1), before);
  talk.command(1, 'pause', false, 900);
  await advance(talk, 1000);
  assert.deepEqual(talk.heard(), ['user 0 1', 'onStatus 1 NetStream.Unpause.Notify']);
  const times = videoTimes(talk);
  assert.ok(Math.abs(times.at(-1)! - (before + 1000)) < 250, `${times.at(-1)} after ${before}`);
  assert.deepEqual(
    times,
    [...new Set(times)].sort((a, b) => a - b),
    'nothing twice, nothing back',
  );
  talk.session.close('over');
  assert.equal(services.released, 1);
});

test('vod over RTMP: seek goes to the key frame before, also while paused', async () => {
  const { services, talk } = open();
  await talk.play('a.mp4');
  await advance(talk, 500);
  talk.heard();
  const points = services.file.points.map(({ timeUs }) => timeUs / 1000);
  const target = points[3]! + 700;
  const count = talk.media(9).length;
  talk.command(1, 'seek', target);
  await advance(talk, 500);
  assert.deepEqual(talk.heard(), [
    'user 1 1',
    'user 4 1',
    'user 0 1',
    'onStatus 1 NetStream.Seek.Notify',
    'onStatus 1 NetStream.Play.Start',
  ]);
  const after = talk.media(9).slice(count);
  // The configuration, then the key frame.
  assert.equal(after[0]!.payload[1], 0);
  assert.equal(after[1]!.payload[0]! >> 4, 1);
  const dtsOf = services.file.frames.find(({ pts }) => pts === points[3]! * 1000)!.dts / 1000;
  const shift = -Math.min(0, ...services.file.frames.map(({ dts }) => dts)) / 1000;
  assert.equal(after[1]!.timestamp, Math.round(dtsOf + shift));
  assert.ok(after.at(-1)!.timestamp <= target + 500 + LEAD_MS);

  talk.command(1, 'pause', true, 0);
  await advance(talk, 100);
  const paused = talk.media(9).length;
  talk.command(1, 'seek', 0);
  await advance(talk, 1000);
  assert.ok(talk.media(9).length - paused <= 2, 'one picture, so that there is something to see');
  talk.command(1, 'pause', false, 0);
  await advance(talk, 500);
  assert.ok(talk.media(9).length - paused > 20);
  talk.session.close('over');
  assert.equal(services.file.openReaders(), 0);
});

test('vod over RTMP: start and length of the play command are milliseconds', async () => {
  const { services, talk } = open();
  const start = services.file.points[2]!.timeUs / 1000;
  talk.command(1, 'play', 'a.mp4', start, 1000);
  await talk.settle();
  await advance(talk, 500);
  const times = talk.media(9).map(({ timestamp }) => timestamp);
  assert.ok(times[1]! >= start && times.at(-1)! <= start + 1000 + 100, `${times[1]} to ${times.at(-1)}`);
  assert.equal(talk.heard().at(-1), 'onStatus 1 NetStream.Play.Stop');
  talk.session.close('over');
});

test('vod over RTMP: a player that takes nothing is waited for and loses nothing', async () => {
  const { services, talk } = open();
  await talk.play('a.mp4');
  await advance(talk, 300);
  talk.taking = false;
  await advance(talk, 200);
  const count = talk.media(9).length;
  await advance(talk, 4000);
  assert.equal(talk.media(9).length, count);
  talk.taking = true;
  await advance(talk, 300);
  const times = videoTimes(talk);
  const elapsed = services.nowUs() / 1000 - 1_000_000;
  assert.ok(Math.abs(times.at(-1)! - (elapsed + LEAD_MS)) < 250, 'it catches up');
  const sent = new Set(times);
  for (const { trackId, dts } of services.file.frames) {
    const shift = -Math.min(0, ...services.file.frames.map((frame) => frame.dts));
    const ms = Math.round((dts + shift) / 1000);
    if (trackId === services.file.tracks[0]!.id && ms < times.at(-1)!)
      assert.ok(sent.has(ms), `${ms} is missing`);
  }
  talk.session.close('over');
});

test('vod over RTMP: two players of one file go their own way', async () => {
  const services = new VodServices();
  const { talk: one } = open(services);
  const { talk: two } = open(services);
  await one.play('a.mp4');
  await advance(one, 1000);
  await two.play('a.mp4');
  two.command(1, 'seek', services.file.durationUs / 1000 - 2500);
  await advance(one, 500);
  assert.ok(videoTimes(two).at(-1)! > videoTimes(one).at(-1)! + 1000);
  one.session.close('over');
  await advance(two, 200);
  assert.equal(two.session.closed, false);
  two.session.close('over');
  assert.equal(services.released, 2);
  assert.equal(services.file.openReaders(), 0);
  assert.equal(services.world.tick.pending, 0);
});

test('vod over RTMP: no such file', async () => {
  const { talk } = open();
  await talk.play('b.mp4');
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Play.StreamNotFound']);
  assert.equal(talk.sentence(), 'There is no file b.mp4.');
  talk.assertClosed();
});

test('vod over RTMP: a file that breaks in the middle ends the player with a reason', async () => {
  const { services, talk } = open();
  const { open: openFile } = services.file;
  let reads = 0;
  Object.assign(services.file, {
    open: (index: number) => {
      const reader = openFile(index);
      return {
        ...reader,
        read: () => (++reads > 5 ? Promise.reject(new Error('EIO')) : reader.read()),
      };
    },
  });
  await talk.play('a.mp4');
  await advance(talk, 2000);
  assert.deepEqual(talk.heard().slice(-3), [
    'user 1 1',
    'onStatus 1 NetStream.Play.Failed',
    'onStatus 1 NetStream.Play.Stop',
  ]);
  assert.equal(services.faults.length, 1);
  talk.session.close('over');
  assert.equal(services.file.openReaders(), 0);
});
