/** Pieces of the feed `webrtc` for tests of what players are sent. */
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from '../../../../src/packaging/webrtc-frame-mark.ts';
import type { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { writeRtpHeader } from '../../../../src/wire/rtp/rtp-packet.ts';

/** A frame: mark, then packets with 100 bytes of `fill`, all of one track. */
export function feedFrame(
  track: number,
  isKey: boolean,
  dtsUs: number,
  timestamp: number,
  packets: number,
  fill = track + 1,
): Buffer {
  const bytes = Buffer.alloc(FRAME_MARK_BYTES + packets * 116);
  bytes[0] = 0x24;
  bytes[1] = FRAME_MARK_CHANNEL;
  bytes.writeUInt16BE(FRAME_MARK_BYTES - 4, 2);
  bytes[4] = isKey ? 1 : 0;
  bytes.writeDoubleBE(dtsUs, 8);
  for (let i = 0; i < packets; i++) {
    const at = FRAME_MARK_BYTES + i * 116;
    bytes[at] = 0x24;
    bytes[at + 1] = track * 2;
    bytes.writeUInt16BE(112, at + 2);
    writeRtpHeader(bytes, at + 4, 96 + track, i === packets - 1, i & 0xffff, timestamp, 0xabc);
    bytes.fill(fill, at + 16, at + 116);
  }
  return bytes;
}

/** A sender report of a track: this RTP time was at 1000 s. */
export function feedReport(track: number, rtpTime: number): Buffer {
  const report = serializeRtcp([
    {
      type: 'sr',
      ssrc: 0xabc,
      ntpSeconds: 1000,
      ntpFraction: 0,
      rtpTime,
      packets: 1,
      octets: 1,
      reports: [],
    },
  ]);
  const bytes = Buffer.alloc(report.length + 4);
  bytes[0] = 0x24;
  bytes[1] = track * 2 + 1;
  bytes.writeUInt16BE(report.length, 2);
  report.copy(bytes, 4);
  return bytes;
}

/** All readers are told at once. */
export function pushAll(
  store: FeedStore,
  bytes: Uint8Array,
  start: number,
  end: number,
  nowUs: number,
): void {
  store.push(bytes, start, end, nowUs);
  store.serve(() => nowUs, Number.POSITIVE_INFINITY);
}
