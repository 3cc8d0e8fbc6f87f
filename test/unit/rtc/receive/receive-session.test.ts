import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiveSession } from '../../../../src/rtc/receive/receive-session.ts';
import type { RtcMedia } from '../../../../src/rtc/rtc-description.ts';
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { RtpPacket, writeRtpHeader } from '../../../../src/wire/rtp/rtp-packet.ts';
import { TransportFeedback } from '../../../../src/wire/rtp/transport-feedback.ts';
import { makeMedia } from '../rtc-media.ts';

const SSRC = 0x5555;
const RTX_SSRC = 0x6666;

interface PacketOptions {
  readonly ssrc?: number;
  readonly type?: number;
  readonly payload?: number[];
  /** Elements with one byte of header. */
  readonly extensions?: readonly { id: number; data: Buffer }[];
}

function packet(
  sequence: number,
  { ssrc = SSRC, type = 102, payload = [1, 2, 3], extensions = [] }: PacketOptions = {},
): Buffer {
  const header = Buffer.alloc(12);
  writeRtpHeader(header, 0, type, false, sequence & 0xffff, 1000, ssrc);
  if (extensions.length === 0) return Buffer.concat([header, Buffer.from(payload)]);
  header[0] = header[0]! | 0x10;
  const body = Buffer.concat(
    extensions.flatMap(({ id, data }) => [Buffer.from([(id << 4) | (data.length - 1)]), data]),
  );
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  return Buffer.concat([
    header,
    Buffer.from([0xbe, 0xde, 0, padded.length / 4]),
    padded,
    Buffer.from(payload),
  ]);
}

class World {
  nowUs = 1_000_000;
  readonly received: {
    media: number;
    layer: number;
    sequence: number;
    ssrc: number;
    type: number;
    payload: number[];
  }[] = [];
  readonly control: Buffer[] = [];
  readonly reports: [number, number][] = [];
  readonly session: ReceiveSession;

  constructor(medias: readonly RtcMedia[] = [makeMedia({ direction: 'receive', ssrc: 0, rtxSsrc: 0 })]) {
    this.session = new ReceiveSession(
      medias,
      {
        sendRtcp: (compound) => this.control.push(Buffer.from(compound)),
        onRtp: (media, layer, bytes) => {
          const parsed = new RtpPacket();
          assert.ok(parsed.parse(bytes));
          const { sequence, ssrc, payloadType: type, payloadStart, payloadEnd } = parsed;
          this.received.push({
            media,
            layer,
            sequence,
            ssrc,
            type,
            payload: [...bytes.subarray(payloadStart, payloadEnd)],
          });
        },
        onRtcp: (media, layer) => this.reports.push([media, layer]),
      },
      this.nowUs,
    );
  }

  receive(bytes: Uint8Array): void {
    this.session.receiveRtp(bytes, this.nowUs);
  }

  tick(ms: number): RtcpPacket[] {
    this.control.length = 0;
    this.nowUs += ms * 1000;
    this.session.tick(this.nowUs);
    return this.control.flatMap((compound) => parseRtcp(compound));
  }
}

function nacked(packets: readonly RtcpPacket[]): number[] {
  return packets.flatMap((one) => (one.type === 'nack' ? [...one.sequences] : []));
}

test('missing packets are asked for at once, again after a while, and given up with a request for a picture', () => {
  const world = new World();
  for (const sequence of [65_534, 65_535, 2, 3]) world.receive(packet(sequence));
  assert.deepEqual(nacked(world.tick(10)), [0, 1]);
  assert.deepEqual(nacked(world.tick(10)), [], 'not before a round trip');
  world.receive(packet(1));
  assert.deepEqual(nacked(world.tick(100)), [0]);
  let pictures = 0;
  for (let i = 0; i < 20; i++) pictures += world.tick(100).filter(({ type }) => type === 'pli').length;
  assert.equal(pictures, 1);
  const { lost, recovered, keyRequests } = world.session.statistics();
  assert.deepEqual([lost, recovered, keyRequests], [1, 1, 1]);
});

