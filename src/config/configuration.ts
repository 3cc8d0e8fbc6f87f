/**
 * Configuration as the application has it: texts of config.xml and policy.xml in, checked and frozen values out, or
 * one error that lists everything that is wrong. Reads no file itself.
 */
import type { ChannelRule } from '../service/channel/channel-config.ts';
import type { PullRule } from '../service/pull/pull-config.ts';
import { ConfigError } from '../util/errors.ts';
import { shownUrl } from '../util/shown-url.ts';
import { parseXmlDocument, type XmlDocument } from '../util/xml-document.ts';
import {
  type ConfigFile,
  type Environment,
  type GivenSettings,
  readConfigFile,
  readEnvironment,
} from './config-file.ts';
import { PolicyFile, streamField } from './policy-file.ts';
import { PolicyResolver } from './policy-resolver.ts';
import { overridesOf, type PolicyRule } from './policy-rule.ts';
import { printConfiguration } from './print-configuration.ts';
import { Report } from './report.ts';
import { makeServerConfig, SERVER_SECTIONS, type ServerConfig, type SettingTexts } from './server-config.ts';
import { HIDDEN, metaOf, type ReloadClass, type Section, xmlName } from './setting.ts';
import { STREAM_SECTIONS } from './stream-policy.ts';

export { ConfigurationError } from './report.ts';
export type { StreamPolicy } from './stream-policy.ts';

export interface ConfigurationFiles {
  /** Text of config.xml; without anything in it every setting has its default. */
  readonly configText: string;
  /** Name for messages: `conf/config.xml`. */
  readonly configName: string;
  readonly policyText: string;
  readonly policyName: string;
}

/** A setting or rule as diffConfiguration compares it. */
interface Comparable {
  readonly text: string;
  /** Equal values are the same setting however they are written: `1m` and `60s`. */
  readonly value: string;
  readonly reload: ReloadClass;
}

export interface Configuration {
  readonly server: ServerConfig;
  readonly resolver: PolicyResolver;
  /** Streams that are played from files; no name twice. */
  readonly channels: readonly ChannelRule[];
  /** Streams that are pulled; no name twice, names with `*` among them. */
  readonly pulls: readonly PullRule[];
  /** Sentences with `file:line:column` for the operator. */
  readonly warnings: readonly string[];
  /** Both files as they are in force, each value with a comment that says where it comes from. */
  print(): string;
  /** By name, for diffConfiguration. */
  readonly settings: ReadonlyMap<string, Comparable>;
}

/** Throws ConfigurationError, nothing else. */
export function loadConfiguration(files: ConfigurationFiles, environment: Environment = {}): Configuration {
  const report = new Report();
  const configDocument = parse(files.configText, files.configName, report);
  const policyDocument = parse(files.policyText, files.policyName, report);
  const config: ConfigFile =
    configDocument === null
      ? { given: new Map(), rules: [], outerRules: [] }
      : readConfigFile(configDocument, report);
  readEnvironment(environment, config.given, report);
  const policy = policyDocument === null ? null : new PolicyFile(policyDocument, report);
  policy?.readRoot();
  const rules = [...config.rules, ...(policy?.rules ?? [])];
  const { channels, pulls } = sourcesOf(rules, report);
  report.finish();

  const server = makeServerConfig(textsOf(config.given));
  checkPorts(server, config.given, report);
  checkRtpRange(server, config.given, report);
  checkCertificates(server, config.given, report);
  report.finish();

  const outerRules = [...config.outerRules, ...(policy?.outerRules ?? [])];
  const root = policyDocument?.root;
  const line =
    root === undefined || root.endOffset === root.offset ? 0 : policyDocument!.lineOf(root.endOffset);
  const defaults = overridesOf(streamDefaults(config.given));
  const resolver = new PolicyResolver(rules, defaults, { file: files.policyName, line });
  for (const rule of resolver.unreachableRules()) {
    const app = rule.path.text.split('/')[0]!;
    report.warn(
      rule.where,
      `no stream can fit this <${rule.kind}>: the application "${app}" is not allowed; ${resolver.allowHint(app)}.`,
    );
  }
  return Object.freeze({
    server: deepFreeze(server),
    resolver,
    channels: Object.freeze(channels),
    pulls: Object.freeze(pulls),
    warnings: Object.freeze(report.warnings),
    print: () => printConfiguration(config.given, outerRules, files),
    settings: comparables(config.given, outerRules),
  });
}

