/**
 * Signs of life of an RTSP client (RFC 2326 section 12.37): a request every half of the session's time, GET_PARAMETER
 * where the server knows it, else OPTIONS. One that stays unanswered is given up: some cameras never answer while they
 * play.
 */
import type { RtspCaller } from './rtsp-caller.ts';

const MAX_INTERVAL_US = 30_000_000;
const MIN_INTERVAL_US = 2_000_000;
const ANSWER_US = 10_000_000;

export class RtspKeepAlive {
  private readonly caller: RtspCaller;
  private readonly uri: string;
  private readonly onForgotten: () => void;
  private mayAskParameters: boolean;
  private lastUs: number;

  /** `methods`: what the server says it knows. `onForgotten`: it does not know the session any more. */
  constructor(
    caller: RtspCaller,
    uri: string,
    methods: ReadonlySet<string>,
    nowUs: number,
    onForgotten: () => void,
  ) {
    this.caller = caller;
    this.uri = uri;
    this.onForgotten = onForgotten;
    this.mayAskParameters = methods.has('GET_PARAMETER');
    this.lastUs = nowUs;
  }

  /** Also gives up other requests that stay unanswered. */
  tick(nowUs: number): void {
    const { caller } = this;
    if (caller.lateCall(nowUs, ANSWER_US) !== '') caller.skip(nowUs);
    const halfUs = caller.sessionTimeoutS * 500_000;
    if (nowUs - this.lastUs < Math.max(MIN_INTERVAL_US, Math.min(MAX_INTERVAL_US, halfUs))) return;
    this.lastUs = nowUs;
    const method = this.mayAskParameters ? 'GET_PARAMETER' : 'OPTIONS';
    const onAnswer = ({ status }: { readonly status: number }) => {
      if (status === 454) this.onForgotten();
      // Some say that they know it and then do not.
      else if (status >= 400) this.mayAskParameters = false;
    };
    caller.call({ method, uri: this.uri, onAnswer }, nowUs);
  }
}
