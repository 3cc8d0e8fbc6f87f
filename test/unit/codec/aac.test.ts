import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  aacMime,
  aacProfileName,
  buildAudioSpecificConfig,
  parseAudioSpecificConfig,
} from '../../../src/codec/aac.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { bitString, bytes, hex } from './vectors.ts';

test('AudioSpecificConfig: what it says and what it is called', () => {
  // A program config element: front pair, side pair, back pair, one LFE; no mixdown, empty comment.
  const element = `0000 01 0011 0001 0001 0001 01 000 0000 000 ${'10000'.repeat(3)}0000`;
  const pce = hex(bitString(`00010 0011 0000 000 ${element.padEnd(61, '0')} 00000000`));
  const table: [
    what: string,
    record: string,
    rate: number,
    output: number,
    channels: number,
    samples: number,
    profile: string,
    mime: string,
  ][] = [
    ['LC stereo', '1210', 44_100, 44_100, 2, 1024, 'LC', 'mp4a.40.2'],
    ['LC with 960 samples', '1194', 48_000, 48_000, 2, 960, 'LC', 'mp4a.40.2'],
    ['LC 7.1', '11b8', 48_000, 48_000, 8, 1024, 'LC', 'mp4a.40.2'],
    ['LC with an escaped rate', '17802ee090', 24_001, 24_001, 2, 1024, 'LC', 'mp4a.40.2'],
    ['Main', '0990', 48_000, 48_000, 2, 1024, 'Main', 'mp4a.40.1'],
    ['LTP', '2190', 48_000, 48_000, 2, 1024, 'LTP', 'mp4a.40.4'],
    ['SBR, hierarchical', '2b098800', 24_000, 48_000, 1, 1024, 'HE-AAC', 'mp4a.40.5'],
    ['SBR and PS, hierarchical', 'eb098800', 24_000, 48_000, 2, 1024, 'HE-AACv2', 'mp4a.40.29'],
    ['SBR, backward compatible', '139056e5a0', 22_050, 44_100, 2, 1024, 'HE-AAC', 'mp4a.40.5'],
    ['SBR and PS, backward compatible', '138856e5a54880', 22_050, 44_100, 2, 1024, 'HE-AACv2', 'mp4a.40.29'],
    ['sync extension that says no SBR', '121056e500', 44_100, 44_100, 2, 1024, 'LC', 'mp4a.40.2'],
    ['LD 512', 'b99000', 48_000, 48_000, 2, 512, 'LD', 'mp4a.40.23'],
    [
      'ELD 512',
      hex(bitString('11111 000111 0011 0010 0 00000')),
      48_000,
      48_000,
      2,
      512,
      'ELD',
      'mp4a.40.39',
    ],
    [
      'ELD 480',
      hex(bitString('11111 000111 0011 0010 1 00000')),
      48_000,
      48_000,
      2,
      480,
      'ELD',
      'mp4a.40.39',
    ],
    [
      'xHE-AAC',
      hex(bitString('11111 001010 0011 0000 00011 001 00010 000')),
      48_000,
      48_000,
      2,
      1024,
      'xHE-AAC',
      'mp4a.40.42',
    ],
    ['channels in a program config element', pce, 48_000, 48_000, 7, 1024, 'LC', 'mp4a.40.2'],
  ];
  for (const [what, record, rate, output, channels, samples, profile, mime] of table) {
    const config = parseAudioSpecificConfig(bytes(record));
    assert.deepEqual(
      [config.sampleRate, config.outputRate, config.channels, config.frameSamples],
      [rate, output, channels, samples],
      what,
    );
    assert.equal(aacProfileName(config), profile, what);
    assert.equal(aacMime(config), mime, what);
  }
});

test('broken ones', () => {
  for (const record of ['', '12', '0610', '1690', '17ffffff90', 'f8', '1180', 'ff'.repeat(1025)]) {
    assert.throws(() => parseAudioSpecificConfig(bytes(record)), ProtocolError, record);
  }
});

test('parse(build(x)) is x for every rate of the table and some that are not in it', () => {
  for (const rate of [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
  ]) {
    for (const channels of [1, 2, 6, 7]) {
      const record = buildAudioSpecificConfig(2, rate, channels);
      assert.equal(record.length, 2);
      const config = parseAudioSpecificConfig(record);
      assert.deepEqual([config.objectType, config.sampleRate, config.channelConfig], [2, rate, channels]);
    }
  }
  for (const rate of [1, 47_999, 192_000]) {
    assert.equal(parseAudioSpecificConfig(buildAudioSpecificConfig(4, rate, 2)).sampleRate, rate);
  }
  assert.equal(hex(buildAudioSpecificConfig(2, 44_100, 2)), '1210');
});
