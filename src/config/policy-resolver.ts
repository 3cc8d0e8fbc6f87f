/** Rules -> what holds for one stream. Answers are kept, so that a lookup per session costs a map access. */
import { splitStreamText } from '../media/stream-key.ts';
import { makeRecordRule, REC_APP, type RecordRule } from '../service/record/record-config.ts';
import type { ForwardRule } from '../service/relay/forward-config.ts';
import { NamePattern } from './name-pattern.ts';
import { type PolicyRule, plainHost, RULE_KINDS } from './policy-rule.ts';
import { mergeStreamValues, type StreamOverrides, type StreamPolicy } from './stream-policy.ts';

/** Applications that exist without a rule: those of smart_rtmpd. */
export const DEFAULT_APPS = ['live', 'rec'] as const;

const MAX_CACHED = 4096;

export interface AllowPlace {
  /** File to write the rule into. */
  readonly file: string;
  /** Line of its end tag, 0 when it has none. */
  readonly line: number;
}

export class PolicyResolver {
  /** Wide rules first. */
  private readonly rules: readonly PolicyRule[];
  private readonly defaults: StreamOverrides;
  private readonly apps: readonly NamePattern[];
  private readonly place: AllowPlace;
  /** In order of use, the least recent first. */
  private readonly cache = new Map<string, StreamPolicy>();

  constructor(rules: readonly PolicyRule[], defaults: StreamOverrides, place: AllowPlace) {
    this.rules = [...rules].sort(compareWidth);
    this.defaults = defaults;
    this.place = place;
    const listed = rules.filter((rule) => rule.kind === 'application').map((rule) => rule.path);
    this.apps = [...DEFAULT_APPS.map((app) => new NamePattern(`${app}/*`)), ...listed];
  }

  /**
   * `host` is what the peer called this server by, `''` when that is not known: then only rules for every host fit.
   * The same frozen object is returned for the same stream as long as it is remembered.
   */
  resolve(host: string, app: string, stream: string): StreamPolicy {
    const key = `${host}\n${app}\n${stream}`;
    const known = this.cache.get(key);
    if (known !== undefined) {
      this.cache.delete(key);
      this.cache.set(key, known);
      return known;
    }
    const policy = this.make(plainHost(host), `${app}/${stream}`);
    if (this.cache.size >= MAX_CACHED) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(key, policy);
    return policy;
  }

  private make(host: string, path: string): StreamPolicy {
    const fitting = this.rules.filter((rule) => rule.path.matches(path) && rule.host.matches(host));
    const values = mergeStreamValues([this.defaults, ...fitting.map((rule) => rule.values)]);
    const records = Object.freeze(collectRecords(fitting, path));
    return Object.freeze({ ...values, forwards: collectForwards(fitting), records });
  }

  /** Applications are the same on every host. `live/room` is allowed where `live` is. */
  isAppAllowed(_host: string, app: string): boolean {
    return this.isReachable(`${app}/x`);
  }

  private isReachable(path: string): boolean {
    return this.apps.some((pattern) => pattern.matches(path));
  }

  /** What to write where so that the application is allowed. */
  allowHint(app: string): string {
    const name = app.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
    const { file, line } = this.place;
    if (line === 0) return `write <policy><application name="${name}"/></policy> into ${file}`;
    return `add <application name="${name}"/> to ${file} (line ${line} is a good place)`;
  }

  /** Where recordings may lie by any rule, as templates. */
  recordPaths(): string[] {
    const paths = this.rules.flatMap((rule) => rule.records.map((record) => record.values['path']));
    return [...new Set(paths.filter((path) => typeof path === 'string' && path !== ''))] as string[];
  }

  /** Rules that no stream can fit, because their application is not allowed. */
  unreachableRules(): PolicyRule[] {
    return this.rules.filter((rule) => {
      if (rule.kind !== 'vhost' && rule.kind !== 'url' && rule.kind !== 'stream') return false;
      const { app } = splitStreamText(rule.path.text);
      return !app.includes('*') && app !== '' && !this.isReachable(`${app}/x`);
    });
  }
}

function compareWidth(a: PolicyRule, b: PolicyRule): number {
  const kinds = RULE_KINDS.indexOf(a.kind) - RULE_KINDS.indexOf(b.kind);
  return kinds !== 0 ? kinds : a.path.weight + a.host.weight - (b.path.weight + b.host.weight);
}

function collectForwards(fitting: readonly PolicyRule[]): readonly ForwardRule[] {
  const forwards = new Map<string, ForwardRule>();
  for (const rule of fitting) {
    for (const { forward, enable } of rule.forwards) {
      if (forward === null) {
        forwards.clear();
        continue;
      }
      const key = `${forward.scheme} ${forward.host} ${forward.port} ${forward.rewrite}`;
      if (!enable) forwards.delete(key);
      else if (!forwards.has(key)) forwards.set(key, forward);
    }
  }
  return Object.freeze([...forwards.values()]);
}

/** By name, setting by setting; a recording that is off is taken back. */
function collectRecords(fitting: readonly PolicyRule[], path: string): RecordRule[] {
  const records = new Map<string, Record<string, unknown>>();
  if (path.startsWith(`${REC_APP}/`)) records.set('hls', {});
  for (const rule of fitting) {
    for (const { name, values } of rule.records) {
      if (name === '') records.clear();
      else records.set(name, { ...records.get(name), ...values });
    }
  }
  return [...records.values()].map(makeRecordRule).filter((one) => one.enable !== 'off');
}
