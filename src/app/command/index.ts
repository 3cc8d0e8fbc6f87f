/** The sub-commands that need no server: found by name, run with their faults as exit codes. */
import { type Command, CommandError, EXIT_CODE_TEXT, EXIT_FAULT, EXIT_OK, say } from './command.ts';
import { flvIndexCommand } from './flv-index.ts';
import { probeCommand } from './probe.ts';
import { pushCommand } from './push.ts';
import { recordCommand } from './record.ts';

export const TOOLS: readonly Command[] = [pushCommand, recordCommand, probeCommand, flvIndexCommand];

export function findTool(name: string | undefined): Command | undefined {
  return TOOLS.find((tool) => tool.name === name);
}

export function toolHelp(tool: Command): string {
  return `${tool.help}\n${EXIT_CODE_TEXT}`;
}

/** Resolves with the exit code. */
export async function runTool(tool: Command, args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(toolHelp(tool));
    return EXIT_OK;
  }
  try {
    return await tool.run(args);
  } catch (error) {
    if (error instanceof CommandError) {
      say(`sluice: ${error.message}`);
      return error.code;
    }
    say(`sluice: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT_FAULT;
  }
}
