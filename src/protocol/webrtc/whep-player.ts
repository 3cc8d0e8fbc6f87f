/**
 * A player over WebRTC: waits for the tracks of its stream, gets what it can decode of them, and is served by a thread
 * from then on. It ends with its stream, and when the stream has other codecs than those that were agreed on.
 */
import type { SessionDetails, SessionRole } from '../../access/session-registry.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { WEBRTC_SOUND } from '../../packaging/sound-needs.ts';
import { pictureFramesLeftOut } from '../../packaging/webrtc-feed.ts';
import { answerPlay } from '../../rtc/negotiation/answer.ts';
import { parseOffer, type RtcOffer } from '../../rtc/negotiation/offer.ts';
import type { RtcLink, RtcLinkUser } from '../../rtc/rtc-link.ts';
import { type TrackWait, waitForTracks } from '../../runtime/track-wait.ts';
import type { PictureChoice } from '../../runtime/video-conversions.ts';
import { RejectedError } from '../../util/errors.ts';
import { PeerSession } from './peer-session.ts';

const B_FRAMES =
  'The picture has B-frames, which WebRTC cannot carry: they are left out, and it moves less smoothly. Switch them off in ' +
  'the encoder (OBS: x264 option bframes=0 or tune zerolatency; ffmpeg: -bf 0).';

export class WhepPlayer extends PeerSession implements RtcLinkUser {
  readonly role: SessionRole = 'player';
  private link: RtcLink | null = null;
  private wait: TrackWait | null = null;
  private hasAnswer = false;

  protected async open(): Promise<string> {
    const { context, pool } = this.services;
    const { app, stream, query, host, remote } = this.request;
    if (context.hub.isClosing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    const offer = parseOffer(this.request.offer);
    const key = await context.admission.check({
      action: 'play',
      protocol: this.protocol,
      host,
      app,
      stream,
      query,
      remote,
      sessionId: this.id,
    });
    this.checkPresence();
    this.streamText = key.text;
    const { play } = context.configuration().resolver.resolve(host, key.app, key.name);
    const thread = pool.pick();
    // Held while the tracks are waited for, so that sound is converted once and for all.
    this.link = pool.link(thread, key, play.waitMs);
    this.link.add(this);
    const { hub, clock, tick } = context;
    const services = {
      hub,
      wallUs: () => clock.wallUs(),
      after: (delayMs: number, run: () => void) => tick.after(delayMs, run),
    };
    this.wait = waitForTracks(services, key, play.waitMs, WEBRTC_SOUND);
    await this.wait.tracks;
    this.checkPresence();
    const choice = await this.choosePictures(key, offer);
    this.checkPresence();
    if (choice.key.text !== key.text) {
      this.link.remove(this);
      this.link = pool.link(thread, choice.key, play.waitMs);
      this.link.add(this);
      this.wait = waitForTracks(services, choice.key, play.waitMs, WEBRTC_SOUND);
      await this.wait.tracks;
      this.checkPresence();
    }
    const negotiated = answerPlay(offer, this.link.tracks(), this.localSide(thread), { stream: key.text });
    this.hasAnswer = true;
    this.connect(thread, negotiated, this.link.feedId);
    if (choice.note !== '') this.notes = [...this.notes, choice.note];
    context.sessions.add(this);
    this.log.info('webrtc.play-start', {
      stream: key.text,
      remote: this.remote,
      agent: this.userAgent || undefined,
      codecs: negotiated.description.medias.map(({ encodingName }) => encodingName).join(' '),
      'left-out': this.notes.join(' ') || undefined,
    });
    return negotiated.sdp;
  }

  /** What is played instead of a stream whose pictures the player cannot take; rejects when it can have none. */
  private async choosePictures(key: StreamKey, { medias }: RtcOffer): Promise<PictureChoice> {
    const stream = this.services.context.hub.find(key.text);
    const videos = medias.filter(
      ({ kind, direction }) => kind === 'video' && (direction === 'recvonly' || direction === 'sendrecv'),
    );
    if (stream === undefined || videos.length === 0) return { key, note: '' };
    return await this.services.context.videoConversions.choose(stream, (codec) =>
      videos.some(({ codecs }) => codecs.some((offered) => offered.codec === codec)),
    );
  }

  private checkPresence(): void {
    if (this.isOver || this.request.isGone())
      throw new RejectedError('bad-request', 'The player left before it had an answer.');
  }

  /** The peer broke its request off. */
  cancel(): void {
    this.wait?.cancel();
  }

  private framesLeftOut(): number {
    return this.link === null || this.link.ended ? 0 : pictureFramesLeftOut(this.link.feed.encoder);
  }

  // RtcLinkUser

  onTracksChanged(): void {
    // Before the answer they are only becoming known.
    if (this.hasAnswer) this.finish('the stream has other codecs now; the player may connect again');
  }

  onStreamEnd(reason: string): void {
    if (this.hasAnswer) this.finish(reason);
    else this.cancel();
  }

  protected release(reason: string): void {
    const { link } = this;
    this.link = null;
    this.wait?.cancel();
    if (this.hasAnswer)
      this.log.info('webrtc.play-stop', {
        stream: this.streamText,
        remote: this.remote,
        reason,
        seconds: Math.round((Date.now() - this.sinceMs) / 1000),
        bytes: this.bytesOut(),
        dropped: this.dropped(),
        resent: this.statistics?.send?.resent || undefined,
      });
    link?.remove(this);
  }

  bytesIn(): number {
    return 0;
  }

  bytesOut(): number {
    return this.statistics?.send?.bytes ?? 0;
  }

  dropped(): number {
    return this.statistics?.send?.framesSkipped ?? 0;
  }

  override details(): SessionDetails {
    const { send } = this.statistics ?? {};
    const framesLeftOut = this.framesLeftOut();
    if (framesLeftOut > 0 && !this.notes.includes(B_FRAMES)) this.notes = [...this.notes, B_FRAMES];
    const details = super.details();
    if (send === undefined || send === null) return details;
    return {
      ...details,
      packets: send.packets,
      packets_resent: send.resent,
      packets_lost: send.lost,
      loss: Math.round(send.lossShare * 1000) / 1000,
      nacks: send.nacks,
      pictures_asked: send.pictureRequests,
      pictures_repeated: send.replays,
      rtt_ms: Number.isNaN(send.roundTripUs) ? -1 : Math.round(send.roundTripUs / 100) / 10,
      jitter_ms: Math.round(send.jitterUs / 100) / 10,
      estimate: Math.round(send.estimateBps),
      lag_ms: Math.round(send.lagUs / 1000),
      b_frames_left_out: framesLeftOut,
    };
  }
}
