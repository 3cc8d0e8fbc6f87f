/** Sound over RTP: packets of foreign programs, and every format in both directions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../../src/codec/describe-config.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import {
  findFormatByCodec,
  findFormatByName,
  PAYLOAD_FORMATS,
  reasonNotUsed,
} from '../../../../src/wire/rtp/payload-formats.ts';
import { digest, loadVector, mappingOf, packetize, push, type SentPacket } from './audio-packets.ts';

const NO_BYTES = new Uint8Array(0);
const formatOf = (name: string) => findFormatByName(name) ?? assert.fail(name);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Bytes that do not repeat soon. */
function noise(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes[i] = state >> 16;
  }
  return bytes;
}

const recorded: readonly [name: string, ticksPerFrame: number][] = [
  ['ffmpeg51-aac', 1024],
  ['ffmpeg51-aac-fragments', 1024],
  ['ffmpeg51-latm', 1024],
  ['gst-aac', 1024],
  ['gst-aac-fragments', 1024],
  ['gst-latm', 1024],
  ['gst-latm-fragments', 1024],
  ['ffmpeg51-mp3', 2160],
  ['ffmpeg51-mp3-fragments', 2160],
  ['gst-mp3', 2160],
  ['gst-mp3-fragments', 2160],
  ['gst-ac3', 1536],
  ['gst-ac3-fragments', 1536],
  ['ffmpeg51-opus', 960],
  ['gst-opus', 960],
];
for (const [name, ticksPerFrame] of recorded) {
  test(`recorded: ${name}`, () => {
    const { mapping, packets, frames } = loadVector(name);
    const depacketizer = formatOf(mapping.encodingName).depacketizer(mapping);
    const units = push(depacketizer, packets);
    // The last fragment is of a frame that is not whole.
    const isCut = !packets.at(-1)?.marker && name.includes('fragments') && depacketizer.damaged === 1;
    assert.ok(units.length >= 4 && depacketizer.damaged === (isCut ? 1 : 0));
    const first = frames.indexOf(digest(units[0]!.payload));
    assert.ok(first === 0 || first === 1, `first frame is ${first}`);
    assert.deepEqual(
      units.map(({ payload }) => digest(payload)),
      frames.slice(first, first + units.length),
    );
    // GStreamer's clock rounds, and its first Opus frame is shorter by what is to be left out.
    const start = units[1]!.timestamp;
    units.slice(1).forEach(({ timestamp }, i) => {
      assert.ok(Math.abs(((timestamp - start) >>> 0) - i * ticksPerFrame) <= 3, `time of ${i}`);
    });
  });
}

const rawRecorded: readonly [name: string, codec: string, sampleRate: number, channels: number][] = [
  ['ffmpeg51-pcma', 'g711a', 8000, 1],
  ['ffmpeg51-g722', 'g722', 16_000, 1],
  ['ffmpeg51-l16', 'l16', 8000, 2],
];
for (const [name, codec, sampleRate, channels] of rawRecorded) {
  test(`recorded: ${name}`, () => {
    const { mapping, packets, raw } = loadVector(name);
    const format = formatOf(mapping.encodingName);
    const config = format.config(mapping);
    assert.deepEqual([config?.codec, config?.sampleRate, config?.channels], [codec, sampleRate, channels]);
    const units = push(format.depacketizer(mapping), packets);
    const all = Buffer.concat(units.map(({ payload }) => payload));
    const size = Math.min(all.length, raw.length);
    assert.ok(size > 900);
    assert.equal(hex(all.subarray(0, size)), hex(raw.subarray(0, size)));
  });
}

for (const rate of [16, 24, 32, 40]) {
  test(`recorded: G.726 of ${rate} kbit/s in both orders of its codes`, () => {
    const [usual, turned] = [`ffmpeg51-g726-${rate}`, `gst-g726-${rate}-aal2`].map((name) => {
      const { mapping, packets } = loadVector(name);
      const format = formatOf(mapping.encodingName);
      assert.deepEqual([...(format.config(mapping)?.record ?? [])], [rate / 8]);
      return Buffer.concat(push(format.depacketizer(mapping), packets).map(({ payload }) => payload));
    });
    assert.ok(turned!.length >= 80);
    assert.equal(hex(turned!), hex(usual!.subarray(0, turned!.length)));
  });
}

