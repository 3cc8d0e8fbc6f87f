/**
 * Requests of an RTSP client, one after the other (RFC 2326 section 12.17): CSeq, session, name and password (once per
 * challenge, by Digest before Basic), and the answers to them. Without sockets and timers; time is an argument.
 */
import { randomBytes } from 'node:crypto';
import { ProtocolError } from '../../util/errors.ts';
import {
  answerChallenge,
  type Challenge,
  type Credentials,
  parseChallenges,
  strongestChallenge,
} from '../../wire/rtsp/authentication.ts';
import { parseSession } from '../../wire/rtsp/rtsp-fields.ts';
import {
  RtspHeaders,
  type RtspRequest,
  type RtspResponse,
  reasonOf,
  rtspRequest,
  rtspResponse,
  serializeRtsp,
} from '../../wire/rtsp/rtsp-message.ts';

/** A second challenge comes after a stale nonce; more than that is a server that cannot make up its mind. */
const MAX_LOGINS = 2;
const MAX_WAITING_CALLS = 16;
const MAX_REASON_LENGTH = 200;

export interface RtspCallerOptions {
  readonly userAgent: string;
  /** '' as user: none. */
  readonly credentials: Credentials;
  readonly write: (bytes: Uint8Array) => void;
}

export interface RtspCall {
  readonly method: string;
  readonly uri: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Also a 401, once there is nothing more to say. Never an answer below 200. */
  readonly onAnswer: (response: RtspResponse) => void;
}

interface SentCall {
  readonly call: RtspCall;
  cseq: number;
  logins: number;
}

export class RtspCaller {
  /** Of the server; '' before it gave one. */
  sessionId = '';
  sessionTimeoutS = 60;
  private readonly options: RtspCallerOptions;
  private readonly waiting: RtspCall[] = [];
  private sent: SentCall | null = null;
  private sentUs = 0;
  private lastCseq = 0;
  /** Of the last call that was given up. */
  private skippedCseq = 0;
  private challenge: Challenge | null = null;
  private nonceCount = 0;
  private isClosed = false;

  constructor(options: RtspCallerOptions) {
    this.options = options;
  }

  /** Sends it as soon as the call before it is answered. */
  call(call: RtspCall, nowUs: number): void {
    if (this.isClosed) return;
    if (this.sent === null) this.send({ call, cseq: 0, logins: 0 }, nowUs);
    else if (this.waiting.length < MAX_WAITING_CALLS) this.waiting.push(call);
    else throw new ProtocolError('rtsp.no-answers', call.method);
  }

  /** Sends it at once whatever is unanswered, and nothing after it. */
  callLast(method: string, uri: string): void {
    if (this.isClosed) return;
    this.waiting.length = 0;
    this.send({ call: { method, uri, onAnswer: () => undefined }, cseq: 0, logins: 0 }, 0);
    this.close();
  }

  private send(sent: SentCall, nowUs: number): void {
    const { call } = sent;
    sent.cseq = ++this.lastCseq;
    const headers = RtspHeaders.of({ CSeq: String(sent.cseq), 'User-Agent': this.options.userAgent });
    for (const [name, value] of Object.entries(call.fields ?? {})) headers.add(name, value);
    if (this.sessionId !== '') headers.add('Session', this.sessionId);
    const { challenge } = this;
    if (challenge !== null) {
      const request = {
        method: call.method,
        uri: call.uri,
        cnonce: randomBytes(8).toString('hex'),
        count: ++this.nonceCount,
      };
      headers.add('Authorization', answerChallenge(challenge, this.options.credentials, request));
    }
    this.sent = sent;
    this.sentUs = nowUs;
    this.options.write(serializeRtsp(rtspRequest(call.method, call.uri, headers, call.body)));
  }

  /** Method of a call that has been unanswered for so long; '' = none. */
  lateCall(nowUs: number, limitUs: number): string {
    return this.sent !== null && nowUs - this.sentUs > limitUs ? this.sent.call.method : '';
  }

  /** Gives up the call that is unanswered and goes on with the next. */
  skip(nowUs: number): void {
    this.skippedCseq = this.lastCseq;
    this.sent = null;
    this.next(nowUs);
  }

  /** An answer of the server. */
  receive(response: RtspResponse, nowUs: number): void {
    const { sent } = this;
    if (sent === null || this.isClosed || response.status < 200) return;
    // Some cameras send no CSeq, always the same or one of their own, and there is only one call at a time; but an
    // answer to a call that was given up may still come.
    const cseq = response.headers.get('CSeq');
    if (/^\d{1,9}$/.test(cseq) && Number(cseq) > 0 && Number(cseq) <= this.skippedCseq) return;
    const session = parseSession(response.headers.get('Session'));
    if (session !== null) {
      this.sessionId = session.id;
      this.sessionTimeoutS = session.timeoutS;
    }
    if (response.status === 401 && this.logIn(response, sent)) {
      this.send(sent, nowUs);
      return;
    }
    this.sent = null;
    sent.call.onAnswer(response);
    if (this.sent === null) this.next(nowUs);
  }

  private next(nowUs: number): void {
    const call = this.waiting.shift();
    if (call !== undefined && !this.isClosed) this.send({ call, cseq: 0, logins: 0 }, nowUs);
  }

  /** False when there is no answer to the challenge, or the one that we gave was wrong. */
  private logIn(response: RtspResponse, sent: SentCall): boolean {
    const challenge = strongestChallenge(parseChallenges(response.headers.all('WWW-Authenticate')));
    if (challenge === null || this.options.credentials.user === '' || sent.logins === MAX_LOGINS)
      return false;
    const known = this.challenge;
    const isRefused =
      sent.logins > 0 && (challenge.scheme === 'basic' || known?.scheme === 'basic' || !challenge.isStale);
    if (isRefused) return false;
    sent.logins++;
    this.challenge = challenge;
    this.nonceCount = 0;
    return true;
  }

  /** Answers a request of the server. */
  answer(request: RtspRequest, status: number): void {
    if (this.isClosed) return;
    const headers = RtspHeaders.of({ CSeq: request.headers.get('CSeq') || '0' });
    if (this.sessionId !== '') headers.add('Session', this.sessionId);
    this.options.write(serializeRtsp(rtspResponse(status, headers)));
  }

  /** Nothing more is sent or told. */
  close(): void {
    this.isClosed = true;
    this.sent = null;
    this.waiting.length = 0;
  }

  /** What a person should know of an answer that is no success; continues a sentence that names the server. */
  describe(method: string, response: RtspResponse): string {
    const { status } = response;
    if (status === 401)
      return this.options.credentials.user === ''
        ? 'asks for a name and a password'
        : 'does not take this name and password';
    const reason = response.reason
      .replace(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, MAX_REASON_LENGTH);
    const shown = `${status} ${reason === '' ? reasonOf(status) : reason}`;
    return status === 404 ? `has no such stream (${shown})` : `answers ${method} with ${shown}`;
  }
}
