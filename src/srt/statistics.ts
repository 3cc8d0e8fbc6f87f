/** The numbers of a connection under the names of libsrt (API-statistics); counters run since the connection began. */

export interface SrtStatistics {
  msTimeStamp: number;
  pktSent: number;
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
  byteRecv: number;
  byteRetrans: number;
  byteSndDrop: number;
  byteRcvDrop: number;
  byteRcvUndecrypt: number;
  usPktSndPeriod: number;
  pktFlowWindow: number;
  pktFlightSize: number;
  msRTT: number;
  /** Of the path, measured by packet pairs: ours when we receive, the peer's report when we send. */
  mbpsLinkCapacity: number;
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
