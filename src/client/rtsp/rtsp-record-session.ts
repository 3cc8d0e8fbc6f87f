/**
 * Publishing to an RTSP server (RFC 2326 sections 10.3 and 10.11): OPTIONS, ANNOUNCE, SETUP of every track over TCP,
 * RECORD; then interleaved packets, which the owner writes. Without sockets and timers.
 * Leaves out: UDP, redirects (a publisher that is sent elsewhere should know it), changes of tracks (announce anew).
 */
import { KEY_FIELD, keyField } from '../../wire/rtsp/key-management.ts';
import { parseMethods, VIA_FIELD } from '../../wire/rtsp/rtsp-fields.ts';
import type { RtspRequest, RtspResponse } from '../../wire/rtsp/rtsp-message.ts';
import { RtspReader, type RtspReaderOutput } from '../../wire/rtsp/rtsp-reader.ts';
import { formatRtspUrl, type RtspUrl, resolveControl } from '../../wire/rtsp/rtsp-url.ts';
import { parseTransport, serializeTransport, TRANSPORT } from '../../wire/rtsp/transport-header.ts';
import { controlOf } from '../../wire/sdp/media-format.ts';
import { type SessionDescription, serializeSdp } from '../../wire/sdp/session-description.ts';
import { RtspCaller } from './rtsp-caller.ts';
import { RtspKeepAlive } from './rtsp-keep-alive.ts';

export interface RtspRecordOptions {
  readonly url: RtspUrl;
  readonly userAgent: string;
  /** Its media in the order of their channels: 2 x position. */
  readonly description: SessionDescription;
  /** Ids of the Sluice servers that the stream came through, ourselves last. */
  readonly via: readonly string[];
  /** Base64 of what tells the keys of each media; null = they are no SRTP. */
  readonly keys: readonly string[] | null;
}

export interface RtspRecordHost {
  write(bytes: Uint8Array): void;
  /**
   * Media may be written. `channels`: what to write instead of each channel that is not the server's; null = all are
   * as they were asked for.
   */
  onRecording(channels: Uint8Array | null): void;
  /** Continues a sentence that names the server. Called once, and nothing after it. */
  onEnd(predicate: string): void;
}

export class RtspRecordSession implements RtspReaderOutput {
  private readonly options: RtspRecordOptions;
  private readonly host: RtspRecordHost;
  private readonly caller: RtspCaller;
  private readonly reader: RtspReader;
  private readonly target: string;
  private readonly channels = new Uint8Array(256).map((_, channel) => channel);
  private hasOtherChannels = false;
  private methods: ReadonlySet<string> = new Set();
  private keepAlive: RtspKeepAlive | null = null;
  private hasSession = false;
  private isEnded = false;
  private nowUs = 0;

  constructor(options: RtspRecordOptions, host: RtspRecordHost) {
    this.options = options;
    this.host = host;
    const { user, password } = options.url;
    this.target = formatRtspUrl(options.url);
    this.caller = new RtspCaller({
      userAgent: options.userAgent,
      credentials: { user, password },
      write: (bytes) => host.write(bytes),
    });
    this.reader = new RtspReader(this);
  }

  start(nowUs: number): void {
    this.nowUs = nowUs;
    this.call('OPTIONS', this.target, {}, (response) => {
      if (response.status === 401) {
        this.refused('OPTIONS', response);
        return;
      }
      this.methods = parseMethods(response.headers.get('Public'));
      if (this.methods.size > 0 && !this.methods.has('ANNOUNCE'))
        this.end('takes no streams (it does not know ANNOUNCE)');
      else this.announce();
    });
  }

  /** Bytes of the connection. Throws ProtocolError. */
  receive(bytes: Uint8Array, nowUs: number): void {
    this.nowUs = nowUs;
    if (!this.isEnded) this.reader.receive(bytes);
  }

  response(response: RtspResponse): void {
    this.caller.receive(response, this.nowUs);
  }

