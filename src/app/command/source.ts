/** A file or a URL as what the sub-commands read from. */
import { isUntrusted } from '../../client/describe-failure.ts';
import { isPullUrl, type PullOptions } from '../../client/pull.ts';
import { PullError, PullSupply } from '../../client/pull-supply.ts';
import { FileSupply } from '../../media-file/file-supply.ts';
import type { FrameSupply, SupplyPart } from '../../media-file/frame-supply.ts';
import { type MediaFile, openMediaFile } from '../../media-file/media-file.ts';
import { systemClock } from '../../util/clock.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { shownUrl } from '../../util/shown-url.ts';
import { VERSION } from '../version.ts';
import {
  afterDelay,
  type CommandArguments,
  CommandError,
  EXIT_BROKEN,
  EXIT_SOURCE,
  say,
  sentence,
  wait,
} from './command.ts';

const CONNECT_MS = 10_000;
const SILENCE_S = 15;
const EMPTY_ROUND_MS = 1000;
const HOLD_MS = 60_000;

export interface Source {
  readonly supply: FrameSupply;
  /** Null for a URL. */
  readonly file: MediaFile | null;
  /** onMetaData of a URL, as far as it came. */
  metadata(): unknown;
  /** Of a URL. */
  bytesReceived(): number;
}

export interface SourceOptions {
  readonly loop: boolean;
  readonly verifies: boolean;
  /** Seconds of silence after which a URL is given up. */
  readonly timeout: number | undefined;
}

/** For the help of commands. */
export const URL_OPTIONS = `  --timeout S   give up a URL that sends nothing for S seconds (default ${SILENCE_S})
  --insecure    take certificates that this machine does not trust (rtmps, rtsps, https)
`;

/** What every command with a source reads with `readArguments`. */
export const SOURCE_ARGUMENTS = { flags: ['insecure'], options: ['timeout'] } as const;

export function sourceOptions(given: CommandArguments): Omit<SourceOptions, 'loop'> {
  return { verifies: !given.has('insecure'), timeout: given.number('timeout', 0.1) };
}

/** A file is open afterwards, a URL is being asked. Throws CommandError. */
export async function openSource(text: string, options: SourceOptions): Promise<Source> {
  return isPullUrl(text) ? openUrl(text, options) : await openFile(text, options);
}

function openUrl(url: string, options: SourceOptions): Source {
  const pullOptions: PullOptions = {
    verifies: options.verifies,
    connectMs: CONNECT_MS,
    silenceMs: (options.timeout ?? SILENCE_S) * 1000,
    userAgent: `Sluice/${VERSION}`,
    nowUs: systemClock.nowUs,
    after: afterDelay,
    onFault: (error) => say(`sluice: ${(error as Error).stack ?? error}`),
  };
  try {
    const supply = new PullSupply(url, pullOptions);
    return {
      supply: new NamedSupply(url, supply),
      file: null,
      metadata: () => supply.metadata,
      bytesReceived: () => supply.bytesReceived,
    };
  } catch (error) {
    if (error instanceof RejectedError) throw new CommandError(EXIT_SOURCE, error.message);
    throw error;
  }
}

/** Ends of a pull as ends of the command. */
class NamedSupply implements FrameSupply {
  private readonly url: string;
  private readonly supply: PullSupply;

  constructor(url: string, supply: PullSupply) {
    this.url = shownUrl(url);
    this.supply = supply;
  }

  async read(): Promise<SupplyPart | null> {
    // A source that waits between two reloads of a playlist has nothing open that would hold the process.
    const hold = setInterval(() => undefined, HOLD_MS);
    try {
      return await this.supply.read();
    } catch (error) {
      if (!(error instanceof PullError)) throw error;
      const hint = isUntrusted(error.message) ? '; --insecure takes it all the same' : '';
      throw new CommandError(
        error.kind === 'failed' ? EXIT_SOURCE : EXIT_BROKEN,
        sentence(`${this.url}: ${error.message}${hint}`),
      );
    } finally {
      clearInterval(hold);
    }
  }

  close(): void {
    this.supply.close();
  }
}

async function openFile(path: string, options: SourceOptions): Promise<Source> {
  let file: MediaFile | null = await open(path);
  const first = file;
  let failure: unknown = null;
  const item = {
    name: path,
    open: async () => {
      const opened = file ?? (await open(path));
      file = null;
      return opened;
    },
  };
  const supply = new FileSupply({
    name: path,
    list: async () => [item],
    loop: options.loop,
    onSkipped: (_name, error) => {
      failure = error;
    },
    pause: () => wait(EMPTY_ROUND_MS),
  });
  return {
    file: first,
    metadata: () => null,
    bytesReceived: () => 0,
    supply: {
      read: async () => {
        const part = await supply.read();
        if (failure === null) return part;
        supply.close();
        throw new CommandError(EXIT_BROKEN, `${path}: ${messageOf(failure)}`);
      },
      close: () => supply.close(),
    },
  };
}

/** Says what of a file is broken or left out. */
export function tellDamage(name: string, { file }: Source): void {
  if (file === null) return;
  for (const sentence of [file.damage, ...file.leftOut]) if (sentence !== '') say(`${name}: ${sentence}`);
}

async function open(path: string): Promise<MediaFile> {
  try {
    return await openMediaFile(path);
  } catch (error) {
    throw new CommandError(EXIT_SOURCE, `${path}: ${messageOf(error)}`);
  }
}

/** What a person can do something with. */
export function messageOf(error: unknown): string {
  if (error instanceof ProtocolError) {
    const colon = error.message.indexOf(': ');
    return colon < 0 ? `this is damaged (${error.code}).` : error.message.slice(colon + 2);
  }
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'there is no such file.';
    case 'EACCES':
    case 'EPERM':
      return 'this must not be read or written.';
    case 'EISDIR':
      return 'this is a folder.';
    case 'ENOSPC':
      return 'the disk is full.';
    case 'EROFS':
      return 'the disk is read-only.';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
