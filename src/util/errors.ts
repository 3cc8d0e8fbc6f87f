/**
 * The four kinds of error of the product. Which one is thrown decides who is told and how:
 * a peer's fault is one counted log line, an operator's fault names file and line, our own fault has a stack.
 */

/** The peer broke the rules of its protocol. Ends that session; one log line, never a stack trace. */
export class ProtocolError extends Error {
  /** Stable name `<protocol>.<what>` such as `rtmp.message-too-big`; used as counter label. */
  readonly code: string;

  constructor(code: string, detail: string | number = '') {
    super(detail === '' ? code : `${code}: ${detail}`);
    this.name = 'ProtocolError';
    this.code = code;
  }
}

/** Why we refuse; every protocol maps it to its own refusal (RTMP status, HTTP code, ...). */
export type RejectReason =
  | 'busy'
  | 'denied'
  | 'not-found'
  | 'limit'
  | 'bad-request'
  | 'unsupported'
  | 'shutting-down'
  | 'loop';

/** We refuse what the peer asks for. `message` is a sentence for a person and may be sent to the peer. */
export class RejectedError extends Error {
  readonly reason: RejectReason;

  constructor(reason: RejectReason, message: string) {
    super(message);
    this.name = 'RejectedError';
    this.reason = reason;
  }
}

/** The operator erred. `where` is `file:line:column` when it is known. */
export class ConfigError extends Error {
  readonly where: string;

  constructor(where: string, message: string) {
    super(where === '' ? message : `${where}: ${message}`);
    this.name = 'ConfigError';
    this.where = where;
  }
}

/** We erred. Logged with its stack, counted, fails tests. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}