test('recorded: L8 and L24 become 16 bits', () => {
  const [l8, l16, l24] = ['gst-l8', 'gst-l16', 'gst-l24'].map((name) => {
    const { mapping, packets } = loadVector(name);
    const { length } = packets;
    assert.equal(length, 2);
    return Buffer.concat(
      push(formatOf(mapping.encodingName).depacketizer(mapping), packets).map((u) => u.payload),
    );
  });
  assert.equal(hex(l24!), hex(l16!));
  assert.equal(l8!.length, l16!.length);
  for (let at = 0; at < l16!.length; at += 2) {
    assert.ok(Math.abs(l8!.readInt16BE(at) - l16!.readInt16BE(at)) <= 512, `sample ${at / 2}`);
  }
});

test('L8 and L24 by their bytes', () => {
  const one = (payload: string): SentPacket[] => [
    { payload: Buffer.from(payload, 'hex'), marker: false, timestamp: 1 },
  ];
  const l8 = formatOf('L8').depacketizer(mappingOf('L8', 8000, 1));
  assert.equal(hex(push(l8, one('0080ff'))[0]!.payload), '800000007f00');
  const l24 = formatOf('L24').depacketizer(mappingOf('L24', 8000, 1));
  assert.equal(hex(push(l24, one('12345689abcdff'))[0]!.payload), '123489ab');
  assert.equal(l24.damaged, 1);
});

const aac = configFromRecord('aac', Uint8Array.of(0x11, 0x90));
const stereo = { sampleRate: 48_000, channels: 2 };
const sound = (codec: 'g711a' | 'g711u' | 'l16' | 'g722', sampleRate: number, channels: number) =>
  makeCodecConfig(codec, NO_BYTES, '', { sampleRate, channels });
const data = (mime: string) => makeCodecConfig('data', NO_BYTES, mime);
const AAC_FMTP =
  'streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190';

/** What SDP says; `null` = it cannot be sent. */
const described: readonly [config: CodecConfig, text: string | null][] = [
  [aac, `-1 MPEG4-GENERIC/48000/2 ${AAC_FMTP}`],
  [makeCodecConfig('aac', NO_BYTES, ''), null],
  [makeCodecConfig('opus', NO_BYTES, 'opus', stereo), '-1 opus/48000/2 sprop-stereo=1'],
  [makeCodecConfig('opus', NO_BYTES, 'opus', { sampleRate: 48_000, channels: 1 }), '-1 opus/48000/2 '],
  [makeCodecConfig('opus', NO_BYTES, 'opus', { sampleRate: 48_000, channels: 6 }), null],
  [sound('g711a', 8000, 1), '8 PCMA/8000/0 '],
  [sound('g711u', 8000, 1), '0 PCMU/8000/0 '],
  [sound('g711u', 16_000, 1), '-1 PCMU/16000/0 '],
  [sound('g711a', 8000, 2), '-1 PCMA/8000/2 '],
  [sound('g711a', 0, 0), null],
  [configFromRecord('g722', NO_BYTES), '9 G722/8000/0 '],
  [configFromRecord('g726', Uint8Array.of(2)), '-1 G726-16/8000/0 '],
  [configFromRecord('g726', Uint8Array.of(3)), '-1 G726-24/8000/0 '],
  [configFromRecord('g726', NO_BYTES), '-1 G726-32/8000/0 '],
  [configFromRecord('g726', Uint8Array.of(5)), '-1 G726-40/8000/0 '],
  [sound('l16', 44_100, 2), '10 L16/44100/2 '],
  [sound('l16', 44_100, 1), '11 L16/44100/1 '],
  [sound('l16', 48_000, 2), '-1 L16/48000/2 '],
  [sound('l16', 44_100, 4), '-1 L16/44100/4 '],
  [sound('l16', 0, 0), null],
  [configFromRecord('mp3', NO_BYTES), '14 MPA/90000/0 '],
  [makeCodecConfig('ac3', NO_BYTES, 'ac-3', { sampleRate: 48_000, channels: 6 }), '-1 AC3/48000/6 '],
  [makeCodecConfig('eac3', NO_BYTES, 'ec-3', stereo), '-1 EAC3/48000/2 '],
  [configFromRecord('ac3', NO_BYTES), null],
  [data('application/vnd.onvif.metadata'), '-1 vnd.onvif.metadata/90000/0 '],
  [data('application/smpte336m'), '-1 smpte336m/90000/0 '],
  [data(''), null],
  [data('text/plain'), null],
];
for (const [config, text] of described) {
  test(`described: ${config.codec} ${config.mime} ${config.sampleRate}/${config.channels} ${text}`, () => {
    const format = findFormatByCodec(config.codec) ?? assert.fail();
    const found = format.describe(config);
    const shown =
      found === null
        ? null
        : `${found.payloadType} ${found.encodingName}/${found.clockRate}/${found.channels} ${found.fmtp}`;
    assert.equal(shown, text);
    if (found === null) return;
    // What we say is understood by ourselves.
    const fmtp = Object.fromEntries(
      found.fmtp === '' ? [] : found.fmtp.split(';').map((part) => part.split('=')),
    );
    const name = found.encodingName.toUpperCase();
    const mapping = mappingOf(name, found.clockRate, found.channels, fmtp);
    assert.equal(findFormatByName(name), format);
    const back = format.config(mapping);
    if (back === null) return;
    assert.deepEqual(
      [back.codec, hex(back.record), back.sampleRate, back.channels, back.mime],
      [config.codec, hex(config.record), config.sampleRate, config.channels, config.mime],
    );
  });
}

