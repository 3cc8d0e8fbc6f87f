/**
 * RTSP messages, their header fields and session descriptions against broken input: recorded conversations with
 * flipped, cut, repeated and mixed bytes. Whatever comes, a parser returns or throws a ProtocolError, memory is bounded,
 * and what was parsed can be written and reads the same again.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RtspPlaySession } from '../../src/client/rtsp/rtsp-play-session.ts';
import { ProtocolError, RejectedError } from '../../src/util/errors.ts';
import { PAYLOAD_FORMATS } from '../../src/wire/rtp/payload-formats.ts';
import { parseAnswer, parseChallenges, serializeChallenge } from '../../src/wire/rtsp/authentication.ts';
import {
  parseRange,
  parseRtpInfo,
  parseSession,
  serializeRange,
  serializeRtpInfo,
} from '../../src/wire/rtsp/rtsp-fields.ts';
import { type RtspMessage, serializeRtsp } from '../../src/wire/rtsp/rtsp-message.ts';
import { RTSP_LIMITS, RtspReader } from '../../src/wire/rtsp/rtsp-reader.ts';
import {
  controlBase,
  formatRtspUrl,
  parseRequestUri,
  parseRtspUrl,
  resolveControl,
} from '../../src/wire/rtsp/rtsp-url.ts';
import { parseTransport, serializeTransport } from '../../src/wire/rtsp/transport-header.ts';
import { controlOf, formatAttributes, parseFmtp, rtpMappingsOf } from '../../src/wire/sdp/media-format.ts';
import { parseSdp, serializeSdp } from '../../src/wire/sdp/session-description.ts';
import { Random, runFor } from '../support/fuzz.ts';

const VECTORS = new URL('../vectors/rtsp/', import.meta.url);
const recorded = readdirSync(VECTORS)
  .filter((name) => name.endsWith('.bin'))
  .map((name) => readFileSync(new URL(name, VECTORS)));

const WORDS = [
  '\r\n',
  '\n',
  '\r\n\r\n',
  ';',
  ',',
  '"',
  '=',
  ':',
  '/',
  '$',
  '-',
  '999999999',
  '\0',
  ' ',
  '@',
  '[',
  'é',
];

/** Flips bytes, puts in what means something, repeats and cuts. */
function mutate(random: Random, source: Uint8Array): Buffer {
  let bytes = Buffer.from(source);
  for (let i = random.below(6); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length);
    const kind = random.below(4);
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) {
      const word = Buffer.from(WORDS[random.below(WORDS.length)]!);
      bytes = Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at)]);
    } else if (kind === 2) {
      const end = Math.min(bytes.length, at + random.below(200));
      bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    } else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(40))]);
  }
  return bytes;
}

/** Runs `step` until the time is up; these errors are what parsers may throw. Returns how often it came to its end. */
function completed(step: () => void): number {
  let count = 0;
  runFor(() => {
    try {
      step();
      count++;
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof RejectedError)) throw error;
    }
  });
  return count;
}

function check(message: RtspMessage): void {
  assert.ok(message.headers.count <= 128);
  assert.ok(message.body.length <= RTSP_LIMITS.maxBodyBytes);
  const first = serializeRtsp(message);
  // Serializing is stable, except that a length which is wrong now stays as the peer wrote it.
  assert.deepEqual(serializeRtsp(message), first);
}

test('fuzz: RTSP reader, whatever the pieces', () => {
  const random = new Random(0x5eed1);
  const ended = completed(() => {
    const bytes = mutate(random, recorded[random.below(recorded.length)]!);
    let received = 0;
    const output = {
      request: check,
      response: check,
      interleaved(channel: number, payload: Uint8Array) {
        assert.ok(channel <= 255 && payload.length <= 0xffff);
        received += payload.length;
      },
    };
    const reader = new RtspReader(output);
    const most = 1 + random.below(4000);
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(most);
      reader.receive(bytes.subarray(at, at + size));
      at += size;
    }
    assert.ok(received <= bytes.length);
  });
  assert.ok(ended > 0);
});

const descriptions = recorded
  .map(
    (bytes) => /v=0\r\n[\s\S]*?(?=RTSP\/1\.0|(?:SETUP|RECORD) |$)/.exec(bytes.toString('latin1'))?.[0] ?? '',
  )
  .filter((text) => text.length > 100)
  .map((text) => Buffer.from(text.slice(0, 1500), 'latin1'));

test('fuzz: session descriptions', () => {
  const random = new Random(0x5eed2);
  assert.ok(descriptions.length > 2);
  const ended = completed(() => {
    const description = parseSdp(mutate(random, descriptions[random.below(descriptions.length)]!));
    const text = serializeSdp(description);
    const again = parseSdp(text);
    assert.equal(again.media.length, description.media.length);
    // What a blank at the end of an empty name hides is gone after the first round.
    assert.equal(serializeSdp(parseSdp(serializeSdp(again))), serializeSdp(again));
    for (const media of description.media) {
      controlOf(media);
      for (const mapping of rtpMappingsOf(media)) {
        assert.ok(mapping.payloadType <= 127 && mapping.clockRate > 0 && mapping.channels >= 0);
        const fmtp = [...mapping.fmtp].map(([name, value]) => `${name}=${value}`).join(';');
        formatAttributes(mapping.payloadType, { ...mapping, fmtp });
        assert.equal(parseFmtp(fmtp).size, mapping.fmtp.size);
      }
    }
  });
  assert.ok(ended > 0);
});

