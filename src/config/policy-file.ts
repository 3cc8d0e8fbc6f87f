/** policy.xml -> rules. The forms of smart_rtmpd (vhosts, urls) and our own (application, stream) side by side. */

import type * as z from 'zod';
import { pullSection } from '../service/pull/pull-config.ts';
import { recordSection } from '../service/record/record-config.ts';
import { FORWARD_TARGET_PHRASE, forwardSection, parseForward } from '../service/relay/forward-config.ts';
import type { XmlAttribute, XmlDocument, XmlElement } from '../util/xml-document.ts';
import { NamePattern } from './name-pattern.ts';
import {
  overridesOf,
  type PolicyRule,
  plainHost,
  type RuleChannel,
  type RuleForward,
  type RuleKind,
  type RuleRecord,
} from './policy-rule.ts';
import { type Report, sentence, shown } from './report.ts';
import { type Given, type KnownNames, knownNames, SectionReader } from './section-reader.ts';
import { plainName, type Section } from './setting.ts';
import { UNUSED_RULE_ELEMENTS } from './smart-rtmpd-elements.ts';
import { MERGE_OF_LATENCY, STREAM_SECTIONS } from './stream-policy.ts';
import { StreamSourceReader } from './stream-source-reader.ts';
import { channelSection } from './stream-source-section.ts';

const MAX_RULES = 10_000;
const MAX_STARS = 8;
const MAX_NAME_LENGTH = 512;

/** Stream setting by its path: `gop.frames`. */
export function streamField(path: string): z.ZodType {
  const [sectionName = '', key = ''] = path.split('.');
  const sections: Readonly<Record<string, Section>> = STREAM_SECTIONS;
  const field = sections[sectionName]?.fields[key];
  if (field === undefined) throw new TypeError(`${path} is no stream setting`);
  return field;
}

const STREAM_NAMES: ReadonlyMap<string, KnownNames> = new Map(
  Object.values(STREAM_SECTIONS).map((section) => [section.name, knownNames(section, streamField)]),
);
const FORWARD_NAMES = knownNames(forwardSection, streamField);
const RECORD_NAMES = knownNames(recordSection, streamField);
const CHANNEL_NAMES = knownNames(channelSection, streamField);
const SOURCE_NAMES = { channel: CHANNEL_NAMES, source: knownNames(pullSection, streamField) };
const RULE_ELEMENTS = ['forward', 'record', ...STREAM_NAMES.keys()];

/** Which rule it is and what it fits. */
interface RuleHead {
  readonly kind: Exclude<RuleKind, 'defaults'>;
  readonly name: string;
  readonly host: string;
  readonly path: string;
}

export class PolicyFile {
  /** Every rule, streams of applications included. */
  readonly rules: PolicyRule[] = [];
  /** Rules as they stand in the file. */
  readonly outerRules: PolicyRule[] = [];
  private readonly document: XmlDocument;
  private readonly report: Report;
  private readonly reader: SectionReader;
  private readonly sources: StreamSourceReader;

  constructor(document: XmlDocument, report: Report) {
    this.document = document;
    this.report = report;
    this.reader = new SectionReader(document, report);
    this.sources = new StreamSourceReader(document, report, this.reader, SOURCE_NAMES);
  }

  /** Reads a whole policy. */
  readRoot(): void {
    const { root } = this.document;
    if (root.name !== 'policy') {
      this.report.error(
        this.document.where(root.offset),
        `the outermost element is <${shown(root.name)}>; it must be <policy>.`,
      );
      return;
    }
    this.readGroup(root, ['application', 'stream', 'vhosts', 'urls', 'vhost', 'url']);
  }

  /** Reads `<policy>`, `<vhosts>` or `<urls>`. */
  readGroup(group: XmlElement, allowed: readonly string[]): void {
    this.readAttributes(group, []);
    this.reader.refuseText(group);
    for (const child of group.children) {
      if (!allowed.includes(child.name)) {
        if (RULE_ELEMENTS.includes(child.name)) this.misplaced(child);
        else this.reader.unknownElement(child, group, allowed);
      } else if (child.name === 'vhosts' || child.name === 'urls') {
        this.readGroup(child, ['vhost', 'url']);
      } else {
        this.addOuter(this.readRule(child));
      }
    }
  }

  private misplaced(child: XmlElement): void {
    const message = `<${child.name}> belongs inside <application>, <stream>, <vhost> or <url>.`;
    this.report.error(this.document.where(child.offset), message);
  }

  private addOuter(rule: PolicyRule | null): void {
    if (rule === null) return;
    this.outerRules.push(rule);
    this.rules.push(rule, ...rule.streams);
    if (this.rules.length > MAX_RULES)
      this.report.error(rule.where, `there are more than ${MAX_RULES} rules.`);
  }

