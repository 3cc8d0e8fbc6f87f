/** What tests of session descriptions share: our end, tracks of every codec, recorded descriptions. */
import { readFileSync } from 'node:fs';
import { makeCodecConfig } from '../../src/codec/codec-config.ts';
import type { CodecId } from '../../src/codec/codec-id.ts';
import { makeTrack } from '../../src/media/track.ts';
import type { RtpCarriedTrack } from '../../src/packaging/rtp-feed-tracks.ts';
import { rtpTracksOf } from '../../src/packaging/rtp-feed-tracks.ts';
import { WEBRTC_PAYLOAD_FORMATS } from '../../src/packaging/webrtc-feed.ts';
import type { LocalSide } from '../../src/rtc/negotiation/sections.ts';

export const LOCAL: LocalSide = {
  ice: { ufrag: 'abcdefgh', password: '0123456789abcdefghijkl' },
  fingerprint: { algorithm: 'sha-256', value: Array(32).fill('AB').join(':') },
  candidates: [
    'candidate:1 1 udp 2130706431 127.0.0.1 8000 typ host',
    'candidate:2 1 tcp 1671430143 127.0.0.1 8000 typ host tcptype passive',
  ],
  isLite: true,
  sessionId: '4242424242',
  cname: 'sluice-1',
};

export const CALLER: LocalSide = { ...LOCAL, isLite: false };

/** `PROGRAM.offer.sdp` and so on of test/vectors/webrtc-sdp. */
export function recorded(name: string): string {
  return readFileSync(new URL(`../vectors/webrtc-sdp/${name}.sdp`, import.meta.url), 'utf8');
}

/**
 * Tracks as a feed carries them; sound has two channels where the codec can. A codec with a form (`h264 640028`) has
 * that text as its parameters.
 */
export function tracksOf(...codecs: readonly string[]): readonly RtpCarriedTrack[] {
  const tracks = codecs.map((text, id) => {
    const codec = text.split(' ', 1)[0] as CodecId;
    const channels = codec === 'opus' ? 2 : 1;
    const sampleRate = codec === 'opus' ? 48_000 : codec === 'g722' ? 16_000 : 8000;
    const profile = codec === 'h265' ? 'Main 10' : '';
    return makeTrack(id, makeCodecConfig(codec, new Uint8Array(0), '', { channels, sampleRate, profile }));
  });
  return rtpTracksOf(tracks, WEBRTC_PAYLOAD_FORMATS).map((carried, index) => {
    const form = codecs[index]!.split(' ').slice(1).join(' ');
    if (form === '') return carried;
    const fmtp = carried.track.config.codec === 'h264' ? `profile-level-id=${form}` : form;
    return { ...carried, description: { ...carried.description, fmtp } };
  });
}

/** A small offer, as a table of sections; each with what makes WebRTC of it unless it brings its own. */
export function offerOf(
  sections: readonly { readonly line: string; readonly attributes: readonly string[] }[],
  sessionAttributes?: readonly string[],
): string {
  const mids = sections.map((_, index) => index).join(' ');
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0'];
  lines.push(...(sessionAttributes ?? [`a=group:BUNDLE ${mids}`]));
  for (const [index, { line, attributes }] of sections.entries())
    lines.push(`m=${line}`, `a=mid:${index}`, ...TRANSPORT, ...attributes.map((text) => `a=${text}`));
  return `${lines.join('\r\n')}\r\n`;
}

export const TRANSPORT: readonly string[] = [
  'a=ice-ufrag:peer',
  'a=ice-pwd:peerpasswordpeerpassword',
  `a=fingerprint:sha-256 ${Array(32).fill('CD').join(':')}`,
  'a=setup:actpass',
  'a=rtcp-mux',
];
