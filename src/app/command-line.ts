/** `sluice [run|check|version|help] [-c DIR] [-d]`: unknown commands and flags are refused with the nearest help. */
import minimist from 'minimist';
import { ConfigError } from '../util/errors.ts';

type CommandName = 'run' | 'check' | 'version' | 'help';

export interface CommandLine {
  readonly command: CommandName;
  /** Folder with config.xml and policy.xml; '' = beside the executable. */
  readonly folder: string;
  readonly detach: boolean;
  readonly pidFile: string;
}

export const HELP = `Sluice, a live-streaming media server.

Usage: sluice [command] [options]

Commands
  run              start the server (what happens without a command)
  check            read the configuration, report every mistake, print what is in effect
  version          print the version
  help             print this text

Options
  -c, --config DIR   folder that holds config.xml and policy.xml (default: conf beside the executable)
  -d, --detach       run in the background and write a pid file
      --pid FILE     where to write the pid file (default: sluice.pid beside the configuration folder)
  -v, --version      like version
  -h, --help         like help

Signals: SIGTERM and Ctrl+C end the server cleanly, SIGHUP reads the configuration again.
`;

const COMMANDS: readonly string[] = ['run', 'check', 'version', 'help'];

/** Throws ConfigError with a sentence for the person at the keyboard. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const unknown: string[] = [];
  const parsed = minimist([...args], {
    string: ['config', 'pid'],
    boolean: ['detach', 'help', 'version'],
    alias: { c: 'config', d: 'detach', h: 'help', v: 'version' },
    unknown: (arg) => {
      if (arg.startsWith('-')) unknown.push(arg);
      return !arg.startsWith('-');
    },
  });
  if (unknown.length > 0) throw usage(`unknown option ${unknown.join(', ')}`);
  const command = parsed['help'] ? 'help' : parsed['version'] ? 'version' : String(parsed._[0] ?? 'run');
  if (!COMMANDS.includes(command)) throw usage(`unknown command "${command}"`);
  if (parsed._.length > 1) throw usage(`too many words: "${parsed._.slice(1).join(' ')}"`);
  const folder = readText(parsed['config'], '-c');
  const pidFile = readText(parsed['pid'], '--pid');
  return { command: command as CommandName, folder, detach: parsed['detach'] === true, pidFile };
}

function readText(value: unknown, flag: string): string {
  if (value === undefined) return '';
  if (typeof value !== 'string' || value === '') throw usage(`${flag} needs a value and may be given once`);
  return value;
}

function usage(problem: string): ConfigError {
  return new ConfigError('', `${problem}. "sluice help" lists what there is.`);
}
