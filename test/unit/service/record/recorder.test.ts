/** Recordings over time: where files begin and end, what is lost when the disk refuses, and what the index is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTrack } from '../../../../src/media/track.ts';
import { renderPath } from '../../../../src/service/record/file-naming.ts';
import { TsChecker } from '../../../conformance/ts-checker.ts';
import { RecorderRig, RIG_AUDIO, RIG_VIDEO } from '../../../support/recorder-rig.ts';

const byName = (a: string, b: string) => (a < b ? -1 : 1);
/** Name of a file that starts so many milliseconds after the rig's clock began. */
const START_MS = (1_700_000_000_000_000 + 1_000_000_000) / 1000;
const nameAt = (ms: number, extension: string) =>
  `${renderPath('h/live/cam/[2006]-[01]-[02]/[15]-[04]-[05]', {
    vhost: '',
    app: '',
    stream: '',
    seq: 0,
    startMs: START_MS + ms,
    durationMs: 0,
  })}.${extension}`;

for (const format of ['fmp4', 'ts', 'flv'] as const) {
  const extension = format === 'fmp4' ? 'mp4' : format;
  test(`recorder: ${format} by segment: a file begins at the first key frame after the duration`, async () => {
    const rig = new RecorderRig();
    rig.announce();
    const recorder = rig.record({ rule: { format }, durationMs: 5000 });
    await rig.play(14_000);
    assert.deepEqual(rig.names, [nameAt(0, extension), nameAt(6000, extension), nameAt(12_000, extension)]);
    assert.deepEqual(
      rig.finished.map((file) => [
        file.file,
        file.startMs - START_MS,
        Math.round((file.endMs - file.startMs) / 100),
      ]),
      [
        [nameAt(0, extension), 0, 60],
        [nameAt(6000, extension), 6000, 60],
      ],
    );
    const [first] = rig.finished;
    assert.equal(first!.bytes, rig.bytes(first!.file).length);
    assert.deepEqual(
      first!.tracks.map((track) => track.codec),
      ['h264', 'aac'],
    );
    assert.deepEqual(
      first!.keys.map((key) => key.atMs),
      [0, 2000, 4000],
    );
    assert.deepEqual(
      [recorder.state, recorder.fileName, recorder.fileCount],
      ['recording', nameAt(12_000, extension), 2],
    );
    await rig.close(recorder);
    assert.equal(rig.finished.length, 3);
    assert.equal((await rig.index.files('live/cam', 0, Number.MAX_SAFE_INTEGER)).total, 3);
  });
}

test('recorder: a session is one file over a republish within the grace time', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'fmp4', plan: 'session' } });
  await rig.play(4000);
  rig.publication.end('gone');
  rig.test.advanceMs(3000);
  rig.publish();
  rig.announce();
  await rig.play(4000);
  assert.deepEqual(rig.names, [nameAt(0, 'mp4')]);
  rig.publication.end('gone');
  rig.test.advanceMs(11_000);
  assert.equal(recorder.state, 'stopped');
  await rig.close(recorder);
  const [file] = rig.finished;
  assert.equal(Math.round((file!.endMs - file!.startMs) / 100), 110, 'with the pause in it');
});

test('recorder: HLS is a list that grows by finished segments, with MPEG-TS beside it', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'hls' }, durationMs: 20_000 });
  await rig.play(14_000);
  const list = nameAt(0, 'm3u8');
  const base = list.slice(list.lastIndexOf('/') + 1, -'.m3u8'.length);
  const lines = rig
    .text(list)
    .split('\n')
    .filter((line) => !line.startsWith('#') && line !== '');
  assert.deepEqual(lines, [`${base}-0.ts`, `${base}-1.ts`], 'the third is not finished');
  assert.doesNotMatch(rig.text(list), /ENDLIST/);
  await rig.play(8000);
  assert.match(
    rig.text(list),
    /#EXTINF:6\.0\d\d,\n.*-2\.ts\n(.*\n)+#EXTINF:2\.0\d\d,\n.*-3\.ts\n#EXT-X-ENDLIST\n$/,
  );
  assert.match(rig.text(list), /#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:30:00\.000Z\n/);
  await rig.close(recorder);
  const [first, second] = rig.finished;
  assert.equal(first!.file, list);
  assert.deepEqual(
    first!.parts.map((part) => part.startMs - START_MS),
    [0, 6000, 12_000, 18_000],
  );
  assert.equal(second!.file, nameAt(20_000, 'm3u8'));
  const checker = new TsChecker({ maxTableGapMs: 500 });
  for (const part of first!.parts) checker.segment(rig.bytes(part.file), part.file);
  assert.deepEqual(checker.violations, []);
});

