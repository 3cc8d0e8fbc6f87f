/**
 * Who may publish and play what. Every protocol asks here before it touches the hub, so that the rules (allowed
 * applications now; users, tokens, hooks later) hold for all of them. Asynchronous by contract.
 */
import { makeStreamKey, type StreamKey } from '../media/stream-key.ts';
import { RejectedError } from '../util/errors.ts';

export interface AccessRequest {
  readonly action: 'publish' | 'play';
  readonly protocol: string;
  readonly host: string;
  readonly app: string;
  readonly stream: string;
  /** Query without `?`, kept whole for authentication. */
  readonly query: string;
  readonly remote: string;
  readonly sessionId: string;
}

/** The part of the policy that admission needs. */
export interface AccessPolicy {
  isAppAllowed(host: string, app: string): boolean;
  /** What to write where to allow it. */
  allowHint(app: string): string;
}

export class Admission {
  policy: AccessPolicy;

  constructor(policy: AccessPolicy) {
    this.policy = policy;
  }

  /** The stream's key, or RejectedError with a sentence for the peer. */
  async check(request: AccessRequest): Promise<StreamKey> {
    const key = makeStreamKey(request.app, request.stream);
    this.checkApp(request.host, key.app);
    return key;
  }

  /** Throws RejectedError when nobody may use this application. `live/room` is allowed where `live` is. */
  checkApp(host: string, app: string): void {
    const first = app.split('/')[0]!;
    if (this.policy.isAppAllowed(host, app) || this.policy.isAppAllowed(host, first)) return;
    throw new RejectedError(
      'denied',
      `The application "${app}" is not allowed: ${this.policy.allowHint(app)}.`,
    );
  }
}