  private readRule(element: XmlElement): PolicyRule | null {
    if (element.name === 'stream') return this.readStream(element, '');
    const name = this.readName(element);
    if (element.name === 'application') return this.readApplication(element, name);
    const kind = element.name === 'vhost' ? 'vhost' : 'url';
    const place = name === null ? null : this.parseUrl(name, kind);
    // A rule without a usable name is read all the same: what else is wrong in it is said at once.
    const rule = this.makeRule(element, {
      kind,
      name: name?.value ?? '',
      host: place?.host ?? '',
      path: place?.path ?? '',
    });
    return place === null ? null : rule;
  }

  private readApplication(element: XmlElement, name: XmlAttribute | null): PolicyRule | null {
    const app = name === null ? '' : this.checkNames(name);
    const streams: PolicyRule[] = [];
    for (const child of element.children) {
      if (child.name !== 'stream') continue;
      const rule = this.readStream(child, app === '' ? '?' : app);
      if (rule !== null && app !== '') streams.push(rule);
    }
    const rule = this.makeRule(
      element,
      { kind: 'application', name: app, host: '*', path: `${app}/*` },
      streams,
    );
    return app === '' ? null : rule;
  }

  /** `app` is that of the application around it, '' at the outermost level. */
  private readStream(element: XmlElement, app: string): PolicyRule | null {
    const isChannel = ({ name }: XmlAttribute) => CHANNEL_NAMES.has(plainName(name));
    const others = { ...element, attributes: element.attributes.filter((one) => !isChannel(one)) };
    const attribute = this.readName(
      others,
      [...CHANNEL_NAMES.values()].map(({ spelling }) => spelling),
    );
    const name = attribute === null ? '' : this.checkNames(attribute);
    const path = app === '' ? name : `${app}/${name}`;
    const own = { ...element, attributes: element.attributes.filter(isChannel), children: [], text: '' };
    const sources = element.children.filter((child) => child.name === 'source');
    const channel = this.sources.read(own, sources, path);
    const rule = this.makeRule(element, { kind: 'stream', name, host: '*', path }, [], channel);
    if (name === '') return null;
    if (path.includes('/')) return rule;
    const message = `<stream name="${shown(name)}"> outside of <application> must name it: name="live/${shown(name)}".`;
    this.report.error(this.document.where(element.offset), message);
    return null;
  }

  private makeRule(
    element: XmlElement,
    head: RuleHead,
    streams: readonly PolicyRule[] = [],
    channel: RuleChannel | null = null,
  ): PolicyRule {
    const { given, forwards, records } = this.readContent(element, head);
    return {
      kind: head.kind,
      name: head.name,
      host: new NamePattern(plainHost(head.host)),
      path: new NamePattern(head.path),
      given,
      values: overridesOf(given),
      forwards,
      records,
      channel,
      streams,
      where: this.document.where(element.offset),
    };
  }

  /** Stream settings and forwards inside a rule; streams of an application are read by readApplication. */
  private readContent(
    element: XmlElement,
    { kind, path }: RuleHead,
  ): { given: Given[]; forwards: RuleForward[]; records: RuleRecord[] } {
    const given: Given[] = [];
    const forwards: RuleForward[] = [];
    const records: RuleRecord[] = [];
    const seen = new Map<string, string>();
    const isSmart = kind === 'vhost' || kind === 'url';
    const rewrite = isSmart ? (element.children.find((child) => child.name === 'rewrite')?.text ?? '') : '';
    const appendsStream = kind === 'application' || kind === 'vhost' || path.includes('*');
    const nested = kind === 'application' ? ['stream'] : kind === 'stream' ? ['source'] : [];
    this.reader.refuseText(element);
    for (const child of element.children) {
      const names = STREAM_NAMES.get(child.name);
      if (nested.includes(child.name)) continue;
      if (child.name === 'forward') {
        const forward = this.readForward(child, rewrite, appendsStream);
        if (forward !== null) forwards.push(forward);
      } else if (child.name === 'record') {
        records.push(this.readRecord(child));
      } else if (names !== undefined) {
        this.refuseSecond(child, seen);
        given.push(...this.withPresets(this.reader.read(child, names)));
      } else if (!isSmart || !this.readSmart(child, given)) {
        this.reader.unknownElement(child, element, [...RULE_ELEMENTS, ...nested]);
      }
    }
    return { given, forwards, records };
  }

  private refuseSecond(child: XmlElement, seen: Map<string, string>): void {
    const where = this.document.where(child.offset);
    const earlier = seen.get(child.name);
    if (earlier === undefined) seen.set(child.name, where);
    else this.report.error(where, `<${child.name}> is given twice (first at ${earlier}).`);
  }

  /** A latency word sets the merge time of the same rule unless that is given itself. */
  private withPresets(given: readonly Given[]): readonly Given[] {
    const latency = given.find((one) => one.path === 'play.latency');
    if (latency === undefined || given.some((one) => one.path === 'play.mergeMs')) return given;
    const text = MERGE_OF_LATENCY[String(latency.value)]!;
    const value = streamField('play.mergeMs').parse(text);
    return [...given, { path: 'play.mergeMs', text, value, where: latency.where }];
  }

