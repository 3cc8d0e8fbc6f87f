/** Header extensions (RFC 8285 section 8, a=extmap): which of them are offered, and which of those are used. */
import type { SdpAttribute } from '../../wire/sdp/session-description.ts';
import type { RtcExtensions } from '../rtc-description.ts';

/** One a=extmap of the peer, with the directions as the peer sees them. */
export interface OfferedExtension {
  readonly id: number;
  readonly uri: string;
  readonly isSentByPeer: boolean;
  readonly isReceivedByPeer: boolean;
}

export const EXTENSION_URIS: Readonly<Record<keyof RtcExtensions, string>> = {
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  transportCc: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  playoutDelay: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
};

/** Ids of the one-byte form; 15 is reserved (RFC 8285 section 4.2). */
const MAX_ID = 14;
/** What a value of the one-byte form can hold. */
const MAX_MID_LENGTH = 16;

/** The first of several with one id counts: an id means one thing in all of a bundle (RFC 9143 section 8). */
export function parseExtensions(...levels: readonly (readonly SdpAttribute[])[]): OfferedExtension[] {
  const found = new Map<number, OfferedExtension>();
  for (const attributes of levels) {
    for (const { name, value } of attributes) {
      if (name !== 'extmap') continue;
      const match = /^(\d{1,3})(?:\/(sendrecv|sendonly|recvonly|inactive))?\s+(\S{1,255})/.exec(value);
      const id = Number(match?.[1] ?? 0);
      if (match === null || id < 1 || id > MAX_ID || found.has(id)) continue;
      const [, , direction = 'sendrecv', uri = ''] = match;
      found.set(id, {
        id,
        uri,
        isSentByPeer: direction === 'sendrecv' || direction === 'sendonly',
        isReceivedByPeer: direction === 'sendrecv' || direction === 'recvonly',
      });
    }
  }
  return [...found.values()];
}

/** Only what serves the direction: layers are told by who sends them, and we send none. */
export function agreeExtensions(
  offered: readonly OfferedExtension[],
  direction: 'send' | 'receive',
  mid: string,
  usesTransportCc: boolean,
): RtcExtensions {
  const idOf = (key: keyof RtcExtensions): number => {
    const one = offered.find(({ uri }) => uri === EXTENSION_URIS[key]);
    if (one === undefined) return 0;
    return (direction === 'send' ? one.isReceivedByPeer : one.isSentByPeer) ? one.id : 0;
  };
  const isReceiver = direction === 'receive';
  return {
    mid: mid.length === 0 || mid.length > MAX_MID_LENGTH ? 0 : idOf('mid'),
    rid: isReceiver ? idOf('rid') : 0,
    repairedRid: isReceiver ? idOf('repairedRid') : 0,
    absSendTime: idOf('absSendTime'),
    transportCc: usesTransportCc ? idOf('transportCc') : 0,
    playoutDelay: idOf('playoutDelay'),
  };
}

/** a=extmap for what is agreed; one that the peer uses in one direction is answered with the other side of it. */
export function printExtensions(
  extensions: RtcExtensions,
  offered: readonly OfferedExtension[],
): SdpAttribute[] {
  const attributes: SdpAttribute[] = [];
  for (const key of Object.keys(EXTENSION_URIS) as (keyof RtcExtensions)[]) {
    const id = extensions[key];
    if (id === 0) continue;
    const one = offered.find((extension) => extension.id === id);
    const isBoth = one === undefined || (one.isSentByPeer && one.isReceivedByPeer);
    const direction = isBoth ? '' : one.isSentByPeer ? '/recvonly' : '/sendonly';
    attributes.push({ name: 'extmap', value: `${id}${direction} ${EXTENSION_URIS[key]}` });
  }
  return attributes;
}
