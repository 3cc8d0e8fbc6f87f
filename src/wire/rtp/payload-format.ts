/**
 * The contract of RTP payload formats (RFC 3550 section 2, "payload format"): one file per codec holds all that is
 * known about it: what SDP says of it (RFC 8866 a=rtpmap and a=fmtp), how a canonical payload
 * (src/codec/README.md) becomes packets, and how packets become canonical payloads. No sockets, no sequence numbers,
 * no reordering: those belong to whoever sends and receives.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import type { CodecId } from '../../codec/codec-id.ts';

/** What a media description says of one payload type. */
export interface RtpMapping {
  /** 0 to 127. */
  readonly payloadType: number;
  /** Of a=rtpmap, upper case; of a static payload type (RFC 3551 table 4 and 5) the name that it stands for. */
  readonly encodingName: string;
  /** Hz. */
  readonly clockRate: number;
  /** 0 = not told. */
  readonly channels: number;
  /** Of a=fmtp: names in lower case, values as they came without blanks around them. */
  readonly fmtp: ReadonlyMap<string, string>;
}

/** What our own SDP says of a track. */
export interface RtpDescription {
  /** A static payload type, or -1: the caller chooses a dynamic one. */
  readonly payloadType: number;
  /** As registered, for example `H264`. */
  readonly encodingName: string;
  readonly clockRate: number;
  /** 0 = not to be printed. */
  readonly channels: number;
  /** What follows the payload type in a=fmtp; '' = no such line. */
  readonly fmtp: string;
}

/** Collects the packets of one frame. */
export interface RtpPayloadTarget {
  /** Where payload bytes are written; may be another array after every `begin`. */
  readonly bytes: Uint8Array;
  /**
   * Begins the next packet with room for exactly `size` bytes of payload; returns where in `bytes` they start.
   * `timestampOffset`: ticks after the frame's own time. All bytes must be written before the next `begin`.
   */
  begin(size: number, marker: boolean, timestampOffset: number): number;
}

/** Hot path; keeps no reference to what it is given. */
export interface RtpPacketizer {
  /** One frame in canonical form; `flags` are those of media/frame.ts (bit 0: key frame). No payload exceeds the limit. */
  packetize(payload: Uint8Array, flags: number, config: CodecConfig, target: RtpPayloadTarget): void;
}

/** What a depacketizer finds. */
export interface RtpUnitOutput {
  /**
   * One canonical payload, valid during the call only; `timestamp` is the RTP time of this frame (0 to 2^32-1).
   * `isDamaged`: pieces were lost, and what is left can be decoded with faults at best.
   */
  unit(payload: Uint8Array, timestamp: number, isDamaged: boolean): void;
}

/** Hot path. Never throws: what makes no sense is dropped and counted. */
export interface RtpDepacketizer {
  /** Pieces and whole payloads that made no sense. */
  readonly damaged: number;
  /** What packets told of the config, beside what frames tell themselves; null = nothing yet. */
  readonly config?: CodecConfig | null;
  /** Packets in order of their sequence numbers; `isAfterLoss`: at least one is missing directly before this one. */
  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void;
  /** Gives what waits for a packet that will not come. */
  flush(output: RtpUnitOutput): void;
}

export interface RtpPayloadFormat {
  readonly codec: CodecId;
  /** Registered names that mean this codec, upper case. */
  readonly encodingNames: readonly string[];
  /** What SDP says of a track with this config; null = it cannot be sent (say why in `reasonNotSent`). */
  describe(config: CodecConfig): RtpDescription | null;
  /** `maxPayload`: bytes that fit into one packet behind its header. */
  packetizer(config: CodecConfig, maxPayload: number): RtpPacketizer;
  /** The config that SDP tells; null = it comes in band. Throws ProtocolError for one that makes no sense. */
  config(mapping: RtpMapping): CodecConfig | null;
  /** Throws ProtocolError for a mapping that it cannot read, with what is not supported. */
  depacketizer(mapping: RtpMapping): RtpDepacketizer;
}
