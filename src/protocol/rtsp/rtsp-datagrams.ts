/**
 * What sessions need of UDP (RFC 2326 section 12.39, RFC 3550 section 11): a pair of ports per track, RTP on the even
 * one and RTCP on the next. The sockets are in rtsp-udp.ts; tests give their own.
 */

/** The peer's side of a pair. */
export interface DatagramPeer {
  /** Address of the peer, which is that of its RTSP connection: nobody can have a third party flooded. */
  readonly address: string;
  /** Address of ours that the peer reached. */
  readonly localAddress: string;
  /** As the peer announced them; a router between may have changed them, then its first datagram tells. */
  readonly rtpPort: number;
  readonly rtcpPort: number;
  /** It publishes: much arrives. */
  readonly sends: boolean;
  /** Bytes are valid during the call only. */
  readonly onDatagram: (bytes: Uint8Array, isRtcp: boolean) => void;
}

/** Two ports that belong to one track. */
export interface DatagramPair {
  /** Of RTP; RTCP has the next. */
  readonly port: number;
  /** Datagrams of others that came to these ports. */
  readonly strangers: number;
  sendRtp(bytes: Uint8Array): void;
  sendRtcp(bytes: Uint8Array): void;
  /** False while the system has not taken what was given before. */
  writable(): boolean;
  close(): void;
}

export interface MulticastGroup {
  readonly address: string;
  readonly ttl: number;
  /** Of ours; '' = as the system routes. */
  readonly interface: string;
}

export interface DatagramPorts {
  /** Rejects with RejectedError('limit') when no pair is free. */
  open(peer: DatagramPeer): Promise<DatagramPair>;
  /** A pair that sends to the ports of the same numbers of a group. */
  openGroup(group: MulticastGroup): Promise<DatagramPair>;
}
