/** Short ways to load a configuration in tests. */
import assert from 'node:assert/strict';
import {
  type Configuration,
  ConfigurationError,
  loadConfiguration,
} from '../../../src/config/configuration.ts';

export function load(config = '', policy = '', environment: Record<string, string> = {}): Configuration {
  const files = {
    configText: config,
    configName: 'conf/config.xml',
    policyText: policy,
    policyName: 'conf/policy.xml',
  };
  return loadConfiguration(files, environment);
}

/** The lines of the refusal. */
export function refusal(config: string, policy = '', environment: Record<string, string> = {}): string[] {
  try {
    load(config, policy, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    assert.equal(error.message, error.errors.map((one) => one.message).join('\n'));
    return error.errors.map((one) => one.message);
  }
  assert.fail('it was accepted');
}