test('recorder: a list tells a discontinuity after a republish', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'hls' }, durationMs: 60_000 });
  await rig.play(7000);
  rig.publication.end('gone');
  rig.test.advanceMs(2000);
  rig.publish();
  rig.announce();
  await rig.play(7000);
  await rig.close(recorder);
  const list = rig.text(nameAt(0, 'm3u8'));
  assert.equal(list.split('#EXT-X-DISCONTINUITY\n').length - 1, 1);
  assert.match(list, /#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:30:0[89]/);
});

test('recorder: several recordings of one stream do not disturb each other', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const all = [
    rig.record({ rule: { format: 'hls' } }),
    rig.record({ rule: { format: 'fmp4' } }),
    rig.record({ rule: { format: 'flv', plan: 'session' } }),
    rig.record({ rule: { format: 'fmp4', name: 'second' } }),
  ];
  await rig.play(9000);
  await rig.close(...all);
  const names = rig.finished.map((file) => file.file).sort(byName);
  assert.deepEqual(
    names,
    [nameAt(0, '2.mp4'), nameAt(0, 'flv'), nameAt(0, 'm3u8'), nameAt(0, 'mp4')].sort(byName),
  );
});

test('recorder: waits for a key frame, unless it is told not to', async () => {
  const rig = new RecorderRig();
  rig.ms = 40;
  rig.announce();
  const waiting = rig.record({ rule: { format: 'ts' } });
  const eager = rig.record({ rule: { format: 'fmp4', waitKey: false } });
  await rig.play(960);
  assert.deepEqual([waiting.state, eager.state], ['waiting', 'recording']);
  await rig.play(4000);
  assert.equal(waiting.state, 'recording');
  await rig.close(waiting, eager);
  assert.deepEqual(rig.names, [nameAt(0, 'mp4'), nameAt(1960, 'ts')].sort());
});

test('recorder: a recording that starts in the middle begins with the GOP cache', async () => {
  const rig = new RecorderRig();
  rig.announce();
  await rig.play(3000);
  const recorder = rig.record({ rule: { format: 'fmp4' } });
  await rig.play(2000);
  await rig.close(recorder);
  assert.equal(rig.finished[0]!.startMs - START_MS, 2000);
  assert.equal(rig.finished[0]!.file, nameAt(2000, 'mp4'));
});

test('recorder: sound alone, and tracks that the format cannot hold', async () => {
  const rig = new RecorderRig();
  rig.publication.setTrack(makeTrack(1, RIG_AUDIO));
  const recorder = rig.record({ rule: { format: 'fmp4' }, durationMs: 2000 });
  await rig.playAudio(5000);
  await rig.close(recorder);
  assert.deepEqual(
    rig.finished.map((file) => Math.round((file.endMs - file.startMs) / 1000)),
    [2, 2, 1],
  );

  const other = new RecorderRig();
  const speech = { ...RIG_AUDIO, codec: 'g711a' } as const;
  other.publication.setTrack(makeTrack(1, speech));
  const unable = other.record({ rule: { format: 'ts' } });
  other.publication.write(1, 1, 0, 0, 0, Buffer.alloc(8), speech);
  assert.deepEqual([unable.state, unable.lastError], ['unable', 'MPEG-TS has no place for G.711 A-law']);
  await other.close(unable);
  assert.deepEqual(other.names, []);
});

