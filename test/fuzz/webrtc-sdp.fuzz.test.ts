/**
 * Damaged session descriptions: nothing is thrown but a ProtocolError or a RejectedError, whatever is agreed stays inside
 * its bounds, and our answer is always one that our own parser reads, with as many sections as the offer.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { answerPlay, answerPublish, type Negotiated } from '../../src/rtc/negotiation/answer.ts';
import { makeOffer } from '../../src/rtc/negotiation/call.ts';
import { parseFragment, renegotiateIce } from '../../src/rtc/negotiation/fragment.ts';
import { parseAnswer, parseOffer } from '../../src/rtc/negotiation/offer.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { mutateHead, Random, runParser } from '../support/fuzz.ts';
import { CALLER, LOCAL, recorded, tracksOf } from '../support/webrtc-sdp.ts';

const SAMPLES = readdirSync(new URL('../vectors/webrtc-sdp/', import.meta.url))
  .filter((name) => name.endsWith('.sdp'))
  .map((name) => recorded(name.slice(0, -4)));
const TRACKS = tracksOf('h264 640028', 'opus', 'vp8', 'h265 profile-id=1', 'g711a', 'av1 profile=1', 'vp9');
const NASTY = [
  '',
  ' ',
  ':',
  '-1',
  '0',
  '127',
  '128',
  '4294967296',
  ';',
  '=',
  '*',
  '/',
  '\u0000',
  '\u{1f600}',
  'BUNDLE',
  'RTX',
  'x'.repeat(300),
];

/** Lines left out, doubled, moved, or with one word replaced; now and then single bytes. */
function mutate(random: Random, text: string): string {
  const lines = text.split(/\r?\n/);
  for (let i = random.below(6); i >= 0; i--) {
    const at = random.below(lines.length);
    const other = lines[random.below(lines.length)]!;
    const kind = random.below(6);
    if (kind === 0) lines.splice(at, 1);
    else if (kind === 1) lines.splice(at, 0, other);
    else if (kind === 2) lines[at] = other;
    else {
      const words = lines[at]!.split(/(?=[ :;=/])/);
      words[random.below(words.length)] = NASTY[random.below(NASTY.length)]!;
      lines[at] = words.join('');
    }
    if (lines.length === 0) lines.push('');
  }
  const mutated = lines.join('\r\n');
  return random.below(4) === 0
    ? Buffer.from(mutateHead(random, Buffer.from(mutated))).toString('latin1')
    : mutated;
}

/** RejectedError is an answer too. */
function refusable<T>(step: () => T): T | null {
  try {
    return step();
  } catch (error) {
    if (error instanceof RejectedError && error.message.length < 4000) return null;
    throw error;
  }
}

function check({ sdp, description, notes }: Negotiated, text: string): void {
  const offer = parseOffer(text);
  const answer = parseAnswer(sdp);
  assert.equal(answer.medias.length, offer.medias.length);
  assert.deepEqual(answer.ice, LOCAL.ice);
  assert.deepEqual(answer.candidates, LOCAL.candidates);
  assert.ok(description.medias.length >= 1 && description.medias.length <= 8);
  for (const media of description.medias) {
    const answered = answer.medias[media.index]!;
    assert.equal(answered.codecs[0]!.payloadType, media.payloadType);
    assert.equal(answered.codecs[0]!.codec, media.codec);
    assert.equal(answered.mid, media.mid);
    assert.ok(media.rids.length <= 4 && media.fmtp.length <= 1024 && media.payloadType < 128);
    for (const id of Object.values(media.extensions)) assert.ok(id >= 0 && id <= 14);
  }
  for (const note of notes) assert.ok(note.length < 1000, note);
}

test('fuzz: offers to us', () => {
  const random = new Random(0x5d9);
  let answered = 0;
  const { refused } = runParser(() => {
    const text = mutate(random, SAMPLES[random.below(SAMPLES.length)]!);
    const offer = parseOffer(text);
    const publish = refusable(() => answerPublish(offer, LOCAL, { stream: 'a/b', preferred: ['h264'] }));
    const play = refusable(() => answerPlay(offer, TRACKS, LOCAL, { stream: 'a/b' }));
    for (const one of [publish, play]) {
      if (one === null) continue;
      check(one, text);
      answered++;
    }
  });
  assert.ok(answered > 10 && refused > 10, `${answered} answered, ${refused} refused`);
});

test('fuzz: answers to us', () => {
  const random = new Random(0x5da);
  const calls = [
    makeOffer({ direction: 'play' }, CALLER),
    makeOffer({ direction: 'publish', tracks: TRACKS }, CALLER),
  ];
  const answers = [
    answerPlay(parseOffer(calls[0]!.sdp), TRACKS, LOCAL, { stream: 'a/b' }).sdp,
    answerPublish(parseOffer(calls[1]!.sdp), LOCAL, { stream: 'a/b', preferred: [] }).sdp,
  ];
  let accepted = 0;
  runParser(() => {
    const which = random.below(2);
    const sample = random.below(4) === 0 ? SAMPLES[random.below(SAMPLES.length)]! : answers[which]!;
    const description = refusable(() => calls[which]!.accept(mutate(random, sample)));
    if (description === null) return;
    accepted++;
    for (const media of description.medias) {
      assert.equal(media.direction, which === 0 ? 'receive' : 'send');
      if (which === 1) {
        const ofKind = TRACKS.filter(({ track }) => track.kind === media.kind);
        assert.ok(ofKind[media.feedTrack]!.track.config.codec === media.codec && media.ssrc > 0);
      }
    }
  });
  assert.ok(accepted > 10, `${accepted} accepted`);
});

test('fuzz: fragments', () => {
  const random = new Random(0x5db);
  const { description } = answerPublish(parseOffer(recorded('whip-chromium-h264-srs.offer')), LOCAL, {
    stream: 'a/b',
    preferred: [],
  });
  const sample =
    'a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 6 typ host\r\na=end-of-candidates\r\n';
  let restarts = 0;
  runParser(() => {
    const fragment = parseFragment(mutate(random, sample));
    assert.ok(fragment.candidates.length <= 64);
    const restart = renegotiateIce(fragment, description, () => LOCAL);
    if (restart === null) return;
    restarts++;
    assert.equal(parseFragment(restart.body).ufrag, LOCAL.ice.ufrag);
  });
  assert.ok(restarts > 10);
});
