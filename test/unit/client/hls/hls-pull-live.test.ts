/** Live pulls: where they begin, their pace, reloads, sources that come late, fall silent or begin anew. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  checkTimes,
  endOf,
  fill,
  LEAD_US,
  PullRig,
  playlist,
  type RigEntry,
  SECOND,
  SegmentMaker,
  slide,
} from '../../../support/hls-rig.ts';
import * as media from '../../wire/mpegts/synthetic.ts';

describe('HLS pull, live', () => {
  test('begins three target durations from the end and keeps the pace of the times', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 20);
    slide(rig, '/live.m3u8', entries, 6, 5);
    const beganUs = rig.time.us;
    rig.open('/live.m3u8');
    await rig.time.advance(20_000);
    assert.equal(rig.end, null);
    const first = rig.of(0)[0]!;
    assert.ok(Math.abs(first.dts - LEAD_US - 4 * SECOND) < 100, `began at ${first.dts}`);
    for (const frame of rig.frames) {
      const late = frame.arrival - beganUs - (frame.dts - first.dts);
      assert.ok(late >= -3000 && late < 30_000, `${frame.dts}: ${late} us late`);
    }
    assert.ok(rig.of(0).length > 490);
    checkTimes(rig.of(0), 41_000);
    // Each reload brought something, so they are a target duration apart.
    assert.ok(Math.abs(rig.source.count('/live.m3u8') - 10) <= 1);
    rig.pull!.close();
    assert.equal(rig.time.pending, 0);
    const { length } = rig.frames;
    await rig.time.advance(5000);
    assert.equal(rig.frames.length, length);
    assert.equal(rig.end, null);
  });

  test('the end comes with the list, behind the last frame', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const entries = fill(rig, 6, maker);
    const beganUs = rig.time.us;
    rig.source.files.set('/live.m3u8', () => {
      const isOver = rig.time.us > beganUs + 3 * SECOND;
      return playlist(isOver ? entries : entries.slice(0, 4), { ended: isOver });
    });
    rig.open('/live.m3u8');
    await rig.time.advance(9_000);
    assert.equal(rig.end, null);
    await rig.time.advance(3_000);
    assert.equal(endOf(rig)?.kind, 'over');
    assert.equal(rig.of(0).length, 250);
  });

  test('nothing new: asked twice per target duration, and broken in the end', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 3);
    rig.source.files.set('/live.m3u8', playlist(entries, { ended: false }));
    rig.open('/live.m3u8');
    await rig.time.advance(9_900);
    assert.equal(rig.end, null);
    const asked = rig.source.count('/live.m3u8');
    assert.ok(asked >= 8 && asked <= 10, `asked ${asked} times`);
    await rig.time.advance(3_000);
    assert.equal(endOf(rig)?.kind, 'broken');
    assert.match(endOf(rig)?.reason ?? '', /^origin has listed nothing new for 1\d s$/);
    assert.equal(rig.of(0).length, 150);
  });

  test('a list that is refused for a while is asked again', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 20);
    slide(rig, '/live.m3u8', entries, 6, 5);
    const good = rig.source.files.get('/live.m3u8') as () => string;
    let refusals = 0;
    const beganUs = rig.time.us;
    rig.source.files.set('/live.m3u8', () => {
      const seconds = (rig.time.us - beganUs) / SECOND;
      if (seconds < 5 || seconds > 8) return good();
      refusals++;
      return 502;
    });
    rig.open('/live.m3u8');
    await rig.time.advance(20_000);
    assert.ok(refusals > 1);
    assert.equal(rig.end, null);
    checkTimes(rig.of(0), 41_000);
    assert.ok(rig.of(0).length > 450);
  });

  test('a source that comes late: a pause, and the pace goes on', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 30);
    const beganUs = rig.time.us;
    rig.source.files.set('/live.m3u8', () => {
      const seconds = (rig.time.us - beganUs) / SECOND;
      const count = 4 + Math.floor((seconds < 6 ? seconds : seconds < 14 ? 6 : seconds - 8) / 2);
      return playlist(entries.slice(0, count), { ended: false });
    });
    rig.open('/live.m3u8');
    await rig.time.advance(30_000);
    assert.equal(rig.end, null);
    checkTimes(rig.of(0), 41_000);
    const frames = rig.of(0);
    let pauses = 0;
    for (let i = 1; i < frames.length; i++)
      if (frames[i]!.arrival - frames[i - 1]!.arrival > 300_000) pauses++;
    assert.equal(pauses, 1);
  });

  test('what was missed in a pause is caught up slowly, and what has gone from the list is a hole', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 60);
    slide(rig, '/live.m3u8', entries, 6, 5);
    rig.open('/live.m3u8');
    await rig.time.advance(4_000);
    rig.pull!.pause();
    const { length } = rig.frames;
    await rig.time.advance(8_000);
    assert.equal(rig.frames.length, length);
    rig.pull!.resume();
    await rig.time.advance(20_000);
    const later = rig.of(0).filter(({ arrival }) => arrival > rig.time.us - 20 * SECOND);
    const span = later.at(-1)!.dts - later[0]!.dts;
    assert.ok(span > 19 * SECOND && span < 22 * SECOND, `${span} us of media in 20 s`);
    checkTimes(rig.of(0), 41_000);
  });

  test('a server that was started again counts anew', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 8, new SegmentMaker(), 500 * SECOND);
    const fresh = new SegmentMaker();
    const others = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
      rig.source.files.set(`/n${i}.ts`, fresh.segment(i * 2 * SECOND, 2));
      return { uri: `n${i}.ts` };
    });
    const beganUs = rig.time.us;
    rig.source.files.set('/live.m3u8', () => {
      const seconds = (rig.time.us - beganUs) / SECOND;
      const count = 4 + Math.floor(seconds / 2);
      return seconds < 5
        ? playlist(entries.slice(0, count), { sequence: 100, ended: false })
        : playlist(others.slice(0, count - 4), { ended: false });
    });
    rig.open('/live.m3u8');
    await rig.time.advance(22_000);
    assert.equal(rig.end, null);
    checkTimes(rig.of(0), 41_000);
    assert.ok(rig.source.count('/n3.ts') === 1);
    assert.ok(rig.of(0).length > 400, `${rig.of(0).length}`);
  });
});

test('HLS pull, live: sound whose list counts its discontinuities otherwise does not wait for ever', async () => {
  const rig = new PullRig();
  const picture = new SegmentMaker([media.videoTrack]);
  const tone = new SegmentMaker([media.audioTrack]);
  const lists: { v: RigEntry[]; a: RigEntry[] } = { v: [], a: [] };
  for (let i = 0; i < 10; i++) {
    rig.source.files.set(`/v${i}.ts`, picture.segment(i * 2 * SECOND, 2));
    rig.source.files.set(`/a${i}.ts`, tone.segment(i * 2 * SECOND, 2));
    lists.v.push({ uri: `v${i}.ts` });
    lists.a.push({ uri: `a${i}.ts`, tags: i === 0 ? ['#EXT-X-DISCONTINUITY-SEQUENCE:7'] : [] });
  }
  rig.source.files.set(
    '/m.m3u8',
    '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="a",URI="a.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nv.m3u8\n',
  );
  slide(rig, '/v.m3u8', lists.v, 10, 4);
  slide(rig, '/a.m3u8', lists.a, 10, 4);
  rig.open('/m.m3u8');
  await rig.time.advance(16_000);
  assert.equal(rig.end, null);
  assert.ok(rig.of(0).length > 200, `${rig.of(0).length} pictures`);
  assert.ok(rig.of(1).length > 300, `${rig.of(1).length} of sound`);
  checkTimes(rig.of(0), 41_000);
  checkTimes(rig.of(1), 45_000);
  const together = rig.of(1).at(-1)!.dts - rig.of(0).at(-1)!.dts;
  assert.ok(Math.abs(together) < 100_000, `${together} us apart`);
  rig.pull!.close();
});