test('recorder: sound before the pictures are announced belongs to the same file', async () => {
  for (const format of ['fmp4', 'flv', 'ts', 'hls'] as const) {
    const rig = new RecorderRig();
    rig.publication.setTrack(makeTrack(1, RIG_AUDIO));
    const recorder = rig.record({ rule: { format }, durationMs: 60_000 });
    rig.publication.write(1, 1, 0, 0, 0, Buffer.alloc(8, 2), RIG_AUDIO);
    rig.announce();
    await rig.play(4000);
    await rig.close(recorder);
    assert.equal(rig.finished.length, 1, format);
    assert.deepEqual(rig.finished[0]!.tracks.length, 2, format);
  }
});

test('recorder: another configuration begins a new file where the format needs one, at a key frame', async () => {
  const record = Uint8Array.from(RIG_VIDEO.record);
  record[3] = 51;
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'fmp4', plan: 'session' } });
  const flv = rig.record({ rule: { format: 'flv', plan: 'session' } });
  await rig.play(3000);
  rig.publication.setTrack(makeTrack(0, { ...RIG_VIDEO, record }));
  await rig.play(3000);
  await rig.close(recorder, flv);
  assert.deepEqual(
    rig.finished.map((file) => file.file).sort(byName),
    [nameAt(0, 'mp4'), nameAt(0, 'flv'), nameAt(4000, 'mp4')].sort(byName),
  );
});

test('recorder: a full disk is a gap with its time; recording goes on with a new file at a key frame', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'fmp4' }, durationMs: 60_000 });
  await rig.play(5000);
  rig.disk.freeBytes = 0;
  await rig.play(9000);
  assert.equal(recorder.state, 'gap');
  assert.equal(rig.logged('record.gap').length, 1, 'told once');
  assert.equal(recorder.lastError, 'the disk is full');
  assert.ok(Number.isNaN(recorder.gaps[0]!.endMs));
  rig.disk.freeBytes = Number.POSITIVE_INFINITY;
  await rig.play(14_000);
  assert.equal(recorder.state, 'recording');
  assert.equal(rig.logged('record.resumed').length, 1);
  await rig.close(recorder);
  const [before, after] = rig.finished;
  const [gap] = await rig.index.gaps('live/cam', 0, Number.MAX_SAFE_INTEGER);
  assert.equal(gap!.cause, 'the disk is full');
  assert.equal(gap!.startMs, Math.round(before!.endMs));
  assert.equal(gap!.endMs, after!.startMs);
  assert.equal((after!.startMs - START_MS) % 2000, 0, 'at a key frame');
  assert.equal(before!.bytes, rig.bytes(before!.file).length, 'what did not fit whole was cut off');
  assert.equal(rig.finished.length, 2, 'attempts that failed leave nothing');
  assert.deepEqual(rig.names, [before!.file, after!.file].sort());
  assert.equal(recorder.gapCount, 1);
});

test('recorder: a read-only disk from the start', async () => {
  const rig = new RecorderRig();
  rig.announce();
  rig.disk.openError = 'EROFS';
  for (const format of ['hls', 'ts'] as const) {
    const recorder = rig.record({ rule: { format } });
    await rig.play(6000);
    assert.deepEqual([recorder.state, recorder.lastError], ['gap', 'the disk is read-only']);
    rig.disk.openError = '';
    await rig.play(14_000);
    assert.equal(recorder.state, 'recording', format);
    recorder.stop();
    rig.disk.openError = 'EROFS';
    await recorder.settled;
  }
  await rig.close();
  assert.equal((await rig.index.gaps('live/cam', 0, Number.MAX_SAFE_INTEGER)).length, 2);
});

