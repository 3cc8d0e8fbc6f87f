/** One message stream of a session: nothing yet, a publisher, or a player. */
import { VIA_PROPERTY } from '../../client/rtmp/connect-object.ts';
import type { Sink } from '../../media/sink.ts';
import { RejectedError } from '../../util/errors.ts';
import type { AmfObject } from '../../wire/amf/amf-value.ts';
import type { RtmpMessage } from '../../wire/rtmp/chunk-reader.ts';
import {
  amfObject,
  type Command,
  onStatus,
  STATUS,
  type StatusLevel,
  serializeData,
} from '../../wire/rtmp/command.ts';
import {
  MESSAGE_DATA_AMF0,
  USER_CONTROL_STREAM_BEGIN,
  USER_CONTROL_STREAM_EOF,
} from '../../wire/rtmp/message.ts';
import { parseStreamAddress, type StreamAddress } from '../../wire/rtmp/rtmp-url.ts';
import { RtmpPlay, type RtmpPlayer } from './rtmp-play.ts';
import { RtmpPublish } from './rtmp-publish.ts';
import type { RtmpSession } from './rtmp-session.ts';
import { RtmpVod } from './rtmp-vod.ts';

const DATA_CHUNK_STREAM = 5;
const NO_REASONS: readonly string[] = [];

export class RtmpStream implements Sink {
  private readonly session: RtmpSession;
  private readonly id: number;
  private publishing: RtmpPublish | null = null;
  private playing: RtmpPlayer | null = null;
  private name = '';
  private asked = false;
  /** Totals of players that ended on this stream. */
  private endedBytes = 0;
  private endedDropped = 0;

  constructor(session: RtmpSession, id: number) {
    this.session = session;
    this.id = id;
  }

  publish(command: Command): void {
    const address = this.tryBegin(command, STATUS.publishDenied);
    this.session.decide(this.decidePublish(address));
  }

  play(command: Command): void {
    const address = this.tryBegin(command, STATUS.playFailed);
    this.session.decide(this.decidePlay(address, command));
  }

  private tryBegin(command: Command, refusal: string): StreamAddress {
    try {
      return this.begin(command);
    } catch (error) {
      if (error instanceof RejectedError) this.status('error', refusal, error.message);
      throw error;
    }
  }

  /** Checks that the stream is free and reads where the peer wants to go. */
  private begin(command: Command): StreamAddress {
    if (this.asked) throw new RejectedError('bad-request', 'This message stream already publishes or plays.');
    const name = command.args[0];
    if (typeof name !== 'string') throw new RejectedError('bad-request', `${command.name} names no stream.`);
    this.asked = true;
    this.name = name;
    const parsed = parseStreamAddress(this.session.tcUrl, this.session.connectRequest!.app, name);
    const address = { ...parsed, app: percentDecoded(parsed.app), stream: percentDecoded(parsed.stream) };
    this.session.url = `/${address.app}/${address.stream}`;
    return address;
  }

  private request(action: 'publish' | 'play', address: StreamAddress) {
    return {
      action,
      protocol: this.session.protocol,
      host: address.vhost,
      app: address.app,
      stream: address.stream,
      query: address.query,
      remote: this.session.remote,
      sessionId: this.session.id,
    } as const;
  }

  private async decidePublish(address: StreamAddress): Promise<void> {
    const { session } = this;
    const { services } = session;
    try {
      const via = session.connectRequest?.via ?? [];
      services.checkLoop(via);
      const key = await services.admit(this.request('publish', address));
      if (session.closed) return;
      const times = services.publishTimes(key, address.vhost);
      const publication = services.hub.publish(key, {
        id: session.id,
        protocol: session.protocol,
        remote: session.remote,
        host: address.vhost,
        via,
        revoke: (reason) => this.revoke(reason),
      });
      if (session.closed) {
        // It took the name over from another message stream of its own connection.
        publication.end(session.closeReason);
        return;
      }
      this.publishing = new RtmpPublish(publication, services.nowUs(), times);
      this.setRole('publisher', key.text);
      this.status('status', STATUS.publishStart, `${key.text} is now published.`);
      session.log.info('rtmp.publish-start', {
        stream: key.text,
        remote: session.remote,
        agent: session.userAgent,
      });
    } catch (error) {
      if (error instanceof RejectedError) {
        const code = error.reason === 'busy' ? STATUS.publishBadName : STATUS.publishDenied;
        this.status('error', code, error.message);
      }
      throw error;
    }
  }

  private async decidePlay(address: StreamAddress, command: Command): Promise<void> {
    const { session } = this;
    const { services } = session;
    try {
      if (await this.playFile(address, command)) return;
      const key = await services.admit(this.request('play', address));
      if (session.closed) return;
      const via = services.answerAsker(key, session.connectRequest?.via ?? []);
      session.connection.sendUserControl(USER_CONTROL_STREAM_BEGIN, this.id);
      this.status('status', STATUS.playReset, `Playing and resetting ${key.text}.`);
      const way = via.length === 0 ? null : amfObject({ [VIA_PROPERTY]: via.join(',') });
      this.status('status', STATUS.playStart, `Started playing ${key.text}.`, way);
      session.connection.send(
        DATA_CHUNK_STREAM,
        MESSAGE_DATA_AMF0,
        this.id,
        serializeData('|RtmpSampleAccess', true, true),
      );
      this.beginPlaying(key.text);
      const { fourCcs, multitrack } = session.connectRequest!;
      const chunkSize = services.chunkSize();
      const { hub } = services;
      this.playing = new RtmpPlay({
        hub,
        key,
        sink: session.connection.output.openSink?.((reason) => this.end(reason)) ?? this,
        waitMs: services.playWaitMs(key, address.vhost),
        chunkSize,
        messageStreamId: this.id,
        fourCcs,
        multitrack,
        onStatus: (code, description) => this.status('status', code, description),
      });
      this.tellLeftOut();
      session.onPlaying();
    } catch (error) {
      if (error instanceof RejectedError) {
        const code = error.reason === 'not-found' ? STATUS.playStreamNotFound : STATUS.playFailed;
        this.status('error', code, error.message);
      }
      throw error;
    }
  }

