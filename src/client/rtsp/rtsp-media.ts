/** What an RTSP server describes: which of its media are wanted, and their packets to tracks and frames. */
import { RtpIngest, type RtpIngestOutput } from '../../packaging/rtp-ingest.ts';
import { TsIngest, type TsIngestOutput } from '../../packaging/ts-ingest.ts';
import { TsDatagramReader } from '../../wire/mpegts/ts-datagram.ts';
import { TsReader } from '../../wire/mpegts/ts-reader.ts';
import type { RtpMapping, RtpPayloadFormat } from '../../wire/rtp/payload-format.ts';
import { DEFAULT_REORDER_LIMITS } from '../../wire/rtp/reorder-buffer.ts';
import { serializeRtcp } from '../../wire/rtp/rtcp.ts';
import { keyAttributeOf } from '../../wire/rtsp/key-management.ts';
import { isSecureProfile } from '../../wire/rtsp/transport-header.ts';
import { connectionOf, controlOf, directionOf, rtpMappingsOf } from '../../wire/sdp/media-format.ts';
import { attributeOf, type SessionDescription } from '../../wire/sdp/session-description.ts';
import type { PullDetails } from '../pull.ts';

/** More tracks than a player can tell apart. */
const MAX_MEDIA = 16;
const TRANSPORT_STREAM = 'MP2T';
const CNAME = 'sluice';
const NOTHING = { lost: 0, damaged: 0, dropped: 0, jitterUs: 0 };

/** A media description that is wanted. */
export interface WantedMedia {
  readonly mappings: readonly RtpMapping[];
  /** a=control as it came. */
  readonly control: string;
  readonly language: string;
  /** MPEG-TS in RTP (RFC 2250). */
  readonly isTransportStream: boolean;
  /** Of c= and m=, for multicast; '' and 0 = not told. */
  readonly address: string;
  readonly port: number;
  /** It is SRTP with keys by RTSP (RFC 4567). */
  readonly isSecure: boolean;
  /** What the description says of the keys of the server; '' = nothing. */
  readonly keys: string;
}

/** A name for what is in the description, for a person; '' when there is nothing. */
export interface DescribedMedia {
  readonly wanted: readonly WantedMedia[];
  readonly left: string;
}

export function wantedMedia(
  description: SessionDescription,
  formats: readonly RtpPayloadFormat[],
): DescribedMedia {
  const wanted: WantedMedia[] = [];
  const left: string[] = [];
  // ONVIF marks the way back to the loudspeaker of a camera so; a server that marks everything so means nothing by it.
  const isBackward = (index: number) => directionOf(description.media[index]!, description) === 'sendonly';
  const hasForward = description.media.some((_, index) => !isBackward(index));
  description.media.forEach((media, index) => {
    const mappings = rtpMappingsOf(media);
    const isTransportStream = mappings.some(({ encodingName }) => encodingName === TRANSPORT_STREAM);
    const isKnown =
      isTransportStream ||
      mappings.some(({ encodingName }) => formats.some((one) => one.encodingNames.includes(encodingName)));
    if (!isKnown || (hasForward && isBackward(index)) || wanted.length === MAX_MEDIA) {
      left.push(mappings[0]?.encodingName ?? (media.type || 'a media without a name'));
      return;
    }
    wanted.push({
      mappings,
      control: controlOf(media),
      language: attributeOf(media.attributes, 'lang') ?? '',
      isTransportStream,
      address: connectionOf(media, description).address,
      port: media.port,
      isSecure: isSecureProfile(media.protocol),
      keys: keyAttributeOf(media, description),
    });
  });
  return { wanted, left: left.join(', ').slice(0, 200) };
}

/** Packets of all media, by their place in the list of wanted ones. */
export class RtspMediaInput {
  packets = 0;
  private readonly rtp: RtpIngest;
  private readonly transportStreams: readonly (TsDatagramReader | null)[];
  private readonly tsReaders: TsReader[] = [];
  private readonly ssrc: number;

  /** `isOrdered`: they come by TCP. */
  constructor(
    wanted: readonly WantedMedia[],
    isOrdered: boolean,
    ssrc: number,
    formats: readonly RtpPayloadFormat[],
    output: RtpIngestOutput & TsIngestOutput,
  ) {
    this.ssrc = ssrc;
    const reorder = isOrdered ? null : DEFAULT_REORDER_LIMITS;
    this.rtp = new RtpIngest(
      output,
      wanted.map(({ mappings, language, isTransportStream }) => ({
        mappings: isTransportStream ? [] : mappings,
        reorder,
        language,
      })),
      ssrc,
      { formats },
    );
    this.transportStreams = wanted.map(({ isTransportStream }) => {
      if (!isTransportStream) return null;
      const reader = new TsReader(new TsIngest(output, { isLossy: true }));
      this.tsReaders.push(reader);
      return new TsDatagramReader('rtp', (bytes) => reader.push(bytes));
    });
  }

  /** Hot path. */
  receive(media: number, isRtcp: boolean, bytes: Uint8Array, nowUs: number): void {
    if (!isRtcp) this.packets++;
    const transportStream = this.transportStreams[media] ?? null;
    if (transportStream !== null) {
      if (!isRtcp) transportStream.push(bytes, nowUs);
    } else if (isRtcp) this.rtp.receiveRtcp(media, bytes, nowUs);
    else this.rtp.receive(media, bytes, nowUs);
  }

  tick(nowUs: number): void {
    this.rtp.tick(nowUs);
  }

  flush(): void {
    this.rtp.flush();
    for (const reader of this.tsReaders) reader.finish();
  }

  /** All media said goodbye. */
  get hasLeft(): boolean {
    return this.rtp.hasLeft;
  }

  /** Sums over so many medias. */
  details(medias: number): PullDetails {
    let { lost, damaged, dropped, jitterUs } = NOTHING;
    for (let media = 0; media < medias; media++) {
      const one = this.rtp.statistics(media);
      lost += one.lost + (this.transportStreams[media]?.lost ?? 0);
      damaged += one.damaged;
      dropped += one.dropped;
      jitterUs = Math.max(jitterUs, one.jitterUs);
    }
    return {
      packets: this.packets,
      packets_lost: lost,
      damaged,
      frames_dropped: dropped,
      jitter_ms: Math.round(jitterUs / 100) / 10,
    };
  }

  report(media: number, nowUs: number): Uint8Array {
    if (this.transportStreams[media] === null) return this.rtp.receiverReport(media, nowUs);
    const { ssrc } = this;
    return serializeRtcp([
      { type: 'rr', ssrc, reports: [] },
      { type: 'sdes', ssrc, cname: CNAME },
    ]);
  }
}
