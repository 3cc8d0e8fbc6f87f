/** Which ffmpeg the machine has, and which encoders are in it. */
import { execFile } from 'node:child_process';
import { CODECS } from '../../codec/codec-id.ts';
import { findProgram } from '../../runtime/find-program.ts';
import type { PictureTarget } from '../../runtime/video-conversions.ts';
import { ENCODERS } from './ffmpeg-arguments.ts';

/** How long an answer holds: somebody may install the program meanwhile. */
const KEPT_US = 30_000_000;
const TIME_LIMIT_MS = 10_000;
const MAX_LIST_BYTES = 1024 * 1024;

/** `reason`: '' or why there is none, first letter in lower case, no full stop. */
export interface FoundEncoder {
  readonly program: string;
  readonly encoder: string;
  readonly reason: string;
}

interface Look {
  readonly path: string;
  readonly untilUs: number;
  readonly found: Promise<{ program: string; encoders: ReadonlySet<string>; reason: string }>;
}

export class FfmpegProgram {
  private readonly nowUs: () => number;
  private readonly pathBeside: (name: string) => string;
  private latest: Look | null = null;

  constructor(nowUs: () => number, pathBeside: (name: string) => string) {
    this.nowUs = nowUs;
    this.pathBeside = pathBeside;
  }

  /** `path`: of the configuration, '' = wherever PATH finds it. */
  async encoderFor(target: PictureTarget, path: string): Promise<FoundEncoder> {
    const { program, encoders, reason } = await this.look(path);
    const encoder = ENCODERS[target].find((name) => encoders.has(name)) ?? '';
    if (reason !== '' || encoder !== '') return { program, encoder, reason };
    const names = ENCODERS[target].join(' or ');
    return {
      program,
      encoder,
      reason: `${program} cannot encode ${CODECS[target].label} (it has no ${names})`,
    };
  }

  private look(path: string): Look['found'] {
    const known = this.latest;
    if (known !== null && known.path === path && this.nowUs() < known.untilUs) return known.found;
    const found = this.ask(path);
    this.latest = { path, untilUs: this.nowUs() + KEPT_US, found };
    return found;
  }

  private async ask(path: string): Look['found'] {
    const program = await findProgram(path || 'ffmpeg', this.pathBeside);
    const encoders: ReadonlySet<string> = new Set();
    if (program === '') {
      const where =
        path === ''
          ? 'is not installed; install it, or say in config.xml where it is (<ffmpeg path="..."/>)'
          : `was not found at ${path} (<ffmpeg> in config.xml)`;
      return { program, encoders, reason: `that needs the program ffmpeg, which ${where}` };
    }
    const list = await listEncoders(program);
    return typeof list === 'string'
      ? { program, encoders, reason: `${program} does not work: ${list}` }
      : { program, encoders: list, reason: '' };
  }
}

/** Names of its encoders, or why it does not tell. */
function listEncoders(program: string): Promise<ReadonlySet<string> | string> {
  return new Promise((resolve) => {
    const options = { timeout: TIME_LIMIT_MS, maxBuffer: MAX_LIST_BYTES, windowsHide: true };
    const child = execFile(
      program,
      ['-hide_banner', '-loglevel', 'error', '-encoders'],
      options,
      (error, out) => {
        if (error !== null) resolve(error.message.split('\n')[0] ?? '');
        else resolve(new Set(out.split('\n').map((line) => /^ [A-Z.]{6} (\S+)/.exec(line)?.[1] ?? '')));
      },
    );
    child.stdin?.end();
  });
}
