import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AmfObject, AmfValue } from '../../../../src/wire/amf/amf-value.ts';
import { readAmf0All } from '../../../../src/wire/amf/amf0.ts';
import {
  amfObject,
  connectResult,
  createStreamResult,
  emptyResult,
  errorResult,
  onBandwidthDone,
  onFastCall,
  onStatus,
  parseCommand,
  parseConnect,
  parseData,
  STATUS,
  serializeCommand,
  serializeData,
} from '../../../../src/wire/rtmp/command.ts';
import {
  acceptedFourCcs,
  CAPS_MOD_EX,
  CAPS_MULTITRACK,
  CAPS_RECONNECT,
  CAPS_TIMESTAMP_NANO_OFFSET,
  enhancedAnswer,
  readEnhancedCapabilities,
} from '../../../../src/wire/rtmp/enhanced.ts';

const plain = (value: AmfValue): unknown => JSON.parse(JSON.stringify(value ?? null));

test('command: written and read again', () => {
  const command = parseCommand(20, serializeCommand('play', 4, null, 'cam', -2000, true));
  assert.deepEqual(command, { name: 'play', transactionId: 4, object: null, args: ['cam', -2000, true] });
});

test('command: object or no object, argument in its place, nothing at all', () => {
  const object = amfObject({ app: 'live' });
  assert.deepEqual(parseCommand(20, serializeCommand('connect', 1, object)).object, object);
  assert.deepEqual(parseCommand(20, serializeData('closeStream')), {
    name: 'closeStream',
    transactionId: 0,
    object: null,
    args: [],
  });
  assert.deepEqual(parseCommand(20, serializeData('x', 3, 'arg', 5)), {
    name: 'x',
    transactionId: 3,
    object: null,
    args: ['arg', 5],
  });
  assert.deepEqual(parseCommand(20, serializeData('x', 'no number', null, 5)).transactionId, 0);
});

test('command: AMF3 form with its zero byte, without it, and with AMF3 values inside', () => {
  const body = serializeCommand('publish', 5, null, 'cam', 'live');
  assert.deepEqual(parseCommand(17, Buffer.concat([Buffer.of(0), body])).args, ['cam', 'live']);
  assert.deepEqual(parseCommand(17, body).args, ['cam', 'live']);
  const amf3 = Buffer.concat([
    Buffer.of(0),
    serializeCommand('play', 1, null),
    Buffer.from('110607', 'hex'),
    Buffer.from('cam'),
  ]);
  assert.deepEqual(parseCommand(17, amf3).args, ['cam']);
});

test('command: bad ones', () => {
  for (const body of [
    Buffer.alloc(0),
    serializeData(''),
    serializeData('x'.repeat(129)),
    Buffer.from('0500', 'hex'),
  ]) {
    assert.throws(() => parseCommand(20, body), { name: 'ProtocolError' });
  }
  assert.throws(() => parseCommand(20, Buffer.from('0200', 'hex')), { code: 'amf.truncated' });
  assert.throws(() => parseCommand(20, serializeCommand('a', 1, null, 1, 2), { maxDepth: 2, maxValues: 4 }), {
    code: 'amf.too-many-values',
  });
});

test('data: with and without @setDataFrame, AMF3 form', () => {
  const fields = amfObject({ width: 320 });
  assert.deepEqual(parseData(18, serializeData('onMetaData', fields)), {
    name: 'onMetaData',
    isDataFrame: false,
    values: [fields],
  });
  const framed = serializeData('@setDataFrame', 'onMetaData', fields);
  assert.deepEqual(parseData(18, framed), { name: 'onMetaData', isDataFrame: true, values: [fields] });
  assert.equal(parseData(15, Buffer.concat([Buffer.of(0), framed])).name, 'onMetaData');
  assert.throws(() => parseData(18, serializeData('@setDataFrame')), { code: 'rtmp.bad-data' });
  assert.throws(() => parseData(18, Buffer.alloc(0)), { code: 'rtmp.bad-data' });
});

test('data: golden bytes', () => {
  assert.equal(
    serializeData('|RtmpSampleAccess', true, true).toString('hex'),
    `020011${Buffer.from('|RtmpSampleAccess').toString('hex')}01010101`,
  );
});

