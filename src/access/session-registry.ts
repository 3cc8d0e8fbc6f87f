/** Every live session of every protocol: the API, limits, kick and graceful shutdown read only this. */

export type SessionRole = 'publisher' | 'player' | 'relay' | 'control';

/** What only some kinds of session count or know; names and values as the API writes them. */
export type SessionDetails = Readonly<Record<string, string | number | readonly string[]>>;

/** What a session shows of itself. Counters are read when somebody asks. */
export interface LiveSession {
  readonly id: string;
  /** `rtmp`, `rtmps`, `http-flv`, `ws-flv`, `hls`, ... */
  readonly protocol: string;
  role: SessionRole;
  /** `address:port` of the peer. */
  readonly remote: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** `app/name` once it is known, else ''. */
  streamText: string;
  url: string;
  tcUrl: string;
  pageUrl: string;
  userAgent: string;
  bytesIn(): number;
  bytesOut(): number;
  /** Frames (chunks) that a slow player lost. */
  dropped(): number;
  details?(): SessionDetails;
  /** Ends it; the reason is a sentence for the peer and the log. */
  kick(reason: string): void;
}

export class SessionRegistry {
  private readonly sessions = new Map<string, LiveSession>();
  /** Sessions since start and bytes of those that ended. */
  total = 0;
  endedBytesIn = 0;
  endedBytesOut = 0;

  add(session: LiveSession): void {
    this.sessions.set(session.id, session);
    this.total++;
  }

  /** Idempotent. */
  remove(session: LiveSession): void {
    if (!this.sessions.delete(session.id)) return;
    this.endedBytesIn += session.bytesIn();
    this.endedBytesOut += session.bytesOut();
  }

  get(id: string): LiveSession | undefined {
    return this.sessions.get(id);
  }

  all(): LiveSession[] {
    return [...this.sessions.values()];
  }

  get size(): number {
    return this.sessions.size;
  }
}
