/**
 * The numbers of a connection under the names of libsrt (its document "SRT Statistics") and counted as it counts:
 * packets include what is repeated, bytes the headers down to IPv4. Counters run since the connection began, which
 * are libsrt's as long as nobody clears them. What waits in a buffer is told without headers.
 */

export interface SrtStatistics {
  msTimeStamp: number;
  pktSent: number;
  /** Without those that were sent again. */
  pktSentUnique: number;
  pktRecv: number;
  /** Packets that the peer reported lost. */
  pktSndLoss: number;
  /** Packets that were missing when a later one came. */
  pktRcvLoss: number;
  pktRetrans: number;
  pktRcvRetrans: number;
  pktSentACK: number;
  pktRecvACK: number;
  pktSentNAK: number;
  pktRecvNAK: number;
  /** Given up before they were acknowledged. */
  pktSndDrop: number;
  /** Never came in time. */
  pktRcvDrop: number;
  /** Came after their time or twice. */
  pktRcvBelated: number;
  pktRcvUndecrypt: number;
  byteSent: number;
  byteSentUnique: number;
  byteRecv: number;
  byteRetrans: number;
  byteSndDrop: number;
  /** As if those that never came had the size of those that did. */
  byteRcvDrop: number;
  byteRcvUndecrypt: number;
  usPktSndPeriod: number;
  pktFlowWindow: number;
  pktFlightSize: number;
  msRTT: number;
  /** Of the path, measured by packet pairs: ours when we receive, the peer's report when we send. */
  mbpsBandwidth: number;
  /** Of the last whole second. */
  mbpsSendRate: number;
  mbpsRecvRate: number;
  mbpsMaxBW: number;
  byteMSS: number;
  pktSndBuf: number;
  byteSndBuf: number;
  msSndBuf: number;
  msSndTsbPdDelay: number;
  byteAvailSndBuf: number;
  pktRcvBuf: number;
  byteRcvBuf: number;
  msRcvBuf: number;
  msRcvTsbPdDelay: number;
  byteAvailRcvBuf: number;
  pktReorderDistance: number;
}