test('a retransmission is put back into its stream', () => {
  const world = new World([makeMedia({ direction: 'receive', ssrc: SSRC, rtxSsrc: RTX_SSRC })]);
  world.receive(packet(10));
  world.receive(packet(12));
  world.receive(packet(77, { ssrc: RTX_SSRC, type: 103, payload: [0, 11, 9, 8] }));
  assert.deepEqual(world.received.at(-1), {
    media: 0,
    layer: 0,
    sequence: 11,
    ssrc: SSRC,
    type: 102,
    payload: [9, 8],
  });
  world.receive(packet(78, { ssrc: RTX_SSRC, type: 103, payload: [] }));
  assert.equal(world.received.length, 3, 'padding is no packet');
});

test('layers are told by their names, and retransmissions follow them', () => {
  const extensions = { mid: 1, rid: 2, repairedRid: 3, absSendTime: 0, transportCc: 0, playoutDelay: 0 };
  const media = makeMedia({ direction: 'receive', ssrc: 0, rtxSsrc: 0, rids: ['hi', 'lo'], extensions });
  const world = new World([media]);
  const named = (id: number, text: string) => ({ id, data: Buffer.from(text) });
  world.receive(packet(1, { ssrc: 7, extensions: [named(1, '0'), named(2, 'hi')] }));
  world.receive(packet(1, { ssrc: 8, extensions: [named(1, '0'), named(2, 'lo')] }));
  world.receive(packet(2, { ssrc: 8 }));
  world.receive(packet(1, { ssrc: 9 }));
  assert.deepEqual(
    world.received.map(({ layer, ssrc }) => [layer, ssrc]),
    [
      [0, 7],
      [1, 8],
      [1, 8],
    ],
  );
  assert.equal(world.session.statistics().strays, 1, 'without a name nobody knows whose it is');
  world.receive(
    packet(5, { ssrc: 20, type: 103, payload: [0, 3, 4], extensions: [named(1, '0'), named(3, 'lo')] }),
  );
  assert.deepEqual(world.received.at(-1), {
    media: 0,
    layer: 1,
    sequence: 3,
    ssrc: 8,
    type: 102,
    payload: [4],
  });
});

test('several medias with the same payload type are told apart by MID', () => {
  const extensions = { mid: 4, rid: 0, repairedRid: 0, absSendTime: 0, transportCc: 0, playoutDelay: 0 };
  const world = new World([
    makeMedia({ direction: 'receive', mid: 'a', extensions, ssrc: 0, rtxSsrc: 0 }),
    makeMedia({ direction: 'receive', mid: 'b', index: 1, extensions, ssrc: 0, rtxSsrc: 0 }),
  ]);
  world.receive(packet(1, { ssrc: 30, extensions: [{ id: 4, data: Buffer.from('b') }] }));
  assert.equal(world.received[0]!.media, 1);
});

test('a key frame is asked for by what was agreed, with a limit, and late rather than never', () => {
  const world = new World();
  world.receive(packet(1));
  world.session.requestKey(0, 0, world.nowUs);
  world.session.requestKey(0, 0, world.nowUs);
  assert.equal(world.control.length, 1);
  assert.equal(parseRtcp(world.control[0]!).filter(({ type }) => type === 'pli').length, 1);
  assert.equal(world.tick(100).filter(({ type }) => type === 'pli').length, 0);
  assert.equal(world.tick(500).filter(({ type }) => type === 'pli').length, 1);
  const feedback = { nack: true, pli: false, fir: true, transportCc: false, remb: false };
  const other = new World([makeMedia({ direction: 'receive', feedback, ssrc: 0, rtxSsrc: 0 })]);
  other.receive(packet(1));
  other.session.requestKey(0, 0, other.nowUs);
  assert.equal(parseRtcp(other.control[0]!).filter(({ type }) => type === 'fir').length, 1);
});

test('receiver reports every second, sender reports handed on', () => {
  const world = new World();
  world.receive(packet(1));
  world.receive(packet(3));
  const sr: RtcpPacket = {
    type: 'sr',
    ssrc: SSRC,
    ntpSeconds: 5,
    ntpFraction: 0,
    rtpTime: 1,
    packets: 2,
    octets: 6,
    reports: [],
  };
  world.session.receiveRtcp(serializeRtcp([sr]), world.nowUs);
  assert.deepEqual(world.reports, [[0, 0]]);
  const reports = world.tick(1000).flatMap((one) => (one.type === 'rr' ? [...one.reports] : []));
  assert.deepEqual(
    reports.map(({ ssrc, lost }) => [ssrc, lost]),
    [[SSRC, 1]],
  );
});

