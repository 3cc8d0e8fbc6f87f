import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseControlNumber,
  parsePeerBandwidth,
  parseUserControl,
  serializeControlNumber,
  serializePeerBandwidth,
  serializeUserControl,
  USER_CONTROL_PING_REQUEST,
  USER_CONTROL_SET_BUFFER_LENGTH,
  USER_CONTROL_STREAM_BEGIN,
  USER_CONTROL_STREAM_DRY,
  USER_CONTROL_STREAM_IS_RECORDED,
} from '../../../../src/wire/rtmp/message.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

test('user control: golden bytes and back', () => {
  for (const [event, value, bufferMs, hex] of [
    [USER_CONTROL_STREAM_BEGIN, 1, 0, '000000000001'],
    [USER_CONTROL_STREAM_DRY, 1, 0, '000200000001'],
    [USER_CONTROL_STREAM_IS_RECORDED, 1, 0, '000400000001'],
    [USER_CONTROL_PING_REQUEST, 0xfffffffe, 0, '0006fffffffe'],
    [USER_CONTROL_SET_BUFFER_LENGTH, 1, 3000, '00030000000100000bb8'],
  ] as const) {
    assert.equal(serializeUserControl(event, value, bufferMs).toString('hex'), hex);
    assert.deepEqual(parseUserControl(bytes(hex)), { event, value, bufferMs });
  }
});

test('user control: unknown events pass, also when they carry less; known ones must be whole', () => {
  assert.deepEqual(parseUserControl(bytes('001f')), { event: 31, value: 0, bufferMs: 0 });
  assert.deepEqual(parseUserControl(bytes('001f00000007')), { event: 31, value: 7, bufferMs: 0 });
  for (const hex of ['', '00', '0000', '0006000000', '000300000001000000']) {
    assert.throws(() => parseUserControl(bytes(hex)), { code: 'rtmp.bad-user-control' }, hex);
  }
});

test('control numbers', () => {
  assert.equal(serializeControlNumber(0xffffffff).toString('hex'), 'ffffffff');
  assert.equal(parseControlNumber(bytes('002625a0')), 2_500_000);
  assert.throws(() => parseControlNumber(bytes('000000')), { code: 'rtmp.bad-control' });
});

test('peer bandwidth', () => {
  assert.equal(serializePeerBandwidth(2_500_000, 'dynamic').toString('hex'), '002625a002');
  assert.deepEqual(parsePeerBandwidth(bytes('002625a000')), { windowBytes: 2_500_000, limit: 'hard' });
  assert.deepEqual(parsePeerBandwidth(bytes('0000000101')), { windowBytes: 1, limit: 'soft' });
  assert.deepEqual(parsePeerBandwidth(bytes('0000000109')), { windowBytes: 1, limit: 'dynamic' });
  assert.throws(() => parsePeerBandwidth(bytes('00000001')), { code: 'rtmp.bad-peer-bandwidth' });
});