const FIELDS = [
  'RTP/AVP;unicast;destination=1.2.3.4;client_port=5000-5001;server_port=1-2;ssrc=1234ABCD;mode="PLAY",RTP/AVP/TCP;interleaved=0-1',
  'Digest realm="a\\"b", nonce="n", qop="auth,auth-int", algorithm=SHA-256, opaque="o", stale=true, Basic realm="x"',
  'Digest username="u", realm="r", nonce="n", uri="rtsp://h/a", response="0123456789abcdef", qop=auth, nc=00000001, cnonce="c"',
  'Basic dXNlcjpzZWNyZXQ=',
  'abcdef;timeout=60',
  'npt=1:02:03.5-20',
  'clock=19961108T142300Z-19961108T143520.25Z',
  'url=rtsp://h/a/t=0;seq=1;rtptime=2,url=rtsp://h/a/t=1;seq=3;rtptime=4',
  'rtsp://us%40er:pa@ss@[::1]:8554/live/cam?x=1#tcp',
].map((text) => Buffer.from(text));

test('fuzz: header fields and addresses', () => {
  const random = new Random(0x5eed3);
  const ended = completed(() => {
    const text = mutate(random, FIELDS[random.below(FIELDS.length)]!).toString();
    const transports = parseTransport(text);
    const written = serializeTransport(transports);
    // A destination or source may hold anything; without them the text reads the same.
    if (transports.every(({ destination, source }) => !/[;,"]/.test(destination + source)))
      assert.equal(serializeTransport(parseTransport(written)), written);
    const range = parseRange(text);
    if (range !== null) assert.notEqual(parseRange(serializeRange(range)), null);
    serializeRtpInfo(parseRtpInfo(text));
    parseSession(text);
    for (const challenge of parseChallenges([text]))
      assert.deepEqual(parseChallenges([serializeChallenge(challenge)]), [challenge]);
    parseAnswer(text);
    parseRequestUri(text, 'h');
    resolveControl('rtsp://h/a?b', text);
    controlBase('rtsp://h/a?b', text);
    const url = parseRtspUrl(text);
    assert.equal(formatRtspUrl(parseRtspUrl(formatRtspUrl(url))), formatRtspUrl(url));
  });
  assert.ok(ended > 0);
});

const ANSWERS = [
  'RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, PLAY, GET_PARAMETER\r\n\r\n',
  'RTSP/1.0 200 OK\r\nSession: a;timeout=4\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n',
  'RTSP/1.0 200 OK\r\nSession: a\r\nTransport: RTP/AVP;unicast;client_port=1-2;server_port=3-4;source=1.2.3.4\r\n\r\n',
  'RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n',
  'RTSP/1.0 461 x\r\n\r\n',
  'RTSP/1.0 302 x\r\nLocation: rtsp://h/b\r\n\r\n',
  'TEARDOWN rtsp://h/a RTSP/1.0\r\nCSeq: 5\r\n\r\n',
  'RTSP/1.0 200 OK\r\nContent-Length: 41\r\n\r\nv=0\r\nm=audio 0 RTP/AVP 8\r\na=control:t=1\r\n',
].map((text) => Buffer.from(text));

test('fuzz: a player and a server that answers anything', () => {
  const random = new Random(0x5eed4);
  const transports = ['auto', 'tcp', 'udp', 'multicast'] as const;
  let ends = 0;
  const ended = completed(() => {
    let told = 0;
    let open = 0;
    const ports = () => {
      open++;
      const nothing = () => undefined;
      let isClosed = false;
      const close = () => {
        if (!isClosed) open--;
        isClosed = true;
      };
      return { port: 4000, setPeer: nothing, sendRtp: nothing, sendRtcp: nothing, close };
    };
    const end = () => {
      told++;
    };
    const session = new RtspPlaySession(
      {
        url: parseRtspUrl('rtsp://u:p@h/a'),
        transport: transports[random.below(4)]!,
        userAgent: 'x',
        formats: PAYLOAD_FORMATS,
        ssrc: 1,
        via: '',
      },
      {
        output: { setTrack: () => undefined, write: () => undefined },
        peerAddress: () => '1.2.3.4',
        wallUs: () => 0,
        write: (bytes) => assert.ok(bytes.length < 20_000),
        openPorts: (_media, done) => done(random.below(8) === 0 ? null : ports()),
        joinGroup: (_media, _group, done) => done(random.below(8) === 0 ? null : ports()),
        onVia: () => undefined,
        onPlaying: () => undefined,
        onRedirect: end,
        onNeedsTcp: end,
        onEnd: end,
      },
    );
    try {
      session.start(0);
      let us = 0;
      for (let turn = random.below(24); turn >= 0; turn--) {
        us += random.below(3_000_000);
        const kind = random.below(10);
        if (kind === 0) session.tick(us);
        else if (kind === 1)
          session.datagram(random.below(3), random.below(2) === 0, recorded[0]!.subarray(0, 300), us);
        else if (kind === 2) session.receive(mutate(random, recorded[random.below(recorded.length)]!), us);
        else {
          const answer = ANSWERS[random.below(ANSWERS.length)]!;
          session.receive(random.below(3) === 0 ? mutate(random, answer) : answer, us);
        }
      }
    } finally {
      session.close();
      ends += told;
      assert.ok(told <= 1, 'one end at most');
      assert.equal(open, 0, 'ports left open');
    }
  });
  assert.ok(ended > 0 && ends > 0);
});
