/** A sink that keeps what it gets; `open` says whether it takes more. */
import type { Sink } from '../../src/media/sink.ts';

export class MemorySink implements Sink {
  readonly views: Uint8Array[] = [];
  open = true;
  endReason: string | null = null;

  writable(): boolean {
    return this.open;
  }

  write(bytes: Uint8Array): void {
    this.views.push(bytes);
  }

  end(reason: string): void {
    this.endReason = reason;
  }

  get text(): string {
    return Buffer.concat(this.views).toString('latin1');
  }

  take(): string {
    const { text } = this;
    this.views.length = 0;
    return text;
  }
}
