/** One rule of policy.xml: which streams it fits and what it sets for them. */
import type { ChannelRule } from '../service/channel/channel-config.ts';
import type { PullRule } from '../service/pull/pull-config.ts';
import type { ForwardRule } from '../service/relay/forward-config.ts';
import type { NamePattern } from './name-pattern.ts';
import type { Given } from './section-reader.ts';
import type { StreamOverrides } from './stream-policy.ts';

/** From the widest to the narrowest: a narrower one wins, key by key. */
export const RULE_KINDS = ['defaults', 'application', 'vhost', 'stream', 'url'] as const;

export type RuleKind = (typeof RULE_KINDS)[number];

export interface RuleForward {
  /** Null takes back all forwards of wider rules. */
  readonly forward: ForwardRule | null;
  readonly enable: boolean;
  readonly where: string;
}

/** One `<record>` as it was given. */
export interface RuleRecord {
  /** '' takes back all recordings of wider rules; only then `enable` is off without a name. */
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly given: readonly Given[];
  readonly where: string;
}

/** `source` and what belongs to it, as they were given. One of the two rules is there. */
export interface RuleChannel {
  readonly channel: ChannelRule | null;
  readonly pull: PullRule | null;
  readonly given: readonly Given[];
  /** Of each `<source>`. */
  readonly sources: readonly (readonly Given[])[];
}

export interface PolicyRule {
  readonly kind: RuleKind;
  /** The name attribute as written. */
  readonly name: string;
  readonly host: NamePattern;
  /** Fits `application/stream`. */
  readonly path: NamePattern;
  readonly given: readonly Given[];
  readonly values: StreamOverrides;
  readonly forwards: readonly RuleForward[];
  readonly records: readonly RuleRecord[];
  /** Of a stream that is played from files or pulled. */
  readonly channel: RuleChannel | null;
  /** Streams of an application. */
  readonly streams: readonly PolicyRule[];
  readonly where: string;
}

/** `gop.frames` -> `{ gop: { frames } }` for everything that was given. */
export function overridesOf(given: readonly Given[]): StreamOverrides {
  const values: Record<string, Record<string, unknown>> = {};
  for (const { path, value } of given) {
    const [section = '', key = ''] = path.split('.');
    values[section] ??= {};
    values[section][key] = value;
  }
  return values;
}

/** Host names are compared without case and brackets. */
export function plainHost(host: string): string {
  return host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
}
