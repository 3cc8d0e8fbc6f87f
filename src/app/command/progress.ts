/** One line that is written over again and again, where a terminal shows it; elsewhere nothing. */

const PERIOD_MS = 500;

export class ProgressLine {
  private readonly describe: () => string;
  private readonly timer: NodeJS.Timeout | null;

  constructor(describe: () => string) {
    this.describe = describe;
    this.timer = process.stderr.isTTY ? setInterval(() => this.show(), PERIOD_MS) : null;
  }

  private show(): void {
    const width = (process.stderr.columns || 80) - 1;
    process.stderr.write(`\r\u001b[K${this.describe().slice(0, width)}`);
  }

  /** Removes the line. May be called twice. */
  end(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    process.stderr.write('\r\u001b[K');
  }
}

/** `83.4` seconds -> `00:01:23`. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** Bits per second for people. */
export function rateText(bitsPerSecond: number): string {
  if (!Number.isFinite(bitsPerSecond)) return '-';
  if (bitsPerSecond >= 1e6) return `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
  return `${(bitsPerSecond / 1e3).toFixed(bitsPerSecond >= 1e5 ? 0 : 1)} kbit/s`;
}

export function sizeText(bytes: number): string {
  if (bytes >= 1024 ** 3) return `${(bytes / 1024 ** 3).toFixed(2)} GiB`;
  if (bytes >= 1024 ** 2) return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  return bytes >= 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${bytes} bytes`;
}
