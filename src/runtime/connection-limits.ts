/** How many connections there may be, in total and from one address; shared by all TCP listeners. */

export class ConnectionLimits {
  total: number;
  /** 0 = no limit. */
  perAddress: number;
  private readonly byAddress = new Map<string, number>();
  open = 0;
  refused = 0;

  constructor(total: number, perAddress: number) {
    this.total = total;
    this.perAddress = perAddress;
  }

  /** '' when the connection may stay, else why not. Call `leave` when it may and ends. */
  enter(address: string): string {
    const count = this.byAddress.get(address) ?? 0;
    if (this.open >= this.total) {
      this.refused++;
      return `The server has ${this.total} connections, its limit (limits connections in config.xml).`;
    }
    if (this.perAddress > 0 && count >= this.perAddress) {
      this.refused++;
      return `${address} has ${count} connections, the limit per address (limits per-address in config.xml).`;
    }
    this.open++;
    this.byAddress.set(address, count + 1);
    return '';
  }

  leave(address: string): void {
    const count = this.byAddress.get(address);
    if (count === undefined) return;
    this.open--;
    if (count === 1) this.byAddress.delete(address);
    else this.byAddress.set(address, count - 1);
  }
}
