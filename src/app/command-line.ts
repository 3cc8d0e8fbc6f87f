/**
 * `sluice [run|check|version|help] [-c DIR] [-d]`, and the list of the commands that have a command line of their own
 * (src/app/command). Unknown commands and flags are refused with the nearest name.
 */
import minimist from 'minimist';
import { nearestName } from '../util/edit-distance.ts';
import { ConfigError } from '../util/errors.ts';
import { EXIT_CODE_TEXT } from './command/command.ts';
import { findTool, TOOLS, toolHelp } from './command/index.ts';

type CommandName = 'run' | 'check' | 'version' | 'help';

export interface CommandLine {
  readonly command: CommandName;
  /** Folder with config.xml and policy.xml; '' = beside the executable. */
  readonly folder: string;
  readonly detach: boolean;
  readonly pidFile: string;
  /** Which command `help` is about. */
  readonly topic?: string;
}

/** One line a command, below each other. */
const TOOL_LINES = TOOLS.map(({ name, summary }) => `  ${name.padEnd(15)}  ${summary}`).join('\n');

const HELP = `Sluice, a live-streaming media server.

Usage: sluice [command] [options]

Commands
  run              start the server (what happens without a command)
  check            read the configuration, report every mistake, print what is in effect
  version          print the version
  help [COMMAND]   print this text, or that of one of the following commands

Without a server
${TOOL_LINES}
  "sluice push --help" and so on tell more.

Options
  -c, --config DIR   folder that holds config.xml and policy.xml (default: conf beside the executable)
  -d, --detach       run in the background and write a pid file
      --pid FILE     where to write the pid file (default: sluice.pid beside the configuration folder)
  -v, --version      like version
  -h, --help         like help

Signals: SIGTERM and Ctrl+C end the server cleanly, SIGHUP reads the configuration again.

${EXIT_CODE_TEXT}`;

const COMMANDS: readonly string[] = ['run', 'check', 'version', 'help'];

/** Text of `sluice help`, or of `sluice help COMMAND`. */
export function helpText(topic: string): string {
  const tool = findTool(topic);
  return tool === undefined ? HELP : toolHelp(tool);
}

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
  if (!COMMANDS.includes(command)) {
    const meant = nearestName(command, [...COMMANDS, ...TOOLS.map(({ name }) => name)]);
    throw usage(`unknown command "${command}"${meant === '' ? '' : `; did you mean "${meant}"?`}`);
  }
  const topic = command === 'help' && !parsed['help'] ? String(parsed._[1] ?? '') : '';
  const words = topic === '' ? 1 : 2;
  if (parsed._.length > words) throw usage(`too many words: "${parsed._.slice(words).join(' ')}"`);
  if (topic !== '' && !COMMANDS.includes(topic) && findTool(topic) === undefined)
    throw usage(`there is no command "${topic}"`);
  const folder = readText(parsed['config'], '-c');
  const pidFile = readText(parsed['pid'], '--pid');
  return {
    command: command as CommandName,
    folder,
    detach: parsed['detach'] === true,
    pidFile,
    ...(topic && { topic }),
  };
}

function readText(value: unknown, flag: string): string {
  if (value === undefined) return '';
  if (typeof value !== 'string' || value === '') throw usage(`${flag} needs a value and may be given once`);
  return value;
}

function usage(problem: string): ConfigError {
  const end = problem.endsWith('?') ? '' : '.';
  return new ConfigError('', `${problem}${end} "sluice help" lists what there is.`);
}
