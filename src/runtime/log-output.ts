/** Where log lines go: console, and by configuration one file a day that is rotated by size (text or JSON). */
import { mkdirSync } from 'node:fs';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';
import { formatLogLine, formatLogLineAsJson, type LogLine, type LogOutput } from '../util/log.ts';

export interface LogOutputOptions {
  readonly console: boolean;
  /** '' = no file. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly keepFiles: number;
  readonly json: boolean;
}

/** What may wait for a slow disk; more is dropped and counted, the media path never waits for a log. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

export class LogWriter {
  private readonly options: LogOutputOptions;
  private file: RotatingFileStream | null = null;
  /** Lines that a full or slow disk cost. */
  droppedLines = 0;
  private fileBroken = false;

  constructor(options: LogOutputOptions) {
    this.options = options;
    if (options.folder !== '') this.openFile();
  }

  readonly output: LogOutput = (line) => this.write(line);

  private write(line: LogLine): void {
    const text = this.options.json ? formatLogLineAsJson(line) : formatLogLine(line);
    if (this.options.console) (line.level === 'error' ? process.stderr : process.stdout).write(`${text}\n`);
    if (this.file === null || this.fileBroken) return;
    if (this.file.writableLength > MAX_BACKLOG_BYTES) this.droppedLines++;
    else this.file.write(`${text}\n`);
  }

  private openFile(): void {
    try {
      mkdirSync(this.options.folder, { recursive: true });
    } catch (error) {
      this.onFileError(error as Error);
      return;
    }
    const file = createStream((time, index) => fileName(time, index), {
      path: this.options.folder,
      interval: '1d',
      size: `${Math.max(1, Math.round(this.options.maxBytes / 1024))}K`,
      maxFiles: this.options.keepFiles,
    });
    file.on('error', (error) => this.onFileError(error));
    file.on('warning', () => undefined);
    this.file = file;
  }

  private onFileError(error: Error): void {
    if (this.fileBroken) return;
    this.fileBroken = true;
    process.stderr.write(
      `The log file in ${this.options.folder} cannot be written (${error.message}); only the console is used.\n`,
    );
  }

  /** Resolves when what was written is on its way to the disk. */
  close(): Promise<void> {
    const { file } = this;
    this.file = null;
    return file === null || this.fileBroken ? Promise.resolve() : new Promise((resolve) => file.end(resolve));
  }
}

function fileName(time: number | Date | null, index?: number): string {
  const date = time instanceof Date ? time : new Date(time ?? Date.now());
  const day = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
    .toISOString()
    .slice(0, 10)
    .replaceAll('-', '');
  return index === undefined || time === null ? `${day}.log` : `${day}.${index}.log`;
}
