/** What the sub-commands share: exit codes, faults that end them, options, and the end by Ctrl+C. */
import minimist from 'minimist';

export const EXIT_OK = 0;
export const EXIT_FAULT = 1;
export const EXIT_USAGE = 2;
export const EXIT_CONFIG = 3;
export const EXIT_SOURCE = 4;
export const EXIT_TARGET = 5;
export const EXIT_BROKEN = 6;

export const EXIT_CODE_TEXT = `Exit codes
  0  done, also when it was ended by Ctrl+C
  1  a fault of the program
  2  the command line is wrong
  3  the configuration is wrong (run and check)
  4  the source cannot be opened
  5  the target refuses, or cannot be written
  6  broken off in the middle
`;

/** Ends a command with a sentence for the person at the keyboard. */
export class CommandError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
  }
}

export interface Command {
  readonly name: string;
  /** For the list of commands. */
  readonly summary: string;
  /** All of `sluice NAME --help`, but for the exit codes. */
  readonly help: string;
  /** Resolves with the exit code; throws CommandError. */
  run(args: readonly string[]): Promise<number>;
}

export interface CommandArguments {
  readonly words: readonly string[];
  has(flag: string): boolean;
  /** Undefined when it is not given. */
  text(option: string): string | undefined;
  /** A number of at least `min`; undefined when it is not given. */
  number(option: string, min: number): number | undefined;
}

/** Throws CommandError; `--help` is dealt with by the caller. */
export function readArguments(
  command: Command,
  args: readonly string[],
  declared: {
    words: readonly [min: number, max: number];
    flags?: readonly string[];
    options?: readonly string[];
  },
): CommandArguments {
  const { words: range, flags = [], options = [] } = declared;
  const fail = (problem: string) =>
    new CommandError(EXIT_USAGE, `${problem}. "sluice ${command.name} --help" shows how it is used.`);
  const unknown: string[] = [];
  const parsed = minimist([...args], {
    string: ['_', ...options],
    boolean: [...flags],
    unknown: (arg) => {
      if (arg.startsWith('-') && arg !== '-') unknown.push(arg.replace(/=.*/s, ''));
      return !arg.startsWith('-');
    },
  });
  if (unknown.length > 0) throw fail(`unknown option ${unknown.join(', ')}`);
  const words = parsed._.map(String);
  if (words.length < range[0]) throw fail('something is missing');
  if (words.length > range[1]) throw fail(`too many words: "${words.slice(range[1]).join(' ')}"`);
  const text = (option: string) => {
    const value: unknown = parsed[option];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '')
      throw fail(`--${option} needs a value and may be given once`);
    return value;
  };
  return {
    words,
    has: (flag) => parsed[flag] === true,
    text,
    number: (option, min) => {
      const value = text(option);
      if (value === undefined) return undefined;
      const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
      if (!(number >= min)) throw fail(`--${option} ${value} is not a number from ${min} on`);
      return number;
    },
  };
}

/** Calls back at the first Ctrl+C or SIGTERM; a second one ends the process at once. */
export function onInterrupt(stop: () => void): () => void {
  let count = 0;
  const handle = () => {
    if (++count > 1) process.exit(EXIT_FAULT);
    stop();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
}

/** With a full stop, whatever the text of a server ends with. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** A line for a person, on the channel that is not the command's output. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Does not keep the process alive. */
export function afterDelay(delayMs: number, run: () => void): { cancel(): void } {
  const timer = setTimeout(run, delayMs).unref();
  return { cancel: () => clearTimeout(timer) };
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
