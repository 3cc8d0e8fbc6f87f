/** Whole pulls against an origin in memory, with time that stands still until a test moves it. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import { parseAudioSpecificConfig } from '../../../../src/codec/aac.ts';
import { writeAdtsHeader } from '../../../../src/codec/adts.ts';
import type { Frame } from '../../../../src/media/frame.ts';
import {
  checkTimes,
  fill,
  LEAD_US,
  PullRig,
  playlist,
  type RigEntry,
  SECOND,
  SegmentMaker,
  sameMedia,
} from '../../../support/hls-rig.ts';
import * as media from '../../wire/mpegts/synthetic.ts';

describe('HLS pull, on demand', () => {
  test('all frames of all segments, at once, and over', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const entries = fill(rig, 5, maker);
    rig.source.files.set('/list.m3u8?a=1', playlist(entries));
    rig.open('/list.m3u8?a=1');
    await rig.time.settle();
    await rig.time.advance(0);
    assert.deepEqual(rig.end, { kind: 'over', reason: 'origin ended the stream' });
    assert.equal(rig.tracks.length, 1);
    assert.deepEqual(rig.tracks[0]?.map(({ id, config }) => `${id} ${config.codec}`).sort(), [
      '0 h264',
      '1 aac',
    ]);
    for (const id of [0, 1]) {
      const wanted = maker.frames.filter(({ trackId }) => trackId === id);
      sameMedia(rig.of(id), wanted);
      for (const [i, frame] of rig.of(id).entries()) {
        assert.ok(Math.abs(frame.dts - LEAD_US - wanted[i]!.dts) < 100, `dts ${i}`);
        assert.ok(Math.abs(frame.pts - LEAD_US - wanted[i]!.pts) < 100, `pts ${i}`);
      }
    }
    assert.equal(rig.time.pending, 0);
    assert.ok(rig.source.isClosed);
    assert.deepEqual(rig.faults, []);
  });

  test('paused, it fetches little ahead and gives nothing; resumed, it goes on', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const entries = fill(rig, 40, maker);
    rig.source.files.set('/list.m3u8', playlist(entries));
    rig.onFrame = () => {
      if (rig.frames.length % 500 === 0) rig.pull!.pause();
    };
    rig.open('/list.m3u8');
    for (let round = 1; rig.end === null; round++) {
      await rig.time.advance(60_000);
      assert.ok(rig.frames.length <= round * 500);
      const behind = rig.source.log.length * 2 - rig.frames.at(-1)!.dts / SECOND;
      assert.ok(behind < 28, `${behind} s fetched ahead`);
      rig.pull!.resume();
      assert.ok(round < 20);
    }
    sameMedia(
      rig.of(0),
      maker.frames.filter(({ trackId }) => trackId === 0),
    );
    assert.equal(rig.end.kind, 'over');
  });

  test('times go on over a discontinuity, whatever the clocks say', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const first = [0, 1].map((i) => maker.segment((3 + i * 2) * SECOND, 2));
    const count = maker.frames.length;
    const other = new SegmentMaker();
    const second = [0, 1].map((i) => other.segment((50_000 + i * 2) * SECOND, 2));
    for (const [i, bytes] of [...first, ...second].entries()) rig.source.files.set(`/s${i}.ts`, bytes);
    rig.source.files.set(
      '/list.m3u8',
      playlist([0, 1, 2, 3].map((i) => ({ uri: `s${i}.ts`, tags: i === 2 ? ['#EXT-X-DISCONTINUITY'] : [] }))),
    );
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    assert.equal(rig.frames.length, count + other.frames.length);
    assert.ok(Math.abs(rig.of(0)[0]!.dts - LEAD_US - 3 * SECOND) < 100, "the source's own time at first");
    checkTimes(rig.of(0), 41_000);
    checkTimes(rig.of(1), 45_000);
  });

  test('a jump that no tag tells is mended as well', async () => {
    const rig = new PullRig();
    const bytes = [new SegmentMaker().segment(900 * SECOND, 2), new SegmentMaker().segment(0, 2)];
    for (const [i, one] of bytes.entries()) rig.source.files.set(`/s${i}.ts`, one);
    rig.source.files.set('/list.m3u8', playlist([{ uri: 's0.ts' }, { uri: 's1.ts' }]));
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    checkTimes(rig.of(0), 41_000);
    assert.equal(rig.of(0).length, 100);
  });

  test('the clock of MPEG-TS wraps', async () => {
    const rig = new PullRig();
    const startUs = Math.round((2 ** 33 / 90_000 - 3) * SECOND);
    rig.source.files.set('/list.m3u8', playlist(fill(rig, 3, new SegmentMaker(), startUs)));
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    checkTimes(rig.of(0), 41_000);
    assert.equal(rig.of(0).length, 150);
  });

  test('AES-128: numbers as IV, an IV of its own, two keys, each fetched once', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const keys = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
    const numbered = (sequence: number) =>
      Buffer.concat([Buffer.alloc(14), Buffer.from([sequence >> 8, sequence & 255])]);
    const fixed = Buffer.alloc(16, 9);
    const plan = [
      { key: 0, iv: numbered(300), tags: ['#EXT-X-KEY:METHOD=AES-128,URI="k0?x=1"'] },
      { key: 0, iv: numbered(301), tags: [] },
      { key: 1, iv: fixed, tags: [`#EXT-X-KEY:METHOD=AES-128,URI="/k1",IV=0x${fixed.toString('hex')}`] },
      { key: -1, iv: fixed, tags: ['#EXT-X-KEY:METHOD=NONE'] },
    ];
    const entries = plan.map(({ key, iv, tags }, i) => {
      const plain = maker.segment(i * 2 * SECOND, 2);
      const cipher = key < 0 ? null : createCipheriv('aes-128-cbc', keys[key]!, iv);
      const bytes = cipher === null ? plain : Buffer.concat([cipher.update(plain), cipher.final()]);
      rig.source.files.set(`/s${i}.ts`, bytes);
      return { uri: `s${i}.ts`, tags };
    });
    rig.source.files.set('/k0?x=1', keys[0]!);
    rig.source.files.set('/k1', keys[1]!);
    rig.source.files.set('/list.m3u8', playlist(entries, { sequence: 300 }));
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    sameMedia(
      rig.of(0),
      maker.frames.filter(({ trackId }) => trackId === 0),
    );
    assert.deepEqual([rig.source.count('/k0?x=1'), rig.source.count('/k1')], [1, 1]);
  });

  for (const [name, tag, key, reason] of [
    ['SAMPLE-AES', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', Buffer.alloc(16), /encrypted \(SAMPLE-AES\)/],
    ['a page as key', '#EXT-X-KEY:METHOD=AES-128,URI="k"', Buffer.from('<html>'), /a key of 6 bytes/],
    ['the wrong key', '#EXT-X-KEY:METHOD=AES-128,URI="k"', Buffer.alloc(16, 7), /cannot be decrypted/],
    ['no key', '#EXT-X-KEY:METHOD=AES-128,URI="k"', 403, /answers 403/],
  ] as const)
    test(`encrypted: ${name}`, async () => {
      const rig = new PullRig();
      const entries = fill(rig, 6);
      rig.source.files.set('/k', key);
      rig.source.files.set('/list.m3u8', playlist(entries, { tags: [tag] }));
      rig.open('/list.m3u8');
      await rig.time.advance(20_000);
      assert.equal(rig.end?.kind, 'failed');
      assert.match(rig.end.reason, reason);
      assert.equal(rig.frames.length, 0);
    });

  test('byte ranges of one file', async () => {
    const rig = new PullRig();
    const maker = new SegmentMaker();
    const parts = [0, 1, 2].map((i) => maker.segment(i * 2 * SECOND, 2));
    rig.source.files.set('/all.ts', Buffer.concat(parts));
    const [a, b, c] = parts.map(({ length }) => length);
    const tags = [`#EXT-X-BYTERANGE:${a}@0`, `#EXT-X-BYTERANGE:${b}`, `#EXT-X-BYTERANGE:${c}@${a! + b!}`];
    rig.source.files.set('/list.m3u8', playlist(tags.map((tag) => ({ uri: 'all.ts', tags: [tag] }))));
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    sameMedia(
      rig.of(0),
      maker.frames.filter(({ trackId }) => trackId === 0),
    );
    assert.equal(rig.source.log[1], `/all.ts ${a}+${b}`);
  });

  test('a segment that is missing or damaged is a hole, and what follows keeps its place', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 7);
    rig.source.files.set('/s1.ts', 404);
    rig.source.files.set('/s3.ts', 'this is no media at all');
    let attempts = 0;
    const good = rig.source.files.get('/s4.ts') as Buffer;
    rig.source.files.set('/s4.ts', () => (++attempts < 3 ? 503 : good));
    rig.source.files.set(
      '/list.m3u8',
      playlist(entries.map((one, i) => (i === 5 ? { ...one, tags: ['#EXT-X-GAP'] } : one))),
    );
    rig.open('/list.m3u8');
    await rig.time.advance(20_000);
    assert.equal(rig.end?.kind, 'over');
    assert.equal(rig.source.count('/s1.ts'), 3);
    assert.equal(rig.source.count('/s3.ts'), 1);
    assert.equal(rig.source.count('/s4.ts'), 3);
    assert.equal(rig.source.count('/s5.ts'), 0);
    const seconds = new Set(rig.of(0).map(({ dts }) => Math.floor((dts - LEAD_US + 100) / (2 * SECOND))));
    assert.deepEqual([...seconds], [0, 2, 4, 6]);
  });

  test('many missing in a row: broken, behind all that came', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 12);
    for (let i = 3; i < 12; i++) rig.source.files.set(`/s${i}.ts`, 404);
    rig.source.files.set('/list.m3u8', playlist(entries));
    rig.open('/list.m3u8');
    await rig.time.advance(20_000);
    assert.deepEqual(rig.end, { kind: 'broken', reason: 'origin answers 404' });
    assert.equal(rig.of(0).length, 150);
  });

  test('EXT-X-START, and wall clocks', async () => {
    const rig = new PullRig();
    const entries = fill(rig, 4).map((one, i) =>
      i === 1 ? { ...one, tags: ['#EXT-X-PROGRAM-DATE-TIME:2024-05-06T07:08:09.500+02:00'] } : one,
    );
    rig.source.files.set('/list.m3u8', playlist(entries, { tags: ['#EXT-X-START:TIME-OFFSET=2.5'] }));
    rig.open('/list.m3u8');
    await rig.time.advance(0);
    const first = rig.of(0)[0]!;
    assert.ok(Math.abs(first.dts - LEAD_US - 2 * SECOND) < 100);
    const pictures = rig.of(0).slice(0, 50);
    const firstPts = Math.min(...rig.frames.slice(0, 60).map(({ pts }) => pts));
    for (const { pts, captureTime } of pictures)
      assert.ok(Math.abs(captureTime - (Date.UTC(2024, 4, 6, 5, 8, 9, 500) * 1000 + pts - firstPts)) < 2);
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['an empty list', playlist([]), /is empty and ended/],
    ['pictures only', playlist([{ uri: 'a' }], { tags: ['#EXT-X-I-FRAMES-ONLY'] }), /single pictures only/],
    ['a plain M3U', '#EXTM3U\nsong.mp3\n', /cannot be read \(hls\.no-duration/],
    [
      'codecs that nobody knows',
      '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="dvav.1"\na.m3u8\n',
      /codec that can be passed on/,
    ],
    [
      'a master without variants',
      '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a"\n',
      /names no variant/,
    ],
    ['a variant that is not there', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnone.m3u8\n', /answers 404/],
    ['masters in masters', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n', /master playlist again/],
    ['a file of this machine', '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://[::bad\n', /no address/],
  ];
  for (const [name, text, reason] of refused)
    test(`refused: ${name}`, async () => {
      const rig = new PullRig();
      rig.source.files.set('/list.m3u8', text);
      rig.open('/list.m3u8');
      await rig.time.advance(10_000);
      assert.equal(rig.end?.kind, 'failed');
      assert.match(rig.end.reason, reason);
      assert.match(rig.end.reason, /^[a-z]/);
      assert.deepEqual(rig.faults, []);
    });
});

describe('HLS pull, several playlists', () => {
  const master = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,URI="de.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42c00c,mp4a.40.2",AUDIO="aud"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900000,CODECS="avc1.64000c,mp4a.40.2",AUDIO="aud"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=9000000,CODECS="vvc1.1.L1,mp4a.40.2",AUDIO="aud"
vvc.m3u8
`;

  function separate(rig: PullRig, clocks: readonly number[], discontinuities: readonly number[] = []) {
    let picture = new SegmentMaker([media.videoTrack]);
    let tone = new SegmentMaker([media.audioTrack]);
    const made = { picture: [] as Frame[], tone: [] as Frame[] };
    const lists = { high: [] as RigEntry[], de: [] as RigEntry[] };
    for (const [i, startUs] of clocks.entries()) {
      if (discontinuities.includes(i)) {
        picture = new SegmentMaker([media.videoTrack]);
        tone = new SegmentMaker([media.audioTrack]);
      }
      rig.source.files.set(`/v${i}.ts`, picture.segment(startUs, 2));
      rig.source.files.set(`/a${i}.ts`, tone.segment(startUs, 2));
      const tags = discontinuities.includes(i) ? ['#EXT-X-DISCONTINUITY'] : [];
      made.picture.push(...picture.frames.filter(({ dts }) => dts >= startUs && dts < startUs + 2 * SECOND));
      made.tone.push(...tone.frames.filter(({ dts }) => dts >= startUs && dts < startUs + 2 * SECOND));
      lists.high.push({ uri: `v${i}.ts`, tags });
      lists.de.push({ uri: `a${i}.ts`, tags });
    }
    rig.source.files.set('/m.m3u8', master);
    rig.source.files.set('/high.m3u8', playlist(lists.high));
    rig.source.files.set('/de.m3u8', playlist(lists.de));
    return made;
  }

  test('the best variant that is known, with the default sound, merged by time', async () => {
    const rig = new PullRig();
    const { picture, tone } = separate(
      rig,
      [0, 1, 2, 3, 4].map((i) => i * 2 * SECOND),
    );
    rig.open('/m.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    sameMedia(rig.of(0), picture);
    sameMedia(rig.of(1), tone);
    checkTimes(rig.frames, 45_000);
    assert.equal(rig.tracks.length, 1);
    assert.deepEqual(
      rig.tracks[0]!.map(({ kind, language }) => kind + language),
      ['video', 'audiode'],
    );
    assert.deepEqual(
      rig.source.log.filter((path) => /low|en\.|vvc/.test(path)),
      [],
    );
  });

  test('discontinuities: pictures and sound stay together', async () => {
    const rig = new PullRig();
    const clocks = [0, 2, 70_000, 70_002, 30, 32].map((s) => s * SECOND);
    const { picture, tone } = separate(rig, clocks, [2, 4]);
    rig.open('/m.m3u8');
    await rig.time.advance(30_000);
    assert.equal(rig.end?.kind, 'over');
    sameMedia(rig.of(0), picture);
    sameMedia(rig.of(1), tone);
    checkTimes(rig.of(0), 41_000);
    // Each stretch of pictures begins with its sound.
    for (const i of [2, 4]) {
      const pictureUs = rig.of(0)[i * 50]!.dts;
      const toneAt = tone.findIndex(({ dts }) => dts === clocks[i]);
      assert.ok(Math.abs(rig.of(1)[toneAt]!.dts - pictureUs) < 22_000);
    }
  });

  test('a variant that is not to be had: the next one', async () => {
    const rig = new PullRig();
    const { picture } = separate(rig, [0, 2 * SECOND]);
    rig.source.files.set('/low.m3u8', rig.source.files.get('/high.m3u8')!);
    rig.source.files.set('/high.m3u8', 404);
    rig.open('/m.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    sameMedia(rig.of(0), picture);
  });

  test('packed audio with its timestamp beside MPEG-TS', async () => {
    const rig = new PullRig();
    const startUs = Math.round((2 ** 33 / 90_000 - 3) * SECOND);
    const { tone } = separate(
      rig,
      [0, 1, 2].map((i) => startUs + i * 2 * SECOND),
    );
    const asc = parseAudioSpecificConfig(media.aac.record);
    let made = 0;
    for (const i of [0, 1, 2]) {
      const own = tone.filter(
        ({ dts }) => dts >= startUs + i * 2 * SECOND && dts < startUs + (i + 1) * 2 * SECOND,
      );
      const parts = own.map(({ payload }) => {
        const header = Buffer.alloc(7);
        writeAdtsHeader(asc, payload.length, header, 0);
        return Buffer.concat([header, payload]);
      });
      made += own.length;
      const ticks = Math.round(((own[0]!.dts + LEAD_US) * 9) / 100) % 2 ** 33;
      rig.source.files.set(`/a${i}.ts`, Buffer.concat([id3(ticks), ...parts]));
    }
    rig.open('/m.m3u8');
    await rig.time.advance(0);
    assert.equal(rig.end?.kind, 'over');
    assert.equal(rig.of(1).length, made);
    sameMedia(rig.of(1), tone.slice(0, made));
    checkTimes(rig.frames, 45_000);
    assert.ok(Math.abs(rig.of(0)[0]!.dts - rig.of(1)[0]!.dts) < 1000);
  });
});

/** The tag of a segment of packed audio. */
function id3(ticks: number): Buffer {
  const owner = Buffer.from('com.apple.streaming.transportStreamTimestamp\0', 'latin1');
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(ticks));
  const body = Buffer.concat([Buffer.from('PRIV'), Buffer.from([0, 0, 0, 53, 0, 0]), owner, time]);
  return Buffer.concat([Buffer.from('ID3'), Buffer.from([4, 0, 0, 0, 0, 0, body.length]), body]);
}
