/** Reads config.xml and policy.xml of a folder; a file that is not there is taken from the executable. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Configuration, loadConfiguration } from '../config/configuration.ts';
import { ConfigError } from '../util/errors.ts';
import { readAsset } from './embedded-assets.ts';

/** Throws ConfigurationError, or ConfigError when a file cannot be read. */
export function readConfiguration(folder: string): Configuration {
  const files = {
    configText: readText(folder, 'config.xml'),
    configName: `${basename(folder)}/config.xml`,
    policyText: readText(folder, 'policy.xml'),
    policyName: `${basename(folder)}/policy.xml`,
  };
  return loadConfiguration(files, process.env);
}

function readText(folder: string, name: string): string {
  const path = join(folder, name);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      throw new ConfigError(path, `cannot be read (${code ?? error}).`);
    const embedded = readAsset(`conf/${name}`);
    return embedded === null ? '' : Buffer.from(embedded).toString('utf8');
  }
}
