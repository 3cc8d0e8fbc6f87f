/** What sender and receiver of a connection count. See statistics.ts for their meaning. */

export class SrtCounters {
  pktSent = 0;
  pktSentUnique = 0;
  pktRecv = 0;
  pktSndLoss = 0;
  pktRcvLoss = 0;
  pktRetrans = 0;
  pktRcvRetrans = 0;
  pktSentACK = 0;
  pktRecvACK = 0;
  pktSentNAK = 0;
  pktRecvNAK = 0;
  pktSndDrop = 0;
  pktRcvDrop = 0;
  pktRcvBelated = 0;
  pktRcvUndecrypt = 0;
  byteSent = 0;
  byteSentUnique = 0;
  byteRecv = 0;
  byteRetrans = 0;
  byteSndDrop = 0;
  byteRcvUndecrypt = 0;
  pktReorderDistance = 0;
}
