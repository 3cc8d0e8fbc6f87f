import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerPlay, answerPublish } from '../../../../src/rtc/negotiation/answer.ts';
import { makeOffer } from '../../../../src/rtc/negotiation/call.ts';
import { parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import { ProtocolError, RejectedError } from '../../../../src/util/errors.ts';
import { CALLER, LOCAL, tracksOf } from '../../../support/webrtc-sdp.ts';

test('call: plays from a server of our own', () => {
  for (const [video, audio] of [
    ['h264 64001f', 'opus'],
    ['h265', 'g711a'],
    ['vp8', 'g711u'],
    ['vp9', 'g722'],
    ['av1', 'opus'],
  ] as const) {
    const call = makeOffer({ direction: 'play' }, CALLER);
    const offer = parseOffer(call.sdp);
    assert.deepEqual([offer.setup, offer.isLite, offer.isTrickle], ['actpass', false, true]);
    assert.deepEqual(offer.candidates, LOCAL.candidates);
    const types = offer.medias.flatMap(({ codecs }) =>
      codecs.flatMap(({ payloadType, rtxPayloadType }) => [payloadType, rtxPayloadType]),
    );
    const told = types.filter((type) => type >= 0);
    assert.equal(new Set(told).size, told.length);
    assert.ok(told.every((type) => type < 128));
    const theirs = answerPlay(offer, tracksOf(video, audio), LOCAL, { stream: 'a/b' });
    assert.deepEqual(theirs.notes, []);
    const ours = call.accept(theirs.sdp);
    assert.deepEqual([ours.isCaller, ours.dtlsRole, ours.remoteIsLite], [true, 'client', true]);
    assert.deepEqual(ours.remoteCandidates, LOCAL.candidates);
    for (const [index, media] of ours.medias.entries()) {
      const other = theirs.description.medias[index]!;
      const { fmtp, direction, feedTrack, ...same } = media;
      const { fmtp: sent, direction: back, feedTrack: track, ...expected } = other;
      assert.deepEqual(same, expected);
      assert.deepEqual([direction, back, feedTrack, track], ['receive', 'send', -1, 0]);
      assert.equal(fmtp, sent);
    }
  }
});

test('call: publishes to a server of our own', () => {
  const tracks = tracksOf('h264 640028', 'opus', 'vp8', 'g711a', 'vp9 profile-id=2', 'av1 profile=1');
  const call = makeOffer({ direction: 'publish', tracks }, CALLER);
  const offer = parseOffer(call.sdp);
  assert.deepEqual(
    offer.medias.map(({ codecs }) => codecs.map(({ mapping }) => mapping.encodingName)),
    [['H264', 'H264'], ['OPUS'], ['VP8'], ['PCMA'], ['VP9'], ['AV1']],
  );
  assert.deepEqual(
    offer.medias[0]!.codecs.map(({ mapping }) => mapping.fmtp.get('profile-level-id')),
    ['640028', '42e028'],
  );
  assert.equal(offer.medias[4]!.codecs[0]!.mapping.fmtp.get('profile-id'), '2');
  const theirs = answerPublish(offer, LOCAL, { stream: 'a/b', preferred: [] });
  const ours = call.accept(theirs.sdp);
  assert.equal(ours.medias.length, 6);
  for (const [index, media] of ours.medias.entries()) {
    const other = theirs.description.medias[index]!;
    assert.equal(media.feedTrack, [0, 0, 1, 1, 2, 3][index]);
    assert.deepEqual(
      [
        media.direction,
        media.mid,
        media.codec,
        media.payloadType,
        media.rtxPayloadType,
        media.ssrc,
        media.rtxSsrc,
      ],
      ['send', other.mid, other.codec, other.payloadType, other.rtxPayloadType, other.ssrc, other.rtxSsrc],
    );
    assert.deepEqual(media.extensions, other.extensions);
    assert.deepEqual(media.feedback, other.feedback);
  }
});

test('call: answers of other kinds', () => {
  const call = makeOffer({ direction: 'publish', tracks: tracksOf('h264 640028', 'opus') }, CALLER);
  const { sdp } = answerPublish(parseOffer(call.sdp), LOCAL, { stream: 'a/b', preferred: [] });
  const first = call.accept(sdp).medias[0]!;
  assert.equal(call.accept(sdp.replaceAll('setup:passive', 'setup:active')).dtlsRole, 'server');
  // Mids, the group and RTX left out; another of our payload types.
  const bare = sdp
    .replaceAll(/a=mid:.*\r\n|a=group:.*\r\n/g, '')
    .replace(/a=rtpmap:\d+ rtx.*\r\na=fmtp:\d+ apt.*\r\n/, '');
  const agreed = call.accept(bare);
  assert.deepEqual(
    agreed.medias.map(({ mid, rtxPayloadType, rtxSsrc }) => [mid, rtxPayloadType, rtxSsrc]),
    [
      ['0', -1, 0],
      ['1', -1, 0],
    ],
  );
  const second = Number(first.payloadType) + 2;
  const other = call.accept(
    sdp
      .replaceAll(`SAVPF ${first.payloadType}`, `SAVPF ${second}`)
      .replaceAll(`:${first.payloadType} `, `:${second} `),
  );
  assert.match(other.medias[0]!.fmtp, /profile-level-id=42e028/);
  // One section refused.
  const soundOnly = call.accept(sdp.replace('m=video 9', 'm=video 0'));
  assert.deepEqual(
    soundOnly.medias.map(({ kind, feedTrack }) => [kind, feedTrack]),
    [['audio', 0]],
  );
  assert.throws(() => call.accept(sdp.replaceAll('a=recvonly', 'a=inactive')), RejectedError);
  assert.throws(() => call.accept(sdp.replaceAll(/(m=\w+ 9 \S+) .*/g, '$1 90')), RejectedError);
  assert.throws(() => call.accept('hello'), ProtocolError);
  assert.throws(() => call.accept(sdp.replaceAll(/m=(video|audio) 9/g, 'm=$1 0')), ProtocolError);
});

test('call: nothing to publish', () => {
  assert.throws(() => makeOffer({ direction: 'publish', tracks: [] }, CALLER), RejectedError);
});