test('arrival times go back as transport-wide feedback, missing packets among them', () => {
  const extensions = { mid: 0, rid: 0, repairedRid: 0, absSendTime: 0, transportCc: 5, playoutDelay: 0 };
  const feedback = { nack: true, pli: true, fir: false, transportCc: true, remb: false };
  const world = new World([makeMedia({ direction: 'receive', extensions, feedback, ssrc: 0, rtxSsrc: 0 })]);
  const numbered = (sequence: number, number: number) => {
    const data = Buffer.alloc(2);
    data.writeUInt16BE(number);
    world.receive(packet(sequence, { extensions: [{ id: 5, data }] }));
    world.nowUs += 10_000;
  };
  for (const [sequence, number] of [
    [1, 65_535],
    [2, 0],
    [4, 2],
  ] as const)
    numbered(sequence, number);
  world.tick(50);
  const found = new TransportFeedback();
  const compound = world.control.find((bytes) => bytes.length > 8 && found.parse(bytes.subarray(8)));
  assert.ok(compound !== undefined);
  assert.equal(found.baseSequence, 65_535);
  const [a, b, c, d] = found.arrivalUs.subarray(0, found.count);
  assert.equal(found.count, 4);
  assert.deepEqual([Math.round((b! - a!) / 1000), c, Math.round((d! - b!) / 1000)], [10, Number.NaN, 10]);
});

test('a source that begins anew loses nothing that was not lost, and hostile bytes change nothing', () => {
  const world = new World();
  world.receive(packet(1));
  world.receive(packet(30_000));
  assert.deepEqual(nacked(world.tick(10)), []);
  for (let length = 0; length < 40; length++) world.receive(Buffer.alloc(length, length * 7));
  for (let ssrc = 100; ssrc < 300; ssrc++) world.receive(packet(1, { ssrc }));
  assert.ok(world.received.length <= 33, 'sources are bounded');
});

test('a key frame that is wanted before the first packet is asked for with it', () => {
  const world = new World();
  world.session.requestKey(0, 0, world.nowUs);
  world.session.requestKey(7, 0, world.nowUs);
  assert.equal(world.control.length, 0);
  world.receive(packet(1));
  assert.equal(world.tick(10).filter(({ type }) => type === 'pli').length, 1);
});

/** What it told of its time (RFC 3611 section 4.4), the latest last: SSRC and the bits that come back. */
function referenceTimes(control: readonly Buffer[]): { ssrc: number; told: number }[] {
  return control
    .filter((compound) => compound.length === 28 && compound[9] === 207)
    .map((compound) => ({ ssrc: compound.readUInt32BE(12), told: compound.readUInt32BE(22) }));
}

test('the round trip comes from replies to reference times, and who never replies is not asked for ever', () => {
  const world = new World();
  world.receive(packet(1));
  for (let second = 0; second < 3; second++) {
    world.nowUs += 1_000_000;
    world.session.tick(world.nowUs);
  }
  assert.ok(Number.isNaN(world.session.statistics().roundTripUs), 'not known');
  const asked = referenceTimes(world.control);
  assert.equal(asked.length, 3);
  const { ssrc, told } = asked.at(-1)!;
  const reply = Buffer.alloc(24);
  reply.set([0x80, 207, 0, 5, 0, 0, 0, 9, 5, 0, 0, 3]);
  reply.writeUInt32BE(ssrc, 12);
  reply.writeUInt32BE(told, 16);
  // Held for 0.25 s.
  reply.writeUInt32BE(0x4000, 20);
  const head = serializeRtcp([{ type: 'rr', ssrc: 9, reports: [] }]);
  world.session.receiveRtcp(Buffer.concat([head, reply]), world.nowUs + 280_000);
  assert.ok(Math.abs(world.session.statistics().roundTripUs - 30_000) < 50);
  for (let second = 0; second < 30; second++) {
    world.nowUs += 1_000_000;
    world.session.tick(world.nowUs);
  }
  assert.equal(referenceTimes(world.control).length, 13);
});