  /** True when the address is that of a file, which then plays. Throws RejectedError. */
  private async playFile(address: StreamAddress, command: Command): Promise<boolean> {
    const { session } = this;
    const { services } = session;
    const held = (await services.files?.open(address)) ?? null;
    if (held === null) return false;
    if (session.closed || !this.asked) {
      held.release();
      return true;
    }
    const { fourCcs, multitrack } = session.connectRequest!;
    const [, start, length] = command.args;
    const vod = new RtmpVod({
      held,
      connection: session.connection,
      // On the wire these are milliseconds; negative ones ask for what there is, from its beginning.
      startMs: typeof start === 'number' ? start : 0,
      lengthMs: typeof length === 'number' && length > 0 ? length : -1,
      chunkSize: services.chunkSize(),
      messageStreamId: this.id,
      fourCcs,
      multitrack,
      nowUs: () => services.nowUs(),
      after: (delayMs, run) => services.files!.after(delayMs, run),
      onFinished: (reason, isFault) => this.onFileEnd(reason, isFault),
      onFault: services.onFault,
    });
    this.playing = vod;
    this.beginPlaying(held.text);
    await vod.start();
    this.tellLeftOut();
    session.onPlaying();
    return true;
  }

  /** The player keeps the file: it may seek back. */
  private onFileEnd(reason: string, isFault: boolean): void {
    if (isFault) this.status('error', STATUS.playFailed, reason);
    this.status('status', STATUS.playStop, reason);
  }

  private beginPlaying(text: string): void {
    const { session } = this;
    this.setRole('player', text);
    session.log.info('rtmp.play-start', { stream: text, remote: session.remote, agent: session.userAgent });
  }

  private setRole(role: 'publisher' | 'player', text: string): void {
    this.session.role = role;
    this.session.streamText = text;
    this.session.services.onRole(this.session);
  }

  /** Logs, once there are tracks, which of them the player's codecs leave out. */
  tellLeftOut(): void {
    const reasons = this.playing?.newlyLeftOut() ?? NO_REASONS;
    for (const reason of reasons)
      this.session.log.info('rtmp.track-left-out', { stream: this.session.streamText, reason });
  }

  isActive(): boolean {
    return this.publishing !== null || this.playing?.isOver() === false;
  }

  /** Hot path. */
  receiveMedia(message: RtmpMessage, nowUs: number): void {
    this.publishing?.receive(message, nowUs);
  }

  pause(command: Command): void {
    this.playing?.pause(command.args[0] === true);
  }

  seek(command: Command): void {
    const [ms] = command.args;
    this.playing?.seek(typeof ms === 'number' && Number.isFinite(ms) ? ms : 0);
  }

  unpublish(name: string): void {
    if (this.publishing === null || (name !== '' && name !== this.name)) return;
    this.status('status', STATUS.unpublishSuccess, `${this.name} is now unpublished.`);
    this.close('the publisher ended the stream');
  }

  overdue(nowUs: number): string {
    return this.publishing?.overdue(nowUs) ?? '';
  }

  bytesSent(): number {
    return this.endedBytes + (this.playing?.bytesSent() ?? 0);
  }

  dropped(): number {
    return this.endedDropped + (this.playing?.dropped() ?? 0);
  }

  /** The lease was taken away. */
  private revoke(reason: string): void {
    this.status('error', STATUS.publishBadName, reason);
    this.session.close(reason);
  }

  private status(
    level: StatusLevel,
    code: string,
    description: string,
    extra: AmfObject | null = null,
  ): void {
    if (!this.session.closed)
      this.session.connection.sendCommand(this.id, onStatus(level, code, description, extra));
  }

  // Sink: what the pump calls.

  writable(): boolean {
    return this.session.connection.output.writable();
  }

  write(bytes: Uint8Array): void {
    this.session.connection.output.write(bytes);
  }

  end(reason: string): void {
    const { session } = this;
    if (session.closed) return;
    const isMissing = this.playing !== null && !this.playing.hasStarted();
    this.forgetPlayer();
    this.asked = false;
    if (isMissing) this.status('error', STATUS.playStreamNotFound, reason);
    else {
      this.status('status', STATUS.playUnpublishNotify, reason);
      session.connection.sendUserControl(USER_CONTROL_STREAM_EOF, this.id);
      this.status('status', STATUS.playStop, reason);
    }
    // Another message stream of this connection may still publish or play.
    if (!session.isActive()) session.close(reason);
  }

  /** Gives back lease or subscription. Idempotent; the stream may publish or play again afterwards. */
  close(reason: string): void {
    this.asked = false;
    const { publishing, playing } = this;
    this.publishing = null;
    this.forgetPlayer();
    publishing?.end(reason);
    playing?.close();
  }

  private forgetPlayer(): void {
    const { playing } = this;
    if (playing === null) return;
    this.endedBytes += playing.bytesSent();
    this.endedDropped += playing.dropped();
    this.playing = null;
  }
}

/** Pages and programs write names as URLs have them; they must mean the stream that HTTP shows. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
