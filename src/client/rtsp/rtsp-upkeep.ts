/**
 * What keeps packets coming once a session plays: receiver reports, packets that open the way through a router, and seeing
 * that nothing comes, or that the source said goodbye.
 */
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../wire/rtp/rtp-packet.ts';
import { interleavedFrame } from '../../wire/rtsp/interleaved-frame.ts';
import type { RtspMediaInput, WantedMedia } from './rtsp-media.ts';
import type { RtspPorts } from './rtsp-ports.ts';
import type { MediaKeys } from './rtsp-srtp.ts';

/** Without a packet over UDP for so long after PLAY, TCP is tried. */
const UDP_WAIT_US = 3_000_000;
const REPORT_INTERVAL_US = 5_000_000;
/** Between two packets that open the way through a router. */
const PUNCH_INTERVAL_US = 20_000_000;
/** A source that said goodbye may begin anew. */
const GOODBYE_US = 2_000_000;

export interface SetUpMedia {
  readonly wanted: WantedMedia;
  /** Null = over TCP. */
  ports: RtspPorts | null;
  /** Interleaved channel of RTCP; means nothing over UDP. */
  rtcpChannel: number;
  /** Null = no SRTP. */
  readonly keys: MediaKeys | null;
}

interface UpkeepOptions {
  readonly medias: readonly SetUpMedia[];
  readonly input: RtspMediaInput;
  /** Of our reports. */
  readonly ssrc: number;
  readonly kind: 'tcp' | 'udp' | 'multicast';
  /** TCP may be tried when nothing comes. */
  readonly mayUseTcp: boolean;
  /** Bytes of the connection. */
  readonly write: (bytes: Uint8Array) => void;
}

export class RtspUpkeep {
  private readonly options: UpkeepOptions;
  private begunUs = 0;
  private reportedUs = 0;
  private punchedUs = 0;
  private leftUs = Number.NaN;
  private packetsBefore = 0;

  constructor(options: UpkeepOptions) {
    this.options = options;
  }

  /** The server said yes to PLAY. */
  begin(nowUs: number): void {
    this.begunUs = nowUs;
    this.reportedUs = nowUs;
    this.punch(nowUs);
  }

  /** A few times per second. `over`: the source said goodbye for good; `silent`: UDP does not work. */
  tick(nowUs: number): 'over' | 'silent' | '' {
    const { input, kind, mayUseTcp } = this.options;
    input.tick(nowUs);
    const { packets } = input;
    if (mayUseTcp && packets === 0 && nowUs - this.begunUs >= UDP_WAIT_US) return 'silent';
    if (kind !== 'tcp' && nowUs - this.punchedUs >= PUNCH_INTERVAL_US) this.punch(nowUs);
    if (nowUs - this.reportedUs >= REPORT_INTERVAL_US) this.report(nowUs);
    return this.hasLeft(packets, nowUs) ? 'over' : '';
  }

  /** Opens the way for datagrams through a router on our side. */
  punch(nowUs: number): void {
    this.punchedUs = nowUs;
    const { medias, kind, ssrc } = this.options;
    if (kind !== 'udp') return;
    const empty = Buffer.alloc(RTP_HEADER_BYTES);
    writeRtpHeader(empty, 0, 0, false, 0, 0, ssrc);
    for (const [index, { ports, keys }] of medias.entries()) {
      ports?.sendRtp(keys?.srtp?.sealRtp(empty) ?? empty);
      ports?.sendRtcp(this.reportOf(index, nowUs));
    }
  }

  private report(nowUs: number): void {
    this.reportedUs = nowUs;
    for (const [index, { ports, rtcpChannel }] of this.options.medias.entries()) {
      const report = this.reportOf(index, nowUs);
      if (ports !== null) ports.sendRtcp(report);
      else this.options.write(interleavedFrame(rtcpChannel, report));
    }
  }

  private reportOf(index: number, nowUs: number): Uint8Array {
    const { input, medias } = this.options;
    const report = input.report(index, nowUs);
    return medias[index]?.keys?.srtp?.sealRtcp(report) ?? report;
  }

  private hasLeft(packets: number, nowUs: number): boolean {
    const hasMore = packets !== this.packetsBefore;
    this.packetsBefore = packets;
    if (!this.options.input.hasLeft || hasMore) this.leftUs = Number.NaN;
    else if (Number.isNaN(this.leftUs)) this.leftUs = nowUs;
    return nowUs - this.leftUs >= GOODBYE_US;
  }
}
