/** Where a subscription's bytes go: a socket, a WebSocket, a test's array. Implemented in runtime and in tests. */

export interface Sink {
  /** False while more is waiting to be sent than the sink wants to hold. Asked before every write. */
  writable(): boolean;
  /** Ready bytes, shared with other players: never written to. Usually one view per flush. */
  write(bytes: Uint8Array): void;
  /** Nothing more will come; called exactly once. The reason is a sentence for a person. */
  end(reason: string): void;
}
