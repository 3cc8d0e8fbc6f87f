/** The stream that `sluice push` publishes on an RTMP server. */
import { describeFailure, isUntrusted } from '../../client/describe-failure.ts';
import { RtmpClient, type RtmpClientEnd } from '../../client/rtmp/rtmp-client.ts';
import type { FeedEncoder, FeedSource } from '../../media/feed.ts';
import { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import type { PlaybackOutput } from '../../media-file/paced-playback.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';
import { RejectedError } from '../../util/errors.ts';
import { SlabWriter } from '../../util/slab.ts';
import { parseRtmpUrl, type RtmpUrl } from '../../wire/rtmp/rtmp-url.ts';
import { afterDelay, CommandError, EXIT_BROKEN, EXIT_TARGET, EXIT_USAGE, say, sentence } from './command.ts';

const CHUNK_SIZE = 60_000;
const LIMITS = { maxMessageBytes: 1024 * 1024, maxChunkStreams: 64 };
/** For what is still in the socket at the end. */
const DRAIN_MS = 3000;

export class RtmpTarget implements PlaybackOutput {
  bytesSent = 0;
  framesSent = 0;
  private readonly url: RtmpUrl;
  private readonly client: RtmpClient;
  private readonly source: { tracks: readonly Track[]; metadata: unknown; label: string };
  private readonly slab = new SlabWriter();
  private encoder: FeedEncoder | null = null;
  private shiftUs = Number.NaN;
  private lastUs = 0;
  private readonly onBroken: (error: CommandError) => void;

  private constructor(
    url: RtmpUrl,
    verifies: boolean,
    onReady: (target: RtmpTarget) => void,
    onBroken: (error: CommandError) => void,
  ) {
    this.url = url;
    this.onBroken = onBroken;
    this.source = { tracks: [], metadata: null, label: url.stream };
    this.client = new RtmpClient({
      url,
      host: url.host,
      port: url.port,
      purpose: 'publish',
      chunkSize: CHUNK_SIZE,
      limits: LIMITS,
      via: [],
      verifies,
      after: afterDelay,
      onReady: (messageStreamId, fourCcs) => {
        const format = rtmpFormat({
          chunkSize: CHUNK_SIZE,
          messageStreamId,
          fourCcs,
          multitrack: false,
          publishes: true,
        });
        this.encoder = format.open(this.source satisfies FeedSource);
        onReady(this);
      },
      onMessage: () => undefined,
      onEnd: (end) => this.onEnd(end),
      onFault: (error) => say(`sluice: ${(error as Error).stack ?? error}`),
    });
  }

  /** Rejects with CommandError when the server cannot be reached or refuses. `onBroken` is called at most once. */
  static open(url: RtmpUrl, verifies: boolean, onBroken: (error: CommandError) => void): Promise<RtmpTarget> {
    return new Promise((resolve, reject) => {
      let isReady = false;
      const target: RtmpTarget = new RtmpTarget(
        url,
        verifies,
        () => {
          isReady = true;
          resolve(target);
        },
        (error) => (isReady ? onBroken(error) : reject(error)),
      );
    });
  }

  private onEnd({ kind, text }: RtmpClientEnd): void {
    const { host, port } = this.url;
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const reasons = {
      system: describeFailure(text, host, port),
      timeout: `${address} did not answer in time`,
      closed: `${address} closed the connection`,
      refused: `${address} refuses: ${text}`,
      over: `${address} ended the stream: ${text}`,
      protocol: `${address} sends what is no RTMP (${text})`,
    };
    const hint = isUntrusted(reasons[kind]) ? '; --insecure takes it all the same' : '';
    const code = this.encoder === null ? EXIT_TARGET : EXIT_BROKEN;
    this.onBroken(new CommandError(code, sentence(reasons[kind] + hint)));
  }

  /** The source's own metadata; before the first tracks. */
  setMetadata(metadata: unknown): void {
    this.source.metadata = metadata;
  }

  /** Throws CommandError when the target can take none of them. */
  setTracks(tracks: readonly Track[]): void {
    const encoder = this.encoder!; // open() resolves with it
    const isFirst = this.source.tracks.length === 0;
    this.source.tracks = tracks;
    const left = encoder.leftOut();
    for (const { track, reason } of left) say(`left out: ${track.config.codec} (${reason})`);
    if (left.length >= tracks.length)
      throw new CommandError(EXIT_TARGET, 'The target can take none of the tracks.');
    // The header of a config that changes goes out with the next frame's time; the first with the first frame.
    this.send(isFirst ? encoder.tracksChanged(0) : encoder.tracksChanged(this.lastUs));
  }

  write(frame: Frame): void {
    if (Number.isNaN(this.shiftUs)) this.shiftUs = -frame.dts;
    const { trackId, flags, dts, pts, duration, payload, config, arrival, captureTime } = frame;
    // Sound that is a little older than the first picture begins with it.
    const at = Math.max(0, dts + this.shiftUs);
    this.lastUs = at;
    const shifted = new Frame(
      trackId,
      flags,
      at,
      Math.max(0, pts + this.shiftUs),
      duration,
      payload,
      config,
      arrival,
      captureTime,
    );
    const { encoder, slab } = this;
    const before = slab.slab;
    const used = slab.used;
    if (encoder === null || !encoder.encode(shifted, slab)) return;
    this.framesSent++;
    // One frame lies in one piece.
    this.send(slab.slab.subarray(slab.slab === before ? used : 0, slab.used));
  }

  private send(bytes: Uint8Array): void {
    this.bytesSent += bytes.length;
    this.client.write(bytes);
  }

  writable(): boolean {
    return this.client.writable();
  }

  /** Says goodbye; resolves when everything was taken, or after a while. */
  async close(): Promise<void> {
    const { socket } = this.client;
    const closed = new Promise<void>((resolve) => {
      if (socket.destroyed) resolve();
      else socket.once('close', () => resolve());
      setTimeout(resolve, DRAIN_MS).unref();
    });
    this.client.close();
    await closed;
  }
}

/** Throws CommandError. */
export function parseTarget(text: string): RtmpUrl {
  try {
    const url = parseRtmpUrl(text);
    if (url.stream !== '') return url;
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    throw new CommandError(EXIT_USAGE, `"${text}": ${error.message}`);
  }
  throw new CommandError(EXIT_USAGE, `"${text}" names no stream: use rtmp://host/app/stream.`);
}