function sourcesOf(
  rules: readonly PolicyRule[],
  report: Report,
): { channels: ChannelRule[]; pulls: PullRule[] } {
  const places = new Map<string, string>();
  const channels: ChannelRule[] = [];
  const pulls: PullRule[] = [];
  for (const { channel: one } of rules) {
    const rule = one?.channel ?? one?.pull;
    if (one === null || rule == null) continue;
    const { stream, where } = rule;
    const earlier = places.get(stream);
    if (earlier !== undefined) {
      report.error(where, `${stream} has a source already (first at ${earlier}).`);
      continue;
    }
    places.set(stream, where);
    if (one.channel !== null) channels.push(one.channel);
    if (one.pull !== null) pulls.push(one.pull);
  }
  return { channels, pulls };
}

function parse(text: string, name: string, report: Report): XmlDocument | null {
  if (text.trim() === '') return null;
  try {
    return parseXmlDocument(text, name);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    report.add(error);
    return null;
  }
}

function textsOf(given: GivenSettings): SettingTexts {
  const texts: Record<string, Record<string, string>> = {};
  for (const { path, text } of given.values()) {
    const [section = '', key = ''] = path.split('.');
    // `<srt>` is a section of the server and of streams; their settings differ.
    if (!hasField(SERVER_SECTIONS, section, key)) continue;
    texts[section] ??= {};
    texts[section][key] = text;
  }
  return texts;
}

function streamDefaults(given: GivenSettings) {
  return [...given.values()].filter(({ path }) => {
    const [section = '', key = ''] = path.split('.');
    return hasField(STREAM_SECTIONS, section, key);
  });
}

function hasField(sections: Readonly<Record<string, Section>>, section: string, key: string): boolean {
  return Object.hasOwn(sections, section) && Object.hasOwn(sections[section]!.fields, key);
}

/** Two listeners on one port of one address cannot both start. */
function checkPorts(
  { rtmp, http, rtsp, mpegts, post }: ServerConfig,
  given: GivenSettings,
  report: Report,
): void {
  const rtmps = rtmp.ssl === 'on' ? 'rtmp.port' : 'rtmp.sport';
  const rtsps = rtsp.ssl === 'on' ? 'rtsp.port' : 'rtsp.sport';
  const listeners = [
    { path: 'rtmp.port', port: rtmp.enable ? rtmp.port : -1, ip: rtmp.ip },
    { path: rtmps, port: rtmp.enable ? rtmp.sport : -1, ip: rtmp.ip },
    { path: 'rtsp.port', port: rtsp.enable ? rtsp.port : -1, ip: rtsp.ip },
    { path: rtsps, port: rtsp.enable ? rtsp.sport : -1, ip: rtsp.ip },
    { path: 'http.port', port: http.enable ? http.port : -1, ip: http.ip },
    { path: 'http.sport', port: http.enable && http.ssl ? http.sport : -1, ip: http.ip },
    { path: 'mpegts.tcpPort', port: mpegts.tcpPort, ip: mpegts.ip },
    { path: 'post.port', port: post.enable ? post.port : -1, ip: post.ip },
  ].filter((one) => one.port > 0);
  for (const [i, one] of listeners.entries()) {
    const other = listeners
      .slice(0, i)
      .find((earlier) => earlier.port === one.port && haveCommonAddress(earlier.ip, one.ip));
    if (other === undefined) continue;
    const where = given.get(one.path)?.where ?? given.get(other.path)?.where ?? '';
    report.error(
      where,
      `port ${one.port} is taken twice, by ${elementPath(other.path)} and ${elementPath(one.path)}.`,
    );
  }
}

/** RTP wants an even port and the one behind it. */
function checkRtpRange({ rtp }: ServerConfig, given: GivenSettings, report: Report): void {
  if (rtp.min + (rtp.min & 1) < rtp.max) return;
  const where = given.get('rtp.min')?.where ?? given.get('rtp.max')?.where ?? '';
  report.error(
    where,
    `<rtp>: no pair of ports, an even one and the next, lies from ${rtp.min} to ${rtp.max}; give it at least two ports.`,
  );
}

function haveCommonAddress(a: readonly string[], b: readonly string[]): boolean {
  const isAny = (list: readonly string[]) =>
    list.length === 0 || list.includes('0.0.0.0') || list.includes('::');
  return isAny(a) || isAny(b) || a.some((address) => b.includes(address));
}

function elementPath(path: string): string {
  return path
    .split('.')
    .map((name) => `<${name}>`)
    .join('');
}

function checkCertificates({ ssl }: ServerConfig, given: GivenSettings, report: Report): void {
  if ((ssl.serverkey === '') === (ssl.servercert === '')) return;
  const [present, missing] = ssl.serverkey === '' ? ['servercert', 'serverkey'] : ['serverkey', 'servercert'];
  report.error(given.get(`ssl.${present}`)!.where, `<${present}> needs <${missing}> beside it.`);
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}