const mp3Frame = Buffer.concat([Buffer.from('fffb9404', 'hex'), noise(380, 3)]);
const ac3Frame = (() => {
  const { packets } = loadVector('gst-ac3');
  return packets[0]!.payload.subarray(2);
})();
/** An independent substream of 256 bytes and a dependent one of 64. */
const eac3Frame = Buffer.concat([
  Buffer.from('0b77007f3f86', 'hex'),
  noise(250, 4),
  Buffer.from('0b77401f3f86', 'hex'),
  noise(58, 5),
]);
const xml = Buffer.from(`<?xml version="1.0"?>${'<a/>'.repeat(400)}`);

/** Frames cut into packets of at most 200 bytes; sizes of their payloads, `!` = marker, `+n` = ticks. */
const sent: readonly [name: string, config: CodecConfig, payload: Buffer, packets: string][] = [
  ['AAC', aac, noise(100), '104!'],
  ['AAC that just fits', aac, noise(196), '200!'],
  ['AAC in fragments', aac, noise(450), '200 200 62!'],
  ['AAC of more than 13 bits', aac, noise(8192), ''],
  ['Opus', makeCodecConfig('opus', NO_BYTES, '', stereo), Buffer.from('fc0102', 'hex'), '3'],
  ['Opus that is too long', makeCodecConfig('opus', NO_BYTES, '', stereo), noise(201), ''],
  ['A-law of 20 ms', sound('g711a', 8000, 1), noise(160), '160'],
  ['A-law of 30 ms in small packets', sound('g711a', 8000, 1), noise(240), '160 80+160'],
  ['A-law of two channels', sound('g711a', 8000, 2), noise(401), '200 200+100'],
  ['mu-law of 45 ms', sound('g711u', 8000, 1), noise(360), '160 200+160'],
  ['G.722', configFromRecord('g722', NO_BYTES), noise(200), '200'],
  [
    'G.726 of 24 kbit/s',
    configFromRecord('g726', Uint8Array.of(3)),
    noise(303),
    '60 60+160 60+320 60+480 63+640',
  ],
  ['L16', sound('l16', 44_100, 2), noise(404), '200 200+50 4+100'],
  ['MP3 in fragments', configFromRecord('mp3', NO_BYTES), mp3Frame, '200 192'],
  ['AC-3 in fragments', configFromRecord('ac3', NO_BYTES), ac3Frame.subarray(0, 768), '200 200 200 176!'],
  ['E-AC-3 in fragments', configFromRecord('eac3', NO_BYTES), eac3Frame, '200 124!'],
  ['metadata', data('application/vnd.onvif.metadata'), xml, '200 200 200 200 200 200 200 200 21!'],
];
for (const [name, config, payload, expected] of sent) {
  test(`both ways: ${name}`, () => {
    const format = findFormatByCodec(config.codec) ?? assert.fail();
    const packets = packetize(format, config, payload, 200);
    assert.equal(
      packets
        .map(
          (one) =>
            `${one.payload.length}${one.marker ? '!' : ''}${one.timestamp > 1000 ? `+${one.timestamp - 1000}` : ''}`,
        )
        .join(' '),
      expected,
    );
    if (packets.length === 0) return;
    const found = format.describe(config);
    const { clockRate, channels, encodingName } = found ?? {
      clockRate: 48_000,
      channels: 0,
      encodingName: '',
    };
    const fmtp: Record<string, string> = config.codec === 'aac' ? { config: '1190' } : {};
    const depacketizer = format.depacketizer(
      mappingOf(encodingName.toUpperCase(), clockRate, channels, fmtp),
    );
    const units = push(depacketizer, packets);
    const whole = Buffer.concat(units.map((unit) => unit.payload));
    const excess = payload.length - whole.length;
    assert.ok(excess >= 0 && excess <= 1);
    assert.equal(hex(whole), hex(payload.subarray(0, whole.length)));
    assert.equal(depacketizer.damaged, 0);
    assert.equal(units[0]!.timestamp, 1000);
    // Whatever is lost, what comes out is a whole frame or nothing.
    if (packets.length < 2 || units.length > 1) return;
    for (let lost = 0; lost < packets.length; lost++) {
      const other = format.depacketizer(mappingOf(encodingName.toUpperCase(), clockRate, channels, fmtp));
      assert.deepEqual(push(other, packets, [lost]), [], `without packet ${lost}`);
    }
  });
}

