/** What the main thread and a thread of WebRTC say to each other. Peers and feeds have numbers that are never reused. */
import type { RtcDescription } from './rtc-description.ts';
import type { RtcPeerStatistics } from './rtc-peer.ts';

/** What a thread is started with. */
export interface RtcThreadData {
  /** `performance.timeOrigin` of the main thread: all threads count time from there. */
  readonly timeOrigin: number;
  /** Local addresses; '' = all of IPv4 and IPv6. */
  readonly hosts: readonly string[];
  /** 0 = any. */
  readonly port: number;
  readonly tcp: boolean;
  /** Peers that call are gone when nothing is heard of them for so long; 30 s when it is not given. */
  readonly consentMs?: number;
  /** One 32-bit count of the messages that the thread has taken. */
  readonly taken: SharedArrayBuffer;
  readonly certificate: { readonly key: string; readonly cert: string };
}

/** What a player may be shown of simulcast. */
export interface RtcLayers {
  /** Feeds of the layers, the best first; -1 = it is not there now. The first track of each is its pictures. */
  readonly feeds: readonly number[];
  /** Place of the layer that the player wants, the best 0; -1 = what its network carries. */
  readonly wish: number;
}

export type ToRtcThread =
  /** A port of its own for a peer that we are about to call; `close` gives it back. */
  | { readonly type: 'reserve'; readonly peer: number }
  | {
      readonly type: 'open';
      readonly peer: number;
      readonly description: RtcDescription;
      /** -1: it plays nothing. */
      readonly feed: number;
      /** Where its pictures come from, if not from the feed; the sound is the feed's. */
      readonly layers?: RtcLayers;
      /** Our addresses, when we call. */
      readonly localAddresses: readonly string[];
    }
  /** Only for a player that was opened with layers. */
  | { readonly type: 'layers'; readonly peer: number; readonly layers: RtcLayers }
  | { readonly type: 'candidates'; readonly peer: number; readonly lines: readonly string[] }
  | {
      readonly type: 'restart';
      readonly peer: number;
      readonly ufrag: string;
      readonly password: string;
      readonly remoteUfrag: string;
    }
  | { readonly type: 'key'; readonly peer: number; readonly media: number; readonly layer: number }
  | { readonly type: 'close'; readonly peer: number }
  | {
      readonly type: 'feed';
      readonly feed: number;
      /** Of the tracks, pictures before sound. */
      readonly clockRates: readonly number[];
      readonly pictures: number;
      /** As frames say it; frames of others are dropped. Not given: all are taken. */
      readonly generation?: number;
    }
  | { readonly type: 'feed-keys'; readonly feed: number; readonly canRequest: boolean }
  | { readonly type: 'slab'; readonly feed: number; readonly slab: SharedArrayBuffer | ArrayBuffer }
  /** A piece of the latest slab of the feed. */
  | { readonly type: 'bytes'; readonly feed: number; readonly start: number; readonly end: number }
  | { readonly type: 'feed-end'; readonly feed: number }
  | { readonly type: 'stop' };

export type FromRtcThread =
  | { readonly type: 'listening'; readonly port: number; readonly hasTcp: boolean }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly message: string;
      readonly host: string;
      readonly transport: string;
    }
  /** 0 = no port can be had. */
  | { readonly type: 'reserved'; readonly peer: number; readonly port: number }
  | { readonly type: 'connected'; readonly peer: number; readonly remote: string }
  | { readonly type: 'closed'; readonly peer: number; readonly reason: string }
  | { readonly type: 'key-needed'; readonly feed: number }
  | {
      readonly type: 'media';
      readonly peer: number;
      readonly bytes: ArrayBuffer;
      /** For each packet: media, layer, 1 for RTCP, start, end, arrival in microseconds. */
      readonly packets: Float64Array;
    }
  | {
      readonly type: 'statistics';
      readonly peers: readonly { readonly peer: number; readonly statistics: RtcPeerStatistics }[];
    }
  | { readonly type: 'trouble'; readonly event: string; readonly cause: string };

/** Numbers for each packet of `media`. */
export const PACKET_FIELDS = 6;