function comparables(given: GivenSettings, outerRules: readonly PolicyRule[]): Map<string, Comparable> {
  const all = new Map<string, Comparable>();
  for (const section of Object.values(SERVER_SECTIONS) as Section[]) {
    for (const [key, schema] of Object.entries(section.fields)) {
      const { reload, defaultText, secret } = metaOf(schema);
      const one = given.get(`${section.name}.${key}`);
      const value = one === undefined ? schema.parse(undefined) : one.value;
      const name = `${section.name}.${xmlName(key, schema)}`;
      const text = secret && one !== undefined ? HIDDEN : (one?.text ?? defaultText);
      all.set(name, { text, value: JSON.stringify(value), reload });
    }
  }
  for (const { path, text, value } of streamDefaults(given)) {
    all.set(`every stream ${spelling(path)}`, {
      text,
      value: JSON.stringify(value),
      reload: metaOf(streamField(path)).reload,
    });
  }
  for (const rule of outerRules) {
    addRule(all, rule, `${rule.kind} ${rule.name}`);
    for (const stream of rule.streams) addRule(all, stream, `stream ${stream.path.text}`);
  }
  return all;
}

function addRule(all: Map<string, Comparable>, rule: PolicyRule, label: string): void {
  if (rule.kind === 'application') all.set(label, { text: 'allowed', value: '', reload: 'new-sessions' });
  for (const { path, text, value } of rule.given) {
    const { reload, secret } = metaOf(streamField(path));
    const shown = secret ? HIDDEN : text;
    all.set(`${label} ${spelling(path)}`, { text: shown, value: JSON.stringify(value), reload });
  }
  addRecords(all, rule, label);
  if (rule.channel !== null) {
    const { given, sources, channel, pull } = rule.channel;
    const texts = [given, ...sources].flatMap((list) =>
      list.map((one) => `${one.path.split('.')[1]}=${shownUrl(one.text)}`),
    );
    const value = JSON.stringify([channel, pull], (key, inner) => (key === 'where' ? undefined : inner));
    all.set(`${label} source`, { text: texts.join(' '), value, reload: 'live' });
  }
  for (const { forward, enable } of rule.forwards) {
    const state = enable ? 'on' : 'off';
    // Changes are logged, and a query may hold a key.
    const text =
      forward === null || forward.rewrite === '' ? state : `${state}, as ${withoutQuery(forward.rewrite)}`;
    const name = `${label} forward ${forward === null ? '(all)' : withoutQuery(forward.target)}`;
    const value = `${state} ${forward?.target} ${forward?.rewrite}`;
    const before = all.get(name);
    if (before === undefined) all.set(name, { text, value, reload: 'live' });
    else
      all.set(name, { text: `${before.text}; ${text}`, value: `${before.value}; ${value}`, reload: 'live' });
  }
}

/** Several of one name in a rule count together. */
function addRecords(all: Map<string, Comparable>, rule: PolicyRule, label: string): void {
  for (const { name, given } of rule.records) {
    const key = `${label} record ${name === '' ? '(all)' : name}`;
    const text = given.map((one) => `${one.path.split('.')[1]}=${one.text}`).join(' ');
    const value = given.map((one) => `${one.path}=${JSON.stringify(one.value)}`).join(' ');
    const before = all.get(key);
    const joined = before === undefined ? text : `${before.text}; ${text}`;
    all.set(key, { text: joined || 'on', value: `${before?.value ?? ''};${value}`, reload: 'live' });
  }
}

function withoutQuery(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? url : `${url.slice(0, at)}?…`;
}

/** `gop.bytes` -> `gop.size`. */
function spelling(path: string): string {
  const [section = '', key = ''] = path.split('.');
  return `${section}.${xmlName(key, streamField(path))}`;
}

export interface ConfigurationChange {
  /** `rtmp.chunk-size`, `application live gop.frames`. */
  readonly name: string;
  /** As written; `''` when there was no such rule or setting. */
  readonly before: string;
  readonly after: string;
  readonly reload: ReloadClass;
}

/** What differs, by the name of the setting. */
export function diffConfiguration(before: Configuration, after: Configuration): ConfigurationChange[] {
  const changes: ConfigurationChange[] = [];
  for (const name of new Set([...before.settings.keys(), ...after.settings.keys()])) {
    const old = before.settings.get(name);
    const now = after.settings.get(name);
    if (old?.value === now?.value) continue;
    const reload = now?.reload ?? old?.reload ?? 'new-sessions';
    changes.push({ name, before: old?.text ?? '', after: now?.text ?? '', reload });
  }
  return changes;
}
