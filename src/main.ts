/**
 * Entry: reads the command line and the configuration, runs the application or a sub-command, turns signals into a clean
 * end.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Application } from './app/application.ts';
import { banner, consoleLanguage } from './app/banner.ts';
import { EXIT_CONFIG, EXIT_FAULT, EXIT_OK, EXIT_USAGE } from './app/command/command.ts';
import { findTool, runTool } from './app/command/index.ts';
import { type CommandLine, helpText, parseCommandLine } from './app/command-line.ts';
import { CrashGuard } from './app/crash-guard.ts';
import { readAsset } from './app/embedded-assets.ts';
import { argumentsOfRuntime, argumentsOfUser, besideHome, configFolder } from './app/locations.ts';
import { MODULES } from './app/modules.ts';
import { readConfiguration } from './app/read-configuration.ts';
import { VERSION } from './app/version.ts';
import { ConfigurationError } from './config/configuration.ts';
import { LogWriter } from './runtime/log-output.ts';
import { ConfigError } from './util/errors.ts';
import { LogHub } from './util/log.ts';

const FORCED_EXIT_MS = 5000;
const DETACHED_ENV = 'SLUICE_DETACHED';

async function main(): Promise<void> {
  const args = argumentsOfUser();
  const tool = findTool(args[0]);
  if (tool !== undefined) {
    // Nothing may keep the process; a pipe that is read slowly gets all of the output first.
    process.exitCode = await runTool(tool, args.slice(1));
    await flushed(process.stdout);
    process.exit();
  }
  let line: CommandLine;
  try {
    line = parseCommandLine(args);
  } catch (error) {
    await leave(EXIT_USAGE, `sluice: ${(error as Error).message}`, args);
    return;
  }
  switch (line.command) {
    case 'help':
      process.stdout.write(helpText(line.topic ?? ''));
      return;
    case 'version':
      process.stdout.write(
        `Sluice ${VERSION} (Node ${process.versions.node}, ${process.platform} ${process.arch})\n`,
      );
      return;
    case 'check':
      await check(line, args);
      return;
    case 'run':
      await run(line, args);
      return;
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

async function check(line: CommandLine, args: readonly string[]): Promise<void> {
  try {
    const configuration = readConfiguration(configFolder(line.folder));
    process.stdout.write(configuration.print());
    for (const warning of configuration.warnings) process.stderr.write(`note: ${warning}\n`);
  } catch (error) {
    await leave(EXIT_CONFIG, describe(error), args);
  }
}

async function run(line: CommandLine, args: readonly string[]): Promise<void> {
  const folder = configFolder(line.folder);
  let application: Application;
  let writer: LogWriter;
  let logHub: LogHub;
  try {
    const configuration = readConfiguration(folder);
    if (line.detach && process.env[DETACHED_ENV] === undefined) {
      detach(args, pidPath(line, folder));
      return;
    }
    const { log } = configuration.server;
    writer = new LogWriter({
      console: log.console,
      folder: log.file ? besideHome(log.dir) : '',
      maxBytes: log.maxSize,
      keepFiles: log.keep,
      json: log.json,
    });
    logHub = new LogHub(log.level, writer.output);
    const guard = new CrashGuard(logHub.logger(), () => process.exit(EXIT_FAULT));
    guard.install();
    application = new Application({
      configuration,
      configFolder: folder,
      modules: MODULES,
      logHub,
      readAsset,
      pathBeside: besideHome,
      onFault: guard.report,
    });
    await application.start();
  } catch (error) {
    await leave(EXIT_CONFIG, describe(error), args);
    return;
  }
  if (process.env[DETACHED_ENV] !== undefined) writeFileSync(process.env[DETACHED_ENV], `${process.pid}\n`);
  // First, so that whoever waits for the banner may end us at once.
  handleSignals(application, logHub, writer, folder);
  process.stdout.write(`${banner(application.context, consoleLanguage())}\n`);
}

function handleSignals(application: Application, logHub: LogHub, writer: LogWriter, folder: string): void {
  const log = logHub.logger();
  const fromTerminal = process.stdin.isTTY && process.env[DETACHED_ENV] === undefined;
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(EXIT_FAULT);
    stopping = true;
    log.info('server.stopping', { signal });
    setTimeout(() => process.exit(EXIT_FAULT), FORCED_EXIT_MS).unref();
    application
      .stop('The server is shutting down.')
      .then(() => {
        log.info('server.stopped');
        removePidFile();
        return writer.close();
      })
      .then(() => process.exit(EXIT_OK))
      .catch(() => process.exit(EXIT_FAULT));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGHUP', () => {
    // A console window or terminal that was closed arrives as SIGHUP too; then it means the end.
    if (process.platform === 'win32' || (fromTerminal && !hasTerminal())) stop('SIGHUP');
    else reload(application, logHub, folder);
  });
}

/** Whether the terminal that we were started from is still there. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function reload(application: Application, logHub: LogHub, folder: string): void {
  const log = logHub.logger();
  try {
    const needRestart = application.reload(readConfiguration(folder));
    log.info('config.reloaded', { 'needs-restart': needRestart.join(', ') || 'nothing' });
  } catch (error) {
    log.error('config.reload-refused', { cause: describe(error) });
  }
}

/** Starts a second process without a terminal and leaves. */
function detach(args: readonly string[], pidFile: string): void {
  if (existsSync(pidFile)) {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    if (isAlive(pid))
      throw new ConfigError(pidFile, `Sluice already runs in the background as process ${pid}.`);
    rmSync(pidFile);
  }
  const logFile = join(dirname(pidFile), 'sluice.out');
  mkdirSync(dirname(logFile), { recursive: true });
  const out = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...argumentsOfRuntime(), ...args], {
    detached: true,
    windowsHide: true,
    stdio: ['ignore', out, out],
    env: { ...process.env, [DETACHED_ENV]: pidFile },
  });
  child.unref();
  process.stdout.write(
    `Sluice runs in the background as process ${child.pid}; pid file ${pidFile}, output ${logFile}.\n`,
  );
}

function pidPath(line: CommandLine, folder: string): string {
  return line.pidFile === '' ? join(dirname(folder), 'sluice.pid') : line.pidFile;
}

function removePidFile(): void {
  const path = process.env[DETACHED_ENV];
  if (path !== undefined) rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function describe(error: unknown): string {
  if (error instanceof ConfigurationError || error instanceof ConfigError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Says what is wrong; a console that a double click opened stays until a key is pressed. */
async function leave(code: number, text: string, args: readonly string[]): Promise<void> {
  process.stderr.write(`${text}\n`);
  process.exitCode = code;
  if (process.platform === 'win32' && args.length === 0 && process.stdin.isTTY) {
    process.stderr.write('\nPress any key to close this window.\n');
    process.stdin.setRawMode(true);
    process.stdin.resume();
    await new Promise((resolve) => process.stdin.once('data', resolve));
  }
  process.exit(code);
}

main().catch((error: unknown) => {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(EXIT_FAULT);
});
