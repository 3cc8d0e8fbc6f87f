// WebRTC by WHEP: the browser plays by itself what the connection brings.
import { loadTexts } from './i18n.js';
import { PictureCount, picturesOf } from './picture-count.js';
import { connectPeer } from './rtc-connection.js';
import { LinkStatistics } from './rtc-statistics.js';

const MEASURE_MS = 1000;
/** Connected and not one picture or packet of sound: what the stream has does not come through. */
const FIRST_FRAME_MS = 9000;
const NOT_FOUND = 404;
/** Too many at once, or a server that is just going: the next try may be luckier. */
const PASSING = new Set([NOT_FOUND, 500, 502, 504]);

export async function openWebrtc(video, choice, events, signal) {
  await loadTexts('rtc.');
  signal.throwIfAborted();
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  for (const kind of ['video', 'audio']) peer.addTransceiver(kind, { direction: 'recvonly' });
  const stream = new MediaStream();
  peer.addEventListener('track', ({ track }) => stream.addTrack(track));
  video.srcObject = stream;
  const statistics = new LinkStatistics();
  const count = new PictureCount();
  let pictures = { total: 0, dropped: 0 };
  let facts = null;
  let connectedAt = 0;

  const measure = async () => {
    const report = await peer.getStats().catch(() => null);
    if (report === null || signal.aborted) return;
    facts = statistics.add(report.values());
    pictures = count.add(picturesOf(video));
    const wantsPicture = choice.known && choice.hasVideo;
    const isSilent = facts.frames === 0 && (wantsPicture || facts.packets === 0);
    if (connectedAt > 0 && isSilent && performance.now() - connectedAt > FIRST_FRAME_MS && !document.hidden)
      events.failed({ refused: true, reason: 'webrtc.nothing' });
  };
  const timer = setInterval(() => void measure(), MEASURE_MS);
  const connection = connectPeer(peer, choice.url, {
    answered: (notes) => events.noted(notes),
    connected: () => {
      connectedAt = performance.now();
    },
    failed: (details) => events.failed(refusalOf(details)),
    lost: () => events.ended(),
  });
  return {
    // The clock of the element runs on when nothing comes. A page in the background shows no pictures.
    position: () =>
      facts === null ? 0 : facts.frames > 0 && !document.hidden ? facts.frames : facts.packets,
    latency: () => {
      const { delayMs = null, rttMs = null } = facts ?? {};
      return delayMs === null ? null : (delayMs + (rttMs ?? 0) / 2) / 1000;
    },
    pictures: () => pictures,
    link: () => facts,
    close: () => {
      clearInterval(timer);
      connection.close();
      video.srcObject = null;
    },
  };
}

/** A refusal for this way, after which another one is tried, or a fault after which this one is tried again. */
export function refusalOf({ status, text, reason, values }) {
  if (reason !== undefined) return { refused: true, reason, values };
  if (status === undefined || PASSING.has(status)) return { status, text };
  return { refused: true, reason: 'webrtc.refused', values: { status }, text };
}
