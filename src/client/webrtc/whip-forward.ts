/**
 * Sends one of our streams to another server by WHIP: waits until its tracks are known, offers them (sound as WebRTC
 * carries it), and has them sent by a thread like those of a player. To the stream it is a player like any other. When
 * other tracks come it ends, so that whoever wants the forward offers anew.
 */
import { WEBRTC_SOUND } from '../../packaging/sound-needs.ts';
import type { RtcDescription } from '../../rtc/rtc-description.ts';
import type { RtcLink, RtcLinkUser } from '../../rtc/rtc-link.ts';
import type { ForwardRequest, ModuleContext, OpenTarget, OutgoingForward } from '../../runtime/module.ts';
import { type TrackWait, waitForTracks } from '../../runtime/track-wait.ts';
import { RejectedError } from '../../util/errors.ts';
import { parseCallAddress } from './call-address.ts';
import { WebrtcCall } from './webrtc-call.ts';

const WAIT_FOR_SOURCE_MS = 2000;
const CONNECT_MS = 10_000;

/** To be registered for the scheme `whip`. */
export function whipTarget(context: ModuleContext): OpenTarget {
  return (request) => new WhipForward(context, request);
}

class WhipForward implements OutgoingForward, RtcLinkUser {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private link: RtcLink | null = null;
  private wait: TrackWait | null = null;
  private call: WebrtcCall | null = null;
  private isEnded = false;

  constructor(context: ModuleContext, request: ForwardRequest) {
    this.context = context;
    this.request = request;
    // Whoever wants the forward is told of its end, but not before it has it.
    context.tick.after(0, () => void this.open());
  }

  private async open(): Promise<void> {
    if (this.isEnded) return;
    const { context, request } = this;
    try {
      const address = parseCallAddress(request.url, 'publish');
      const calls = context.rtcCalls.current;
      if (address === null) throw new RejectedError('bad-request', 'the address is none of WHIP');
      if (calls === null)
        throw new RejectedError('unsupported', 'WebRTC does not run here (webrtc enable in config.xml)');
      const thread = calls.pool.pick();
      const link = calls.pool.link(thread, request.source, WAIT_FOR_SOURCE_MS);
      this.link = link;
      // Held while the tracks are waited for, so that sound is converted once and for all.
      link.add(this);
      const { hub, clock, tick } = context;
      const services = {
        hub,
        wallUs: () => clock.wallUs(),
        after: (delayMs: number, run: () => void) => tick.after(delayMs, run),
      };
      this.wait = waitForTracks(services, request.source, WAIT_FOR_SOURCE_MS, WEBRTC_SOUND);
      await this.wait.tracks;
      if (this.isEnded) return;
      const stream = hub.find(request.source.text);
      const via = (stream && hub.publisherOf(stream)?.via) ?? [];
      this.call = new WebrtcCall(
        {
          calls,
          thread,
          address,
          request: { direction: 'publish', tracks: link.tracks() },
          feed: link.feedId,
          via: [...via, context.serverId],
          // Certificates of forwards between one's own servers are self-signed as a rule; encryption is what is wanted.
          verifies: false,
          connectMs: CONNECT_MS,
          userAgent: `Sluice/${context.version}`,
          after: services.after,
          onFault: context.onFault,
        },
        {
          onAgreed: (description) => this.objectionTo(description),
          onConnected: () => request.onLive(),
          onPackets: () => undefined,
          onEnd: (reason) => this.finish(reason),
        },
      );
    } catch (error) {
      if (!(error instanceof RejectedError)) this.context.onFault(error);
      this.finish((error as Error).message);
    }
  }

  /** A target without the picture is none; missing sound is told and goes on. */
  private objectionTo({ medias }: RtcDescription): string {
    const tracks = this.link?.tracks() ?? [];
    const refused = tracks.filter((one) => {
      const place = tracks.filter(({ track }) => track.kind === one.track.kind).indexOf(one);
      return !medias.some(({ kind, feedTrack }) => kind === one.track.kind && feedTrack === place);
    });
    const names = refused.map(({ description }) => description.encodingName).join(' and ');
    const wants = refused.some(({ track }) => track.kind === 'video');
    const has = medias.some(({ kind }) => kind === 'video');
    if (wants && !has) return `the target does not take the picture (${names})`;
    if (refused.length > 0) this.request.log.warn('forward.left-out', { codecs: names });
    return '';
  }

  // RtcLinkUser

  onTracksChanged(): void {
    // Before the offer they are only becoming known.
    if (this.call !== null) this.finish('the stream has other tracks now and must be offered anew');
  }

  onStreamEnd(reason: string): void {
    this.finish(reason);
  }

  bytesSent(): number {
    return this.call?.statistics?.send?.bytes ?? 0;
  }

  private finish(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const { link } = this;
    this.link = null;
    this.wait?.cancel();
    this.call?.close();
    link?.remove(this);
  }
}
