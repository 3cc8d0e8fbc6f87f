import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAmfObject } from '../../../../src/wire/amf/amf-value.ts';
import { ON_META_DATA, parseScript, serializeScript } from '../../../../src/wire/flv/script-tag.ts';
import { loadMessages } from './vectors.ts';

const SET_DATA_FRAME = Buffer.from('02000d40736574446174614672616d65', 'hex');

test('script tag: onMetaData of OBS and GStreamer, inside @setDataFrame', () => {
  for (const [program, field, value] of [
    ['obs29', 'encoder', 'obs-output module (libobs version 29.0.2.1-1+b1)'],
    ['gst-rtmp2sink', 'metadatacreator', 'GStreamer 1.22.0 FLV muxer'],
  ] as const) {
    const script = parseScript(loadMessages(program)[0]!.body);
    assert.equal(script.name, ON_META_DATA);
    assert.equal(script.start, SET_DATA_FRAME.length);
    assert.ok(isAmfObject(script.value));
    assert.equal(script.value[field], value);
  }
});

test('script tag: what is written is read', () => {
  const body = serializeScript('onTextData', { text: 'a', n: 1 });
  const script = parseScript(body);
  assert.deepEqual([script.name, script.start], ['onTextData', 0]);
  assert.deepEqual({ ...(script.value as object) }, { text: 'a', n: 1 });
  assert.equal(parseScript(Buffer.concat([SET_DATA_FRAME, body])).start, SET_DATA_FRAME.length);
});

test('script tag: a name alone has no value', () => {
  assert.deepEqual(parseScript(Buffer.from('02000161', 'hex')), { name: 'a', value: undefined, start: 0 });
});

test('script tag: without a name, or cut off, it is an error', () => {
  assert.throws(() => parseScript(Buffer.from('05', 'hex')), { code: 'flv.bad-script-tag' });
  assert.throws(() => parseScript(SET_DATA_FRAME), { name: 'ProtocolError' });
  assert.throws(() => parseScript(Buffer.from('020005', 'hex')), { name: 'ProtocolError' });
});