  request(request: RtspRequest): void {
    const { method } = request;
    const isKnown = method === 'OPTIONS' || method === 'GET_PARAMETER' || method === 'SET_PARAMETER';
    this.caller.answer(request, isKnown || method === 'TEARDOWN' ? 200 : 501);
    if (method === 'TEARDOWN') this.end('ended the session');
  }

  /** Receiver reports of the server: nothing here depends on them. */
  interleaved(): void {
    // TCP tells by itself when the server does not keep up.
  }

  private call(
    method: string,
    uri: string,
    fields: Readonly<Record<string, string>>,
    onAnswer: (response: RtspResponse) => void,
    body?: Uint8Array,
  ): void {
    const answered = (response: RtspResponse) => {
      if (!this.isEnded) onAnswer(response);
    };
    const common = { method, uri, fields, onAnswer: answered };
    this.caller.call(body === undefined ? common : { ...common, body }, this.nowUs);
  }

  private announce(): void {
    const body = Buffer.from(serializeSdp(this.options.description));
    const { via } = this.options;
    const fields = { 'Content-Type': 'application/sdp', [VIA_FIELD]: via.join(',') };
    const onAnswer = (response: RtspResponse) => {
      if (response.status !== 200) this.refused('ANNOUNCE', response);
      else this.setUp(0);
    };
    this.call('ANNOUNCE', this.target, fields, onAnswer, body);
  }

  private setUp(position: number): void {
    const media = this.options.description.media[position];
    if (media === undefined) {
      this.record();
      return;
    }
    const channel = position * 2;
    const keys = this.options.keys?.[position];
    const transport = {
      ...TRANSPORT,
      profile: media.protocol,
      lower: 'tcp',
      interleaved: [channel, channel + 1],
      mode: 'record',
    } as const;
    const url = resolveControl(this.target, controlOf(media));
    const fields = {
      Transport: serializeTransport([transport]),
      ...(keys === undefined ? {} : { [KEY_FIELD]: keyField(url, keys) }),
    };
    this.call('SETUP', url, fields, (response) => {
      if (response.status !== 200) {
        this.refused('SETUP', response);
        return;
      }
      this.hasSession = true;
      const [told] = parseTransport(response.headers.all('Transport').join(','));
      if (told !== undefined && told.lower !== 'tcp' && told.interleaved === null) {
        this.end('takes streams over UDP alone');
        return;
      }
      this.takeChannels(channel, told?.interleaved ?? [channel, channel + 1]);
      this.setUp(position + 1);
    });
  }

  private takeChannels(channel: number, [first, second]: readonly [number, number]): void {
    this.channels[channel] = first;
    this.channels[channel + 1] = second;
    if (first !== channel || second !== channel + 1) this.hasOtherChannels = true;
  }

  private record(): void {
    this.call('RECORD', this.target, { Range: 'npt=0.000-' }, (response) => {
      if (response.status !== 200) {
        this.refused('RECORD', response);
        return;
      }
      this.keepAlive = new RtspKeepAlive(this.caller, this.target, this.methods, this.nowUs, () =>
        this.end('has forgotten the session (454)'),
      );
      this.host.onRecording(this.hasOtherChannels ? this.channels : null);
    });
  }

  /** A few times per second, or less often. */
  tick(nowUs: number): void {
    this.nowUs = nowUs;
    if (!this.isEnded) this.keepAlive?.tick(nowUs);
  }

  private refused(method: string, response: RtspResponse): void {
    const { status } = response;
    if (status >= 300 && status < 400)
      this.end(`takes the stream elsewhere (${status}), which is not followed`);
    else this.end(this.caller.describe(method, response));
  }

  private end(predicate: string): void {
    if (this.isEnded) return;
    this.close();
    this.host.onEnd(predicate);
  }

  /** Ends the session at the server too; nothing is told any more. May be called twice. */
  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.reader.stop();
    if (this.hasSession && this.caller.sessionId !== '') this.caller.callLast('TEARDOWN', this.target);
    this.caller.close();
  }
}