test('recorder: a disk that hangs costs a gap, bounded memory, and nothing else', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'ts' }, maxBacklogBytes: 60_000, durationMs: 60_000 });
  await rig.play(3000);
  rig.disk.hold = true;
  await rig.play(20_000);
  assert.equal(recorder.state, 'gap');
  assert.ok(recorder.backlogBytes <= 60_000);
  assert.match(recorder.lastError, /slower/);
  assert.equal(rig.test.hub.find('live/cam')?.state, 'live');
  rig.disk.release();
  await rig.play(40);
  await rig.play(8000);
  assert.equal(recorder.state, 'recording');
  await rig.close(recorder);
  const [before, after] = rig.finished;
  const [gap] = recorder.gaps;
  assert.equal(gap!.startMs, Math.round(before!.endMs), 'what had been taken was written');
  assert.equal(gap!.endMs, after!.startMs);
});

test('recorder: a clock that is set does not stretch files; names follow it', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'fmp4' }, durationMs: 4000 });
  await rig.play(3000);
  rig.wallStepUs = -3_600_000_000;
  await rig.play(4000);
  await rig.close(recorder);
  assert.deepEqual(
    rig.finished.map((file) => [file.startMs - START_MS, Math.round((file.endMs - file.startMs) / 1000)]),
    [
      [0, 4],
      [4000 - 3_600_000, 3],
    ],
  );
});

test('recorder: small errors of the clock leave no holes between files', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'ts' }, durationMs: 2000 });
  for (let i = 0; i < 5; i++) {
    await rig.play(2000);
    rig.wallStepUs = i % 2 === 0 ? 300_000 : -200_000;
  }
  await rig.close(recorder);
  assert.deepEqual(
    rig.finished.map((file) => file.startMs - START_MS),
    [0, 2000, 4000, 6000, 8000],
  );
});

test('recorder: a file of the plan append goes on, with its own time and its parts', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const first = rig.record({ rule: { format: 'fmp4', plan: 'append' } });
  await rig.play(4000);
  first.stop();
  await first.settled;
  const [entry] = rig.finished;
  assert.equal(entry!.file, 'h/live/cam/all.mp4');
  const head = Buffer.from(rig.bytes(entry!.file));
  rig.test.advanceMs(60_000);
  const second = rig.record({
    rule: { format: 'fmp4', plan: 'append' },
    continuation: { entry: entry!, head },
  });
  await rig.play(4000);
  await rig.close(second);
  assert.deepEqual(rig.names, ['h/live/cam/all.mp4']);
  const [, whole] = rig.finished;
  assert.deepEqual(rig.bytes(whole!.file).subarray(0, head.length), head);
  assert.equal(whole!.bytes, rig.bytes(whole!.file).length);
  assert.equal(whole!.startMs, entry!.startMs);
  assert.deepEqual(
    whole!.parts.map((part) => part.offset),
    [0, head.length],
  );
  assert.equal(whole!.parts[1]!.discontinuity, true);
  const { files } = await rig.index.files('live/cam', 0, Number.MAX_SAFE_INTEGER);
  assert.equal(files.length, 1);
});

test('recorder: the plan append begins a new file when the old one cannot go on', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const first = rig.record({ rule: { format: 'fmp4', plan: 'append' } });
  await rig.play(2000);
  first.stop();
  await first.settled;
  const [entry] = rig.finished;
  const head = Buffer.from(rig.bytes(entry!.file));
  head[40]! ^= 1;
  const second = rig.record({
    rule: { format: 'fmp4', plan: 'append' },
    continuation: { entry: entry!, head },
  });
  await rig.play(2000);
  await rig.close(second);
  assert.deepEqual(rig.names, ['h/live/cam/all.2.mp4', 'h/live/cam/all.mp4']);
});

test('recorder: hostile stream names and hosts stay inside the folder', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'flv' }, vhost: '../../etc' });
  await rig.play(2000);
  await rig.close(recorder);
  assert.match(rig.names[0]!, /^~2e~2e~2f~2e~2e~2fetc\/live\/cam\//);
});

test('recorder: nothing is left when nothing came', async () => {
  const rig = new RecorderRig();
  rig.announce();
  const recorder = rig.record({ rule: { format: 'hls' } });
  await rig.close(recorder);
  assert.deepEqual([rig.names, rig.finished], [[], []]);
});
