// WHIP (RFC 9725) and WHEP: an offer goes out by POST, the answer comes back with the address of the session, DELETE
// ends it. The offer has no candidates: the server is reachable by itself and needs none of ours. They are gathered when
// its answer has come, which is what a browser needs to use the STUN and TURN servers that the answer names.
import { iceServersOf } from './rtc-ice-servers.js';

const ANSWER_MS = 10_000;
const MOST_TEXT = 400;

/** The server's refusal: its sentence for a person, or ''. */
export class SignalError extends Error {
  constructor(status, text) {
    super(`${status} ${text}`);
    this.status = status;
    this.text = text;
  }
}

/**
 * Offers what `peer` has and takes the answer. Resolves with `{ session, notes }`: the address of the session, '' when
 * the server named none, and what the server says about what it leaves out, or ''. Throws SignalError when the server
 * refuses, another error when it cannot be reached.
 */
export async function exchange(peer, url, signal) {
  const offer = await peer.createOffer();
  const sdp = withStereo(offer.sdp);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
    body: sdp,
    signal: AbortSignal.any?.([signal, AbortSignal.timeout(ANSWER_MS)]) ?? signal,
  });
  const text = await response.text();
  if (!response.ok) throw new SignalError(response.status, sentenceOf(text));
  const location = response.headers.get('Location');
  const session = location === null ? '' : new URL(location, response.url || url).href;
  try {
    if (signal.aborted) throw signal.reason;
    useIceServers(peer, iceServersOf(response.headers.get('Link')));
    await peer.setLocalDescription({ type: 'offer', sdp });
    await peer.setRemoteDescription({ type: 'answer', sdp: withStereo(text) });
  } catch (error) {
    leave(session);
    throw error;
  }
  return { session, notes: response.headers.get('X-Sluice-Notes') ?? '' };
}

// Most connections need none of them: servers that the browser does not take are no reason to have no connection.
function useIceServers(peer, iceServers) {
  if (iceServers.length === 0) return;
  try {
    peer.setConfiguration({ ...peer.getConfiguration(), iceServers });
  } catch (error) {
    console.warn(`ICE servers: ${error.message}`);
  }
}

/** Ends a session of the server, also while the page is being closed. */
export function leave(session) {
  if (session !== '') fetch(session, { method: 'DELETE', keepalive: true }).catch(() => undefined);
}

/** Browsers make and play Opus in one channel unless both descriptions say otherwise (RFC 7587 section 6.1). */
export function withStereo(sdp) {
  const type = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/im.exec(sdp)?.[1];
  if (type === undefined) return sdp;
  const line = new RegExp(`^(a=fmtp:${type} )(?!.*\\bstereo=)([^\\r\\n]*)`, 'm');
  return sdp.replace(line, '$1$2;stereo=1;sprop-stereo=1');
}

/** What a person can read of a refusal: plain text, or the message of the server's JSON. Never markup. */
export function sentenceOf(text) {
  const trimmed = text.trim();
  if (trimmed.startsWith('<')) return '';
  let sentence = trimmed;
  if (trimmed.startsWith('{')) {
    try {
      const { message, error } = JSON.parse(trimmed);
      sentence = String(message ?? error ?? '');
    } catch {
      sentence = '';
    }
  }
  return sentence.slice(0, MOST_TEXT);
}
