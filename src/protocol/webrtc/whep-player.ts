/**
 * A player over WebRTC: waits for the tracks of its stream, gets what it can decode of them, and is served by a thread
 * from then on. It ends with its stream, and when the stream has other codecs than those that were agreed on.
 */
import type { SessionDetails, SessionRole } from '../../access/session-registry.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { WEBRTC_SOUND } from '../../packaging/sound-needs.ts';
import { pictureFramesLeftOut } from '../../packaging/webrtc-feed.ts';
import { answerPlay, type Negotiated } from '../../rtc/negotiation/answer.ts';
import { parseOffer, type RtcOffer } from '../../rtc/negotiation/offer.ts';
import type { RtcLink, RtcLinkUser } from '../../rtc/rtc-link.ts';
import type { RtcThread } from '../../rtc/rtc-thread.ts';
import { answerAsker } from '../../runtime/stream-loop.ts';
import { type TrackWait, waitForTracks } from '../../runtime/track-wait.ts';
import type { PictureChoice } from '../../runtime/video-conversions.ts';
import { RejectedError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { LayerFeeds, sizesOf } from './layer-feeds.ts';
import { PeerSession, roundTripMs } from './peer-session.ts';

/** How soon it is noticed that a publisher begins or ends a layer. */
const LOOK_MS = 500;
const B_FRAMES =
  'The picture has B-frames, which WebRTC cannot carry: they are left out, and it moves less smoothly. Switch them off in ' +
  'the encoder (OBS: x264 option bframes=0 or tune zerolatency; ffmpeg: -bf 0).';

const NARROW =
  'The network of this player carries less than the stream has: pictures are left out, the sound goes on. Publish with a ' +
  'lower bitrate, or in several sizes (simulcast).';

export class WhepPlayer extends PeerSession implements RtcLinkUser {
  readonly role: SessionRole = 'player';
  private link: RtcLink | null = null;
  private wait: TrackWait | null = null;
  private hasAnswer = false;
  private hasPicture = false;
  /** Codecs. */
  private agreedSound = '';
  private layerFeeds: LayerFeeds | null = null;
  private looking: Timeout | null = null;
  private layerNote = '';

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
    answerAsker(context, key, this.request.via);
    this.streamText = key.text;
    const { play } = context.configuration().resolver.resolve(host, key.app, key.name);
    const thread = pool.pick();
    let link = await this.follow(thread, key, play.waitMs);
    const choice = await this.choosePictures(key, offer);
    this.checkPresence();
    if (choice.key.text !== key.text) {
      link.remove(this);
      link = await this.follow(thread, choice.key, play.waitMs);
    } else {
      this.openLayers(thread, link);
    }
    const negotiated = this.negotiate(thread, link, offer);
    this.hasAnswer = true;
    // By now the publisher is known.
    this.via = answerAsker(context, key, this.request.via);
    const picture = negotiated.description.medias.find(({ kind }) => kind === 'video');
    this.agreedSound = soundOf(link);
    this.hasPicture = picture !== undefined;
    if (picture !== undefined) this.layerFeeds?.fix(picture.codec);
    this.connect(thread, negotiated, link.feedId, this.layerFeeds?.layers);
    this.notes = [...this.notes, ...[choice.note, this.layerNote].filter((note) => note !== '')];
    context.sessions.add(this);
    this.log.info('webrtc.play-start', {
      stream: key.text,
      remote: this.remote,
      agent: this.userAgent || undefined,
      codecs: negotiated.description.medias.map(({ encodingName }) => encodingName).join(' '),
      layer: this.layerFeeds?.wish,
      'left-out': this.notes.join(' ') || undefined,
    });
    return negotiated.sdp;
  }

  /** The stream as the thread gets it, once its tracks are known; held meanwhile, so that sound is converted once and for all. */
  private async follow(thread: RtcThread, key: StreamKey, waitMs: number): Promise<RtcLink> {
    const { hub, clock, tick } = this.services.context;
    const link = this.services.pool.link(thread, key, waitMs);
    this.link = link;
    link.add(this);
    const services = {
      hub,
      wallUs: () => clock.wallUs(),
      after: (delayMs: number, run: () => void) => tick.after(delayMs, run),
    };
    this.wait = waitForTracks(services, key, waitMs, WEBRTC_SOUND);
    await this.wait.tracks;
    this.checkPresence();
    return link;
  }

  private openLayers(thread: RtcThread, base: RtcLink): void {
    const { context, pool, sizes } = this.services;
    const { layer } = this.request;
    const services = { hub: context.hub, pool, sizes };
    if (sizesOf(services, base.key).length === 0) {
      if (layer !== '')
        this.layerNote = `${base.key.text} comes in one size, so layer=${layer} says nothing.`;
      return;
    }
    this.layerFeeds = new LayerFeeds(services, thread, base, (layers) => this.connection?.setLayers(layers));
    this.layerFeeds.want(layer);
    this.looking = context.tick.every(LOOK_MS, () => this.layerFeeds?.look());
  }

  /** A publisher whose network is too slow for its largest size sends that as sound alone. */
  private negotiate(thread: RtcThread, link: RtcLink, offer: RtcOffer): Negotiated {
    const tracks = link.tracks();
    const isSoundAlone = tracks.every(({ track }) => track.kind === 'audio');
    const picture = isSoundAlone ? this.layerFeeds?.picture() : undefined;
    const options = { stream: this.streamText };
    return answerPlay(
      offer,
      picture === undefined ? tracks : [picture, ...tracks],
      this.localSide(thread),
      options,
    );
  }

  /** The layers that it may be shown; null = its stream comes in one size. */
  get layers(): LayerFeeds | null {
    return this.layerFeeds;
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

  private noteIf(holds: boolean, note: string): void {
    if (holds === this.notes.includes(note)) return;
    this.notes = holds ? [...this.notes, note] : this.notes.filter((one) => one !== note);
  }

  private framesLeftOut(): number {
    return this.link === null || this.link.ended ? 0 : pictureFramesLeftOut(this.link.feed.encoder);
  }

  // RtcLinkUser

  onTracksChanged(): void {
    // Before the answer they are only becoming known.
    if (!this.hasAnswer || this.isSoundOfLayers()) return;
    this.finish('the stream has other codecs now; the player may connect again');
  }

  /** The pictures of layers are the business of `layerFeeds`: of the stream itself such a player needs the sound alone. */
  private isSoundOfLayers(): boolean {
    const { link, layerFeeds } = this;
    if (link === null || layerFeeds === null || !this.hasPicture || soundOf(link) !== this.agreedSound)
      return false;
    layerFeeds.look();
    return true;
  }

  onStreamEnd(reason: string): void {
    if (this.hasAnswer) this.finish(reason);
    else this.cancel();
  }

  protected release(reason: string): void {
    const { link } = this;
    this.link = null;
    this.wait?.cancel();
    this.looking?.cancel();
    this.layerFeeds?.close();
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
    const { layers } = this;
    const framesLeftOut = this.framesLeftOut();
    this.noteIf(framesLeftOut > 0, B_FRAMES);
    this.noteIf(send?.isHeldBack === true, NARROW);
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
      rtt_ms: roundTripMs(send.roundTripUs),
      jitter_ms: Math.round(send.jitterUs / 100) / 10,
      estimate: Math.round(send.estimateBps),
      lag_ms: Math.round(send.lagUs / 1000),
      frames_left_out: send.framesSkipped,
      b_frames_left_out: framesLeftOut,
      ...(layers === null
        ? {}
        : { layer: layers.nameOf(send.layer), layer_wanted: layers.wish, layers: layers.names }),
    };
  }
}

/** Codecs of the sound as the stream has it now. */
function soundOf(link: RtcLink): string {
  const sounds = link.tracks().filter(({ track }) => track.kind === 'audio');
  return sounds.map(({ track }) => track.config.codec).join(' ');
}
