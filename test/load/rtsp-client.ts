/**
 * The opening of an RTSP session as a player does it (RFC 2326: DESCRIBE, SETUP of every track, PLAY), inside the
 * connection or over UDP, and the packets that come inside it. Independent of the server's own RTSP. Throws when the
 * server refuses.
 */
import type { Socket } from 'node:net';
import type { ByteSink } from './flv-wire.ts';
import { MESSAGE_AUDIO, MESSAGE_VIDEO, type MessageHandler } from './rtmp-wire.ts';

const INTERLEAVED_MARK = 0x24;
const MAX_HEAD_BYTES = 16 * 1024;
const RTP_HEADER_BYTES = 12;
/** Kept of a picture: the clock is in its first packet. */
const KEPT_BYTES = 256;
/** What an FLV tag has in front of a coded picture; handlers look at the second byte. */
const PICTURE_HEAD = Buffer.of(0x17, 1, 0, 0, 0);
const MARKER = 0x80;

export interface RtspTarget {
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly stream: string;
}

/** Ports of a track at the player; undefined = inside the connection. */
export type PortsOf = ((track: number) => readonly [rtp: number, rtcp: number]) | undefined;

export class RtspClient implements ByteSink {
  playing = false;
  /** By track: the server's UDP port of RTP. */
  readonly serverPorts: number[] = [];
  private readonly socket: Socket;
  private readonly url: string;
  private readonly portsOf: PortsOf;
  private readonly onMedia: MessageHandler;
  private pending: Buffer = Buffer.alloc(0);
  private cseq = 0;
  private session = '';
  private controls: string[] = [];
  private videoTrack = 0;
  private readonly picture = Buffer.allocUnsafe(KEPT_BYTES);
  private pictureBytes = 0;

  /** Call when the connection is up. `onMedia` gets pictures as if they were FLV, their beginning only. */
  constructor(socket: Socket, target: RtspTarget, portsOf: PortsOf, onMedia: MessageHandler) {
    this.socket = socket;
    this.portsOf = portsOf;
    this.onMedia = onMedia;
    this.url = `rtsp://${target.host}:${target.port}/${target.app}/${target.stream}`;
    this.ask('DESCRIBE', this.url, 'Accept: application/sdp');
  }

  private ask(method: string, url: string, field = ''): void {
    this.cseq += 1;
    const session = this.session === '' ? '' : `Session: ${this.session}\r\n`;
    const more = field === '' ? '' : `${field}\r\n`;
    this.socket.write(`${method} ${url} RTSP/1.0\r\nCSeq: ${this.cseq}\r\n${session}${more}\r\n`);
  }

  feed(bytes: Buffer, from: number, to: number): void {
    const fresh = bytes.subarray(from, to);
    let data = this.pending.length === 0 ? fresh : Buffer.concat([this.pending, fresh]);
    for (;;) {
      const used = data[0] === INTERLEAVED_MARK ? this.packet(data) : this.response(data);
      if (used === 0) break;
      data = data.subarray(used);
    }
    this.pending = data.length === 0 ? data : Buffer.from(data);
  }

  /** Bytes of the packet at the beginning; 0 = it is not complete. */
  private packet(data: Buffer): number {
    if (data.length < 4) return 0;
    const end = 4 + data.readUInt16BE(2);
    if (data.length < end) return 0;
    const channel = data[1]!;
    if (channel % 2 === 0 && end > 4 + RTP_HEADER_BYTES) this.rtp(channel / 2, data.subarray(4, end));
    return end;
  }

  private rtp(track: number, packet: Buffer): void {
    if (track !== this.videoTrack) {
      this.onMedia(MESSAGE_AUDIO, packet.length, packet);
      return;
    }
    const { picture } = this;
    if (this.pictureBytes === 0) this.pictureBytes = PICTURE_HEAD.copy(picture);
    this.pictureBytes += packet.copy(picture, this.pictureBytes, RTP_HEADER_BYTES);
    if ((packet[1]! & MARKER) === 0) return;
    this.onMedia(MESSAGE_VIDEO, this.pictureBytes, picture.subarray(0, this.pictureBytes));
    this.pictureBytes = 0;
  }

  private response(data: Buffer): number {
    const headEnd = data.indexOf('\r\n\r\n');
    if (headEnd < 0) {
      if (data.length > MAX_HEAD_BYTES) throw new Error('the answer is too long');
      return 0;
    }
    const head = data.toString('latin1', 0, headEnd);
    const end = headEnd + 4 + Number(/\r\nContent-Length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (data.length < end) return 0;
    const status = head.slice(9, 12);
    if (status !== '200') throw new Error(`RTSP status ${head.split('\r\n')[0]!.slice(9)}`);
    this.session ||= /\r\nSession: *([^;\r\n]+)/i.exec(head)?.[1] ?? '';
    const serverPort = /server_port=(\d+)/.exec(head)?.[1];
    if (serverPort !== undefined) this.serverPorts.push(Number(serverPort));
    this.next(data.toString('latin1', headEnd + 4, end));
    return end;
  }

  private next(body: string): void {
    if (this.cseq === 1) {
      const media = body.split(/^m=/m).slice(1);
      this.videoTrack = media.findIndex((text) => text.startsWith('video'));
      this.controls = media.map((text) => /^a=control:(.*)$/m.exec(text)?.[1]?.trim() ?? '');
    }
    const track = this.cseq - 1;
    const control = this.controls[track];
    if (control !== undefined) {
      const ports = this.portsOf?.(track);
      const way =
        ports === undefined
          ? `RTP/AVP/TCP;unicast;interleaved=${2 * track}-${2 * track + 1}`
          : `RTP/AVP;unicast;client_port=${ports[0]}-${ports[1]}`;
      this.ask('SETUP', control.includes('://') ? control : `${this.url}/${control}`, `Transport: ${way}`);
    } else if (track === this.controls.length) this.ask('PLAY', `${this.url}/`, 'Range: npt=0.000-');
    else this.playing = true;
  }
}
