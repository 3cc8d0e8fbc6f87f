/** Collects what is wrong with a configuration, so that a person sees all of it at once. */
import { ConfigError } from '../util/errors.ts';

const MAX_ERRORS = 100;
const MAX_SHOWN_LENGTH = 60;

/** Everything that is wrong with a configuration; the message has one line for each. */
export class ConfigurationError extends Error {
  readonly errors: readonly ConfigError[];

  constructor(errors: readonly ConfigError[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.name = 'ConfigurationError';
    this.errors = errors;
  }
}

export class Report {
  private readonly errors: ConfigError[] = [];
  private omitted = 0;
  readonly warnings: string[] = [];

  error(where: string, message: string): void {
    this.add(new ConfigError(where, message));
  }

  add(error: ConfigError): void {
    if (this.errors.length < MAX_ERRORS) this.errors.push(error);
    else this.omitted++;
  }

  warn(where: string, message: string): void {
    if (this.warnings.length < MAX_ERRORS) this.warnings.push(`${where}: ${message}`);
  }

  /** Throws ConfigurationError when anything was wrong. */
  finish(): void {
    if (this.errors.length === 0) return;
    const { errors } = this;
    if (this.omitted > 0) errors.push(new ConfigError('', `… and ${this.omitted} more.`));
    throw new ConfigurationError(errors);
  }
}

/** Text of the operator for a message: one line, not too long, no control characters. */
export function shown(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a terminal.
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
  return line.length <= MAX_SHOWN_LENGTH ? line : `${line.slice(0, MAX_SHOWN_LENGTH)}…`;
}

/** `what` and the phrase of a setting that refused it. */
export function sentence(what: string, phrase: string): string {
  return `${what} ${phrase}${phrase.endsWith('?') ? '' : '.'}`;
}
