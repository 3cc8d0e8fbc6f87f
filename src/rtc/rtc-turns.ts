/**
 * Work in turns of the event loop, so many milliseconds in each. In one turn Node reads 32 datagrams of a socket, however
 * many wait (libuv): a thread that sent a picture to hundreds of players at a time would answer no check and no handshake
 * for seconds, and read feedback from long ago.
 */

export const TURN_US = 2000;

export class RtcTurns {
  private readonly nowUs: () => number;
  private readonly work: (untilUs: number) => boolean;
  private readonly turnUs: number;
  private untilUs = 0;
  private isDone = true;
  private next: NodeJS.Immediate | null = null;

  /** `work` does a piece at least, stops when that time has come, and returns whether all is done. */
  constructor(nowUs: () => number, turnUs: number, work: (untilUs: number) => boolean) {
    this.nowUs = nowUs;
    this.turnUs = turnUs;
    this.work = work;
  }

  /** There is work: it is done as far as this turn has room, and then in the turns that follow. */
  wake(): void {
    if (this.next === null) {
      this.untilUs = this.nowUs() + this.turnUs;
      this.next = setImmediate(() => this.onNext());
    } else if (this.nowUs() >= this.untilUs) {
      this.isDone = false;
      return;
    }
    this.isDone = this.work(this.untilUs);
  }

  private onNext(): void {
    this.next = null;
    if (!this.isDone) this.wake();
  }

  /** What is left is not done any more. */
  close(): void {
    if (this.next !== null) clearImmediate(this.next);
    this.next = null;
    this.isDone = true;
  }
}
