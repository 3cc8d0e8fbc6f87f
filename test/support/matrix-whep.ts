/** A WHEP player of the matrix: our own client in this process, and what it got in the form of the others. */
import { createHash } from 'node:crypto';
import type { Codec } from './containers.ts';
import { isVideo } from './containers.ts';
import type { IngestedFrame } from './ingest-recorder.ts';
import type { Watched, WatchedStream } from './matrix-peers.ts';
import { RtcTestPeer } from './rtc-test-peer.ts';

/** JavaScript, as the child process of node-av wants it, and therefore without types. */
const { packetForm } = (await import(new URL('./packet-form.mjs', import.meta.url).href)) as {
  packetForm(codec: string, extradata: Uint8Array | null): (data: Buffer) => Buffer;
};

const POLL_MS = 20;
/** Configuration records whose lengths have four bytes: so are frames inside the server. */
const FOUR_BYTE_LENGTHS = Buffer.alloc(23, 3).fill(1, 0, 1);

/** `seconds` of each track, and as long from the first frame on, for no longer than `limitSeconds`. */
export async function watchByWhep(url: string, seconds: number, limitSeconds: number): Promise<Watched> {
  const peer = await RtcTestPeer.open();
  try {
    const end = Date.now() + limitSeconds * 1000;
    const { status, text } = await peer.play(url);
    if (status !== 201) return { streams: [], error: `${status}: ${text}` };
    let since = Number.NaN;
    while (
      Date.now() < end &&
      !(Date.now() - since > seconds * 1000 && spanOf(peer.received.frames) > seconds * 1000)
    ) {
      if (Number.isNaN(since) && peer.received.frames.length > 0) since = Date.now();
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
    const { frames } = peer.received;
    if (frames.length === 0) return { streams: [], error: `no frame came; ${peer.closed}` };
    const ids = [...new Set(frames.map(({ trackId }) => trackId))];
    return { streams: ids.map((id) => streamOf(peer.received.of(id))) };
  } finally {
    peer.close();
  }
}

/** Milliseconds of the track of which the least has come. */
function spanOf(frames: readonly IngestedFrame[]): number {
  const begins = new Map<number, number>();
  const spans = new Map<number, number>();
  for (const { trackId, dtsMs } of frames) {
    const begin = begins.get(trackId) ?? dtsMs;
    begins.set(trackId, begin);
    spans.set(trackId, dtsMs - begin);
  }
  return Math.min(...spans.values());
}

function streamOf(frames: readonly IngestedFrame[]): WatchedStream {
  const { config } = frames[0]!; // whose track it is
  const codec = config.codec as Codec;
  const form = packetForm(codec, FOUR_BYTE_LENGTHS);
  const payloads = frames.map(({ payload }) => payload);
  const isG711 = codec === 'g711a' || codec === 'g711u';
  return {
    codec,
    packets: payloads.map((payload) =>
      createHash('sha1').update(form(payload)).digest('base64url').slice(0, 12),
    ),
    dts: frames.map(({ dtsMs }) => dtsMs / 1000),
    pts: frames.map(({ ptsMs }) => ptsMs / 1000),
    keys: frames.map(({ flags }) => (flags & 1) !== 0),
    bytes: isG711 ? Buffer.concat(payloads).toString('base64') : '',
    ...(isVideo(codec) || isG711
      ? {}
      : {
          sound: {
            extradata: '',
            rate: 48_000,
            channels: 2,
            packets: payloads.map((payload) => payload.toString('base64')),
          },
        }),
  };
}