  /** Elements of old smart_rtmpd builds. */
  private readSmart(child: XmlElement, given: Given[]): boolean {
    const name = plainName(child.name);
    if (name === 'rewrite') return true;
    const where = this.document.where(child.offset);
    const what = `<${child.name}>${shown(child.text)}</${child.name}>`;
    if (name === 'hashls') {
      const result = streamField('hls.enable').safeParse(child.text);
      if (result.success) given.push({ path: 'hls.enable', text: child.text, value: result.data, where });
      else this.report.error(where, sentence(what, result.error.issues[0]!.message));
      return true;
    }
    if (!Object.hasOwn(UNUSED_RULE_ELEMENTS, name)) return false;
    this.reader.warnUnused(where, what, UNUSED_RULE_ELEMENTS[name]!);
    return true;
  }

  private readForward(
    element: XmlElement,
    inheritedRewrite: string,
    appendsStream: boolean,
  ): RuleForward | null {
    const where = this.document.where(element.offset);
    const given = this.reader.read(element, FORWARD_NAMES, true);
    const enable = given.find((one) => one.path === 'forward.enable')?.value !== false;
    const rewrite = given.find((one) => one.path === 'forward.rewrite')?.text ?? '';
    if (element.text === '' && !enable) return { forward: null, enable, where };
    const forward = parseForward(element.text, rewrite || inheritedRewrite, appendsStream, where);
    if (forward !== null) return { forward: Object.freeze(forward), enable, where };
    const what = element.text === '' ? '<forward/>' : `<forward>${shown(element.text)}</forward>`;
    this.report.error(where, sentence(what, FORWARD_TARGET_PHRASE));
    return null;
  }

  private readRecord(element: XmlElement): RuleRecord {
    const given = this.reader.read(element, RECORD_NAMES);
    const values: Record<string, unknown> = {};
    for (const { path, value } of given) values[path.slice(recordSection.name.length + 1)] = value;
    const word = String(values['name'] ?? '') || String(values['format'] ?? '');
    const isOff = values['enable'] === 'off';
    const name = word === '' && !isOff ? String(recordSection.schema.parse({}).format) : word;
    return { name, values, given, where: this.document.where(element.offset) };
  }

  /** The name attribute; any other is an error. `others` may stand beside it and are read elsewhere. */
  private readName(element: XmlElement, others: readonly string[] = []): XmlAttribute | null {
    this.readAttributes(element, ['name', ...others]);
    const name = element.attributes.find((attribute) => attribute.name === 'name');
    if (name !== undefined) return name;
    this.report.error(
      this.document.where(element.offset),
      `<${element.name}> needs a name: <${element.name} name="…">.`,
    );
    return null;
  }

  private readAttributes(element: XmlElement, allowed: readonly string[]): void {
    for (const { name, value, offset } of element.attributes) {
      if (!allowed.includes(name)) this.reader.unknownAttribute(name, value, offset, element, allowed);
    }
  }

  /** An application or stream name, several levels allowed; '' after an error. */
  private checkNames(name: XmlAttribute): string {
    const text = name.value.trim();
    if (isNamePath(text)) return text;
    const what = `name="${shown(name.value)}"`;
    const message = `${what} is no name such as live, cam/yard or cam* (no empty levels, at most ${MAX_STARS} stars).`;
    this.report.error(this.document.where(name.offset), message);
    return '';
  }

  /** `rtmp://host[:port]/app[/stream]`; the port is not compared, one server's addresses all lead to one stream. */
  private parseUrl(name: XmlAttribute, kind: 'vhost' | 'url'): { host: string; path: string } | null {
    const match = /^[a-z]+:\/\/(\[[^\]\s/]+\]|[^\s/:?#[\]]+)(?::\d{1,5})?(?:\/([^\s?#]*))?$/.exec(
      name.value.trim(),
    );
    const host = match?.[1] ?? '';
    const path = (match?.[2] ?? '').replace(/\/$/, '');
    const isWhole = kind === 'url' ? path.includes('/') || path === '*' : true;
    if (match !== null && isWhole && (path === '' || isNamePath(path)) && starsOf(host) <= MAX_STARS) {
      return { host, path: kind === 'url' ? path : path === '' ? '*' : `${path}/*` };
    }
    const form = kind === 'url' ? 'rtmp://host/application/stream' : 'rtmp://host/application';
    this.report.error(
      this.document.where(name.offset),
      `name="${shown(name.value)}" is not of the form ${form}.`,
    );
    return null;
  }
}

function starsOf(text: string): number {
  return text.split('*').length - 1;
}

function isNamePath(text: string): boolean {
  if (text.length > MAX_NAME_LENGTH || starsOf(text) > MAX_STARS) return false;
  if (/[^\S ]|[\\<>"?#]/.test(text)) return false;
  return text.split('/').every((level) => level !== '' && level !== '.' && level !== '..');
}