test('a whole AC-3 frame, and the fragment types of RFC 4184', () => {
  const format = formatOf('AC3');
  const config = configFromRecord('ac3', NO_BYTES);
  const heads = (maxPayload: number) =>
    packetize(format, config, ac3Frame.subarray(0, 768), maxPayload).map(({ payload }) =>
      hex(payload.subarray(0, 2)),
    );
  assert.deepEqual(heads(1000), ['0001']);
  assert.deepEqual(heads(502), ['0102', '0302']);
  assert.deepEqual(heads(302), ['0203', '0303', '0303']);
});

test('several frames of E-AC-3 in a packet keep their dependent substreams', () => {
  const depacketizer = formatOf('EAC3').depacketizer(mappingOf('EAC3', 48_000, 2));
  const payload = Buffer.concat([Buffer.of(0, 2), eac3Frame, eac3Frame]);
  const units = push(depacketizer, [{ payload, marker: true, timestamp: 0xffff_ff00 }]);
  assert.deepEqual(
    units.map((unit) => [unit.payload.length, unit.timestamp]),
    [
      [320, 0xffff_ff00],
      [320, 1280],
    ],
  );
});

test('several MP3 frames in a packet, with and without the four bytes', () => {
  const small = Buffer.concat([Buffer.from('fffb1404', 'hex'), noise(92, 3)]);
  for (const head of [Buffer.alloc(4), NO_BYTES]) {
    const depacketizer = formatOf('MPA').depacketizer(mappingOf('MPA', 90_000));
    const payload = Buffer.concat([head, small, small, small]);
    const units = push(depacketizer, [{ payload, marker: false, timestamp: 5 }]);
    assert.deepEqual(
      units.map((unit) => [hex(unit.payload), unit.timestamp]),
      [5, 2165, 4325].map((time) => [hex(small), time]),
    );
    assert.equal(depacketizer.damaged, 0);
  }
});

test('MPEG audio of layer II is not used', () => {
  const depacketizer = formatOf('MPA').depacketizer(mappingOf('MPA', 90_000));
  const payload = Buffer.concat([Buffer.alloc(4), Buffer.from('fffd1404', 'hex'), noise(92)]);
  assert.deepEqual(push(depacketizer, [{ payload, marker: false, timestamp: 5 }]), []);
  assert.equal(depacketizer.damaged, 1);
});

test('AC-3 without its two bytes', () => {
  const depacketizer = formatOf('AC3').depacketizer(mappingOf('AC3', 48_000));
  const units = push(depacketizer, [{ payload: ac3Frame, marker: true, timestamp: 5 }]);
  assert.deepEqual([units.length, units[0]?.payload.length], [1, ac3Frame.length]);
});

test('Opus that breaks its own rules is dropped', () => {
  const depacketizer = formatOf('OPUS').depacketizer(mappingOf('OPUS', 48_000, 2));
  const packets = ['ff3f00', '', 'fc', '08'].map((text) => Buffer.from(text, 'hex'));
  const units = push(
    depacketizer,
    packets.map((payload) => ({ payload, marker: false, timestamp: 1 })),
  );
  assert.deepEqual([units.map((unit) => hex(unit.payload)), depacketizer.damaged], [['fc', '08'], 2]);
});