test('answers: what they say', () => {
  const read = (body: Buffer) => readAmf0All(body).map(plain);
  const [name, id, properties, info] = read(connectResult(1, 3, { fourCcList: ['*'] }));
  assert.deepEqual([name, id], ['_result', 1]);
  assert.ok((properties as AmfObject)['fmsVer']);
  assert.deepEqual(info, {
    level: 'status',
    code: STATUS.connectSuccess,
    description: 'Connection succeeded.',
    objectEncoding: 3,
    fourCcList: ['*'],
  });
  assert.deepEqual(read(createStreamResult(4, 1)), ['_result', 4, null, 1]);
  assert.deepEqual(readAmf0All(emptyResult(2)), ['_result', 2, null, undefined]);
  assert.deepEqual(read(errorResult(1, STATUS.connectRejected, 'No.')), [
    '_error',
    1,
    null,
    { level: 'error', code: 'NetConnection.Connect.Rejected', description: 'No.' },
  ]);
  assert.deepEqual(read(onStatus('status', STATUS.playStart, 'Go.', { details: 'cam' })), [
    'onStatus',
    0,
    null,
    { level: 'status', code: 'NetStream.Play.Start', description: 'Go.', details: 'cam' },
  ]);
  assert.deepEqual(read(onBandwidthDone()), ['onBWDone', 0, null]);
  assert.deepEqual(read(onFastCall('onFCPublish', STATUS.publishStart, 'cam'))[0], 'onFCPublish');
});

test('status codes are those of the Flash documentation: two or more dots, no doubles', () => {
  const codes = Object.values(STATUS);
  assert.equal(new Set(codes).size, codes.length);
  for (const code of codes) assert.match(code, /^Net(Connection|Stream)(\.[A-Z][A-Za-z]+){1,2}$/);
});

test('connect: members, wrong types, too long texts', () => {
  const connect = (object: AmfObject | null) =>
    parseConnect(parseCommand(20, serializeCommand('connect', 1, object)));
  const info = connect({
    app: 'live',
    tcUrl: 'rtmp://h/live',
    pageUrl: 'p',
    swfUrl: 's',
    flashVer: 'f',
    objectEncoding: 3,
    capsEx: 7,
    fourCcList: ['hvc1', 5, 'toolong'],
  });
  assert.deepEqual(info, {
    app: 'live',
    tcUrl: 'rtmp://h/live',
    pageUrl: 'p',
    swfUrl: 's',
    flashVer: 'f',
    objectEncoding: 3,
    fourCcList: ['hvc1'],
    videoFourCcInfoMap: null,
    audioFourCcInfoMap: null,
    capsEx: 7,
  });
  const empty = {
    app: '',
    tcUrl: '',
    pageUrl: '',
    swfUrl: '',
    flashVer: '',
    objectEncoding: 0,
    fourCcList: null,
    videoFourCcInfoMap: null,
    audioFourCcInfoMap: null,
    capsEx: 0,
  };
  assert.deepEqual(connect(null), empty);
  assert.deepEqual(
    connect({ app: 5, tcUrl: null, objectEncoding: '3', fourCcList: 'hvc1', capsEx: 'x' }),
    empty,
  );
  assert.throws(() => connect({ tcUrl: 'x'.repeat(4097) }), { code: 'rtmp.connect-too-long' });
});

test('enhanced: which codecs a peer accepts', () => {
  const accepted = (object: AmfObject) => {
    const set = acceptedFourCcs(readEnhancedCapabilities(object));
    return set === null ? null : [...set];
  };
  assert.equal(accepted({}), null);
  assert.equal(accepted({ capsEx: 3 }), null);
  assert.deepEqual(accepted({ fourCcList: ['av01', 'hvc1'] }), ['av01', 'hvc1']);
  assert.equal(accepted({ fourCcList: ['av01', '*'] }), null);
  assert.deepEqual(
    accepted({ videoFourCcInfoMap: { hvc1: 3, vp09: 2, avc1: 1 }, audioFourCcInfoMap: { Opus: 7 } }),
    ['hvc1', 'avc1', 'Opus'],
  );
  assert.equal(accepted({ videoFourCcInfoMap: { '*': 1 } }), null);
  assert.deepEqual(accepted({ videoFourCcInfoMap: { '*': 4 } }), []);
  assert.equal(accepted({ fourCcList: Array.from({ length: 100 }, (_, i) => `c${100 + i}`) })!.length, 64);
});

test('enhanced: the answer has what the client showed to know', () => {
  const answer = (object: AmfObject) => plain(enhancedAnswer(readEnhancedCapabilities(object), 7));
  assert.deepEqual(answer({}), {});
  assert.deepEqual(answer({ fourCcList: ['hvc1'] }), { fourCcList: ['*'] });
  assert.deepEqual(answer({ videoFourCcInfoMap: {}, audioFourCcInfoMap: {} }), {
    videoFourCcInfoMap: { '*': 4 },
    audioFourCcInfoMap: { '*': 4 },
    capsEx: 7,
  });
  assert.deepEqual(answer({ capsEx: 1 }), { capsEx: 7 });
});

test('enhanced: the bits of capsEx', () => {
  assert.deepEqual([CAPS_RECONNECT, CAPS_MULTITRACK, CAPS_MOD_EX, CAPS_TIMESTAMP_NANO_OFFSET], [1, 2, 4, 8]);
});
