/**
 * Our own faults. A fault that reaches the top of the process is logged with its stack and counted; the server goes
 * on, because other people's streams have nothing to do with it, but too many in a minute end it for the supervisor.
 */
import type { Logger } from '../util/log.ts';

const MAX_FAULTS_PER_MINUTE = 50;
const WINDOW_MS = 60_000;

export class CrashGuard {
  private readonly log: Logger;
  private readonly giveUp: () => void;
  private recent: number[] = [];
  faults = 0;

  constructor(log: Logger, giveUp: () => void) {
    this.log = log;
    this.giveUp = giveUp;
  }

  readonly report = (error: unknown): void => {
    this.faults++;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log.hub.count('error', '', 'server.fault', { stack });
    const now = Date.now();
    this.recent = this.recent.filter((at) => now - at < WINDOW_MS);
    this.recent.push(now);
    if (this.recent.length > MAX_FAULTS_PER_MINUTE) this.giveUp();
  };

  install(): void {
    process.on('uncaughtException', this.report);
    process.on('unhandledRejection', this.report);
  }

  uninstall(): void {
    process.off('uncaughtException', this.report);
    process.off('unhandledRejection', this.report);
  }
}