test('Opus tells its channels in band unless the description does', () => {
  const { config } = formatOf('OPUS');
  assert.equal(config(mappingOf('OPUS', 48_000, 2)), null);
  assert.equal(config(mappingOf('OPUS', 48_000, 2, { 'sprop-stereo': '1' }))?.channels, 2);
  assert.equal(config(mappingOf('OPUS', 48_000, 2, { 'sprop-stereo': '0' }))?.channels, 1);
});

test('a document without marker ends with the next time; after a loss only a beginning is taken', () => {
  const format = formatOf('VND.ONVIF.METADATA');
  const packet = (text: string, timestamp: number, marker = false): SentPacket => ({
    payload: Buffer.from(text),
    marker,
    timestamp,
  });
  const mapping = mappingOf('VND.ONVIF.METADATA', 90_000);
  const texts = (packets: SentPacket[], lost: number[] = []) =>
    push(format.depacketizer(mapping), packets, lost).map((unit) => unit.payload.toString());
  assert.deepEqual(texts([packet('<a', 1), packet('/>', 1), packet('<b/>', 2), packet('<c', 3)]), [
    '<a/>',
    '<b/>',
  ]);
  const three = [packet('<a>', 1), packet('</a>', 1, true), packet('<?b?>', 2, true)];
  assert.deepEqual(texts(three, [0]), ['<?b?>']);
  assert.deepEqual(texts(three, [1]), ['<?b?>']);
  const root = [packet('<a>', 1, true), packet('<tt:MetadataStream>', 2, true), packet('<b/>', 3, true)];
  assert.deepEqual(texts(root, [0]), ['<tt:MetadataStream>', '<b/>']);
  assert.deepEqual(texts(root, [1]), ['<a>']);
  assert.equal(format.config(mapping)?.mime, 'application/vnd.onvif.metadata');
});

test('a document over 1 MiB is dropped, and the next one comes', () => {
  const depacketizer = formatOf('SMPTE336M').depacketizer(mappingOf('SMPTE336M', 90_000));
  const payload = Buffer.alloc(60_000, 1);
  const packets: SentPacket[] = Array.from({ length: 30 }, (_, i) => ({
    payload,
    marker: i === 29,
    timestamp: 1,
  }));
  packets.push({ payload: Buffer.from('060e', 'hex'), marker: true, timestamp: 2 });
  const units = push(depacketizer, packets);
  assert.deepEqual(
    units.map((unit) => hex(unit.payload)),
    ['060e'],
  );
  assert.equal(depacketizer.damaged, 1);
});

const badMappings: readonly [name: string, clockRate: number, channels: number][] = [
  ['PCMA', 0, 1],
  ['PCMU', 8000, 33],
  ['L16', 1e9, 2],
  ['G726-32', 16_000, 1],
  ['G726-32', 8000, 2],
];
for (const [name, clockRate, channels] of badMappings) {
  test(`refused: ${name}/${clockRate}/${channels}`, () => {
    assert.throws(() => formatOf(name).config(mappingOf(name, clockRate, channels)), ProtocolError);
  });
}

test('every format is found by its names, which belong to it alone', () => {
  const names = PAYLOAD_FORMATS.flatMap(({ encodingNames }) => encodingNames);
  assert.equal(new Set(names).size, names.length);
  for (const format of PAYLOAD_FORMATS) {
    for (const name of format.encodingNames) {
      assert.equal(name, name.toUpperCase());
      assert.equal(findFormatByName(name), format);
    }
  }
  assert.deepEqual(findFormatByCodec('aac')?.encodingNames, ['MPEG4-GENERIC']);
  assert.equal(findFormatByCodec('speex'), undefined);
});

test('why a format is not used', () => {
  assert.equal(
    reasonNotUsed('MULTIOPUS'),
    'Opus with more than two channels (multiopus) has no standard over RTP.',
  );
  assert.equal(reasonNotUsed('X-\u0007NEW'), 'Sluice does not know the RTP payload format X-NEW.');
  assert.equal(reasonNotUsed(''), 'The session description does not say what the payload is.');
});
