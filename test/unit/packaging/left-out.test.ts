/** Codecs of cameras that a format has no place for are left out with a sentence, and the rest goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { CODECS } from '../../../src/codec/codec-id.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import type { FeedFormat } from '../../../src/media/feed.ts';
import { FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { adtsFormat } from '../../../src/packaging/audio-feed.ts';
import { CmafPackager } from '../../../src/packaging/cmaf-packager.ts';
import { flvFormat, wsFlvFormat } from '../../../src/packaging/flv-feed.ts';
import { FlvFileMuxer } from '../../../src/packaging/flv-file-muxer.ts';
import { fmp4Format } from '../../../src/packaging/fmp4-feed.ts';
import { Fmp4FileMuxer } from '../../../src/packaging/fmp4-file-muxer.ts';
import { rtmpFormat } from '../../../src/packaging/rtmp-feed.ts';
import { tsFormat } from '../../../src/packaging/ts-feed.ts';
import { TsFileMuxer } from '../../../src/packaging/ts-file-muxer.ts';
import { TsSegmentPackager } from '../../../src/packaging/ts-segment-packager.ts';
import { SlabWriter } from '../../../src/util/slab.ts';

const NO_BYTES = new Uint8Array(0);
const AAC = configFromRecord('aac', Uint8Array.of(0x11, 0x90));
const ONVIF = 'application/vnd.onvif.metadata';

const strange: readonly CodecConfig[] = [
  configFromRecord('g722', NO_BYTES),
  configFromRecord('g726', Uint8Array.of(4)),
  makeCodecConfig('l16', NO_BYTES, '', { sampleRate: 44_100, channels: 2 }),
  configFromRecord('mjpeg', NO_BYTES),
  makeCodecConfig('data', NO_BYTES, ONVIF),
  makeCodecConfig('g711a', NO_BYTES, '', { sampleRate: 16_000, channels: 1 }),
];

const rtmp = rtmpFormat({ chunkSize: 4096, messageStreamId: 1, fourCcs: null, multitrack: true });
const feeds: readonly FeedFormat[] = [rtmp, flvFormat, wsFlvFormat, tsFormat, fmp4Format, adtsFormat];

const frameOf = (track: Track, payload: Uint8Array, dts: number) =>
  new Frame(track.id, FRAME_KEY, dts, dts, 20_000, payload, track.config, dts, Number.NaN);

function isSentence(reason: string, config: CodecConfig): void {
  assert.ok(reason.length > 20, reason);
  const name = config.codec === 'data' ? /data|ONVIF|metadata|pictures|sound/i : undefined;
  assert.ok((name ?? new RegExp(CODECS[config.codec].label)).test(reason), reason);
}

for (const config of strange) {
  const tracks = [makeTrack(1, AAC), makeTrack(3, config)];
  const [sound, other] = tracks as [Track, Track];
  const named = `${config.codec}${config.sampleRate > 0 ? ` of ${config.sampleRate} Hz` : ''}`;

  for (const format of feeds) {
    test(`${format.name.split(':')[0]} leaves out ${named}`, () => {
      const encoder = format.open({ tracks, metadata: null, label: 'live/a' });
      const target = new SlabWriter();
      assert.equal(encoder.encode(frameOf(other, Buffer.from('<a/>'), 0), target), false);
      assert.equal(encoder.encode(frameOf(sound, Buffer.from('2110', 'hex'), 0), target), true);
      const left = encoder.leftOut();
      assert.deepEqual(
        left.map(({ track }) => track.id),
        [3],
      );
      isSentence(left[0]!.reason, config);
      assert.ok(!Buffer.from(encoder.prologue(0)).includes('onvif'));
    });
  }

  for (const Muxer of [FlvFileMuxer, TsFileMuxer, Fmp4FileMuxer]) {
    test(`${Muxer.name} leaves out ${named}`, () => {
      const muxer = new Muxer({ startWallUs: 0 });
      muxer.setTracks(tracks);
      for (let i = 0; i < 3; i++) {
        muxer.write(frameOf(sound, Buffer.from('2110aabbccdd', 'hex'), i * 20_000));
        muxer.write(frameOf(other, Buffer.from('<not-written/>'), i * 20_000));
      }
      muxer.finish();
      const file = Buffer.concat(muxer.take());
      assert.ok(file.length > 0 && !file.includes('not-written'));
      assert.deepEqual(
        muxer.leftOut.map(({ track }) => track.id),
        [3],
      );
      isSentence(muxer.leftOut[0]!.reason, config);
    });
  }
}

const lists = {
  targetDurationUs: 2_000_000,
  partTargetUs: 0,
  windowCount: 3,
  windowUs: 0,
  cacheCount: 1,
  maxBytes: 1_000_000,
  maxSegmentBytes: 500_000,
  wallAt: (us: number) => us,
  wallClock: () => 0,
  startWallUs: 0,
};

for (const config of strange) {
  test(`the segments of HLS and DASH leave out ${config.codec}`, () => {
    for (const packager of [new TsSegmentPackager(lists), new CmafPackager(lists)]) {
      const tracks = [makeTrack(1, AAC), makeTrack(3, config)];
      packager.setTracks(tracks);
      assert.deepEqual(
        packager.leftOut.map(({ track }) => track.id),
        [3],
      );
      isSentence(packager.leftOut[0]!.reason, config);
    }
  });
}

test('script data of RTMP goes on to RTMP and FLV', () => {
  const tracks = [makeTrack(2, makeCodecConfig('data', NO_BYTES, ''))];
  for (const format of [rtmp, flvFormat]) {
    const encoder = format.open({ tracks, metadata: null, label: 'live/a' });
    assert.equal(
      encoder.encode(frameOf(tracks[0]!, Buffer.from('020001610500', 'hex'), 0), new SlabWriter()),
      true,
    );
    assert.deepEqual(encoder.leftOut(), []);
  }
});
