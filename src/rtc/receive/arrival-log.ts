/** Arrival of the packets of a connection by their transport-wide numbers, for feedback of congestion control. */
import { MODULUS_16, serialDifference } from '../../util/serial-number.ts';
import { serializeTransportFeedback } from '../../wire/rtp/transport-feedback.ts';

/** More packets than this between two feedbacks are told in several. */
const MAX_PER_FEEDBACK = 512;
const MAX_GAP = 1000;

export class ArrivalLog {
  private next = -1;
  private arrivals: number[] = [];
  private feedbackCount = 0;

  onPacket(number: number, nowUs: number): void {
    if (this.next < 0) this.next = number;
    const ahead = serialDifference(number, this.next, MODULUS_16);
    if (ahead > MAX_GAP || ahead < -MAX_GAP) {
      this.arrivals = [];
      this.next = number;
    } else if (ahead < 0) {
      // It was told as missing already.
      return;
    }
    const at = serialDifference(number, this.next, MODULUS_16);
    while (this.arrivals.length < at) this.arrivals.push(Number.NaN);
    this.arrivals[at] = nowUs;
  }

  /** Feedback for what came since the last one. */
  take(ssrc: number, mediaSsrc: number): Buffer[] {
    const made: Buffer[] = [];
    while (this.arrivals.length > 0) {
      // The first that is told of must have come.
      let skip = 0;
      while (Number.isNaN(this.arrivals[skip])) skip++;
      this.arrivals.splice(0, skip);
      this.next = (this.next + skip) & 0xffff;
      const part = this.arrivals.splice(0, MAX_PER_FEEDBACK);
      const packet = serializeTransportFeedback(ssrc, mediaSsrc, this.next, part, this.feedbackCount);
      this.next = (this.next + part.length) & 0xffff;
      this.feedbackCount = (this.feedbackCount + 1) & 0xff;
      if (packet !== null) made.push(packet);
    }
    return made;
  }
}
