/** Which media the interleaved channels of a connection belong to (RFC 2326 section 10.12). */
import type { RtspTransport } from '../../wire/rtsp/transport-header.ts';

const NO_MEDIA = -1;
const MAX_CHANNEL = 255;

export class RtspChannels {
  /** 2 x media, + 1 for RTCP. */
  private readonly meanings = new Int16Array(MAX_CHANNEL + 1).fill(NO_MEDIA);

  /**
   * Channels of a media as the server's answer has them; those that another media has already are a mistake of the
   * answer (some cameras say 0-1 to all and use those that were asked for). Returns the one of RTCP.
   */
  take(media: number, transport: RtspTransport): number {
    const usual = media * 2;
    const [first, second] = transport.interleaved ?? [usual, usual + 1];
    const isTaken = this.meanings[first] !== NO_MEDIA;
    const rtp = isTaken ? usual : first;
    const rtcp = isTaken || second === first ? Math.min(rtp + 1, MAX_CHANNEL) : second;
    this.meanings[rtp] = media * 2;
    if (this.meanings[rtcp] === NO_MEDIA) this.meanings[rtcp] = media * 2 + 1;
    return rtcp;
  }

  /** Hot path. 2 x media, + 1 for RTCP; -1 for a channel of nobody. */
  meaningOf(channel: number): number {
    return this.meanings[channel]!;
  }
}
