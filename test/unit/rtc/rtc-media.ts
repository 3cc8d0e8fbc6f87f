/** Medias of a description for tests. */
import type { RtcMedia } from '../../../src/rtc/rtc-description.ts';

export function makeMedia(changes: Partial<RtcMedia> = {}): RtcMedia {
  return {
    index: 0,
    mid: '0',
    kind: 'video',
    direction: 'send',
    codec: 'h264',
    encodingName: 'H264',
    clockRate: 90_000,
    channels: 0,
    fmtp: '',
    payloadType: 102,
    rtxPayloadType: 103,
    ssrc: 0x1111,
    rtxSsrc: 0x2222,
    rids: [],
    extensions: { mid: 0, rid: 0, repairedRid: 0, absSendTime: 0, transportCc: 0, playoutDelay: 0 },
    feedback: { nack: true, pli: true, fir: false, transportCc: false, remb: false },
    feedTrack: 0,
    ...changes,
  };
}

/** Opus in the second section. */
export function makeSound(ssrc: number): RtcMedia {
  return makeMedia({
    index: 1,
    mid: '1',
    kind: 'audio',
    codec: 'opus',
    clockRate: 48_000,
    payloadType: 111,
    rtxPayloadType: -1,
    ssrc,
    rtxSsrc: 0,
    feedTrack: 0,
  });
}

/** Number of its header extension. */
export const TRANSPORT_CC = 5;

/** The same, with transport-wide congestion control agreed on. */
export function withTransportCc(media: RtcMedia): RtcMedia {
  return {
    ...media,
    extensions: { ...media.extensions, transportCc: TRANSPORT_CC },
    feedback: { ...media.feedback, transportCc: true },
  };
}
