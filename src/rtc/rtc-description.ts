/**
 * What both sides of a WebRTC connection agreed on, as plain data: it goes to the thread that carries the connection.
 * Negotiation makes it from two session descriptions (RFC 8829); nothing else reads SDP.
 */
import type { CodecId } from '../codec/codec-id.ts';

/** Ids of RTP header extensions (RFC 8285) that may be used in a media; 0 = not agreed. */
export interface RtcExtensions {
  readonly mid: number;
  readonly rid: number;
  readonly repairedRid: number;
  readonly absSendTime: number;
  readonly transportCc: number;
  readonly playoutDelay: number;
}

/** What the receiver of a media may send back (RFC 4585, RFC 5104, transport-wide congestion control, REMB). */
export interface RtcFeedback {
  readonly nack: boolean;
  readonly pli: boolean;
  readonly fir: boolean;
  readonly transportCc: boolean;
  readonly remb: boolean;
}

/** One m= section with the one codec that is used. */
export interface RtcMedia {
  /** Position of the m= section. */
  readonly index: number;
  readonly mid: string;
  readonly kind: 'video' | 'audio';
  readonly direction: 'send' | 'receive';
  readonly codec: CodecId;
  /** As in rtpmap, for example `H264`. */
  readonly encodingName: string;
  readonly clockRate: number;
  readonly channels: number;
  /** Format parameters as agreed, without the payload type; '' when there are none. */
  readonly fmtp: string;
  readonly payloadType: number;
  /** RFC 4588; -1 = packets are not sent again in a stream of their own. */
  readonly rtxPayloadType: number;
  /** Ours when we send; the first that the peer announced when we receive, 0 = none announced. */
  readonly ssrc: number;
  readonly rtxSsrc: number;
  /** Layers of simulcast that the peer sends (RFC 8853), the best first; empty without simulcast. */
  readonly rids: readonly string[];
  readonly extensions: RtcExtensions;
  readonly feedback: RtcFeedback;
  /** When we send: place of the track among the pictures, or among the sounds, that the feed carries; -1 when we receive. */
  readonly feedTrack: number;
}

export interface RtcFingerprint {
  readonly algorithm: 'sha-1' | 'sha-256' | 'sha-384' | 'sha-512';
  /** Upper-case hexadecimal with colons, as in SDP. */
  readonly value: string;
}

export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
}

export interface RtcDescription {
  readonly medias: readonly RtcMedia[];
  readonly localIce: IceCredentials;
  readonly remoteIce: IceCredentials;
  /** `candidate:` attributes of the peer that are known so far. */
  readonly remoteCandidates: readonly string[];
  readonly remoteIsLite: boolean;
  /** We call: full ICE, controlling. Otherwise we are the lite side. */
  readonly isCaller: boolean;
  /** Our part in DTLS. */
  readonly dtlsRole: 'client' | 'server';
  readonly remoteFingerprint: RtcFingerprint;
  /** RTCP CNAME of what we send. */
  readonly cname: string;
}
