/** config.xml and environment -> checked settings of the server, and defaults of stream settings that stand among them. */
import { nearestName } from '../util/edit-distance.ts';
import type { XmlDocument, XmlElement } from '../util/xml-document.ts';
import { PolicyFile, streamField } from './policy-file.ts';
import type { PolicyRule } from './policy-rule.ts';
import { type Report, sentence, shown } from './report.ts';
import {
  asElement,
  type Given,
  type KnownName,
  type KnownNames,
  knownNames,
  SectionReader,
} from './section-reader.ts';
import { SERVER_SECTIONS } from './server-config.ts';
import { metaOf, plainName, type Section } from './setting.ts';
import { UNUSED_ELEMENTS } from './smart-rtmpd-elements.ts';
import { STREAM_SECTIONS } from './stream-policy.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a configuration gives, by path: `rtmp.chunkSize`, and stream settings such as `gop.cache`. */
export type GivenSettings = Map<string, Given>;

const sections: readonly Section[] = Object.values(SERVER_SECTIONS);

const SECTION_NAMES: ReadonlyMap<string, KnownNames> = new Map(
  sections.map((section) => [section.name, knownNames(section, streamField)]),
);

/** Names of the elements that `<config>` may hold. */
const ROOT_NAMES = [...SECTION_NAMES.keys(), ...Object.keys(UNUSED_ELEMENTS), 'vhosts'];

export interface ConfigFile {
  readonly given: GivenSettings;
  /** Rules of old smart_rtmpd builds, which had them in config.xml. */
  readonly rules: readonly PolicyRule[];
  readonly outerRules: readonly PolicyRule[];
}

export function readConfigFile(document: XmlDocument, report: Report): ConfigFile {
  const given: GivenSettings = new Map();
  const { root } = document;
  const reader = new SectionReader(document, report);
  const legacy = new PolicyFile(document, report);
  const seen = new Map<string, XmlElement>();
  if (root.name !== 'config') {
    report.error(
      document.where(root.offset),
      `the outermost element is <${shown(root.name)}>; it must be <config>.`,
    );
    return { given, rules: [], outerRules: [] };
  }
  reader.read({ ...root, children: [] }, new Map());
  for (const element of root.children) {
    const names = SECTION_NAMES.get(element.name);
    const where = document.where(element.offset);
    const earlier = seen.get(element.name);
    if (earlier !== undefined) {
      report.error(where, `<${element.name}> is given twice (first at ${document.where(earlier.offset)}).`);
    }
    seen.set(element.name, element);
    if (names !== undefined) for (const one of reader.read(element, names)) given.set(one.path, one);
    else if (element.name === 'vhosts') legacy.readGroup(element, ['vhost', 'url']);
    else if (Object.hasOwn(UNUSED_ELEMENTS, element.name)) readUnused(element, where, reader);
    else if (Object.hasOwn(STREAM_SECTIONS, element.name) || element.name === 'forward') {
      report.error(
        where,
        `<${element.name}> belongs in policy.xml, inside <application>, <stream>, <vhost> or <url>.`,
      );
    } else if (placesOf(element.name).length > 0) {
      report.error(where, `<${shown(element.name)}> belongs inside ${placesOf(element.name).join(' or ')}.`);
    } else reader.unknownElement(element, root, ROOT_NAMES);
  }
  return { given, rules: legacy.rules, outerRules: legacy.outerRules };
}

/** Sections that have a setting of this name. */
function placesOf(name: string): string[] {
  return [...SECTION_NAMES]
    .filter(([, names]) => names.has(plainName(name)))
    .map(([section]) => asElement(section));
}

/** One warning for the whole element when it holds anything; names in it are still checked. */
function readUnused(element: XmlElement, where: string, reader: SectionReader): void {
  const { names, reason } = UNUSED_ELEMENTS[element.name]!;
  const known = new Map<string, KnownName>();
  for (const spelling of names) known.set(plainName(spelling), { kind: 'unused', spelling, reason });
  const parts = [
    ...element.children.map((child) => child.text),
    element.text,
    ...element.attributes.map((one) => one.value),
  ];
  const isEmpty = parts.every((text) => text === '');
  if (!isEmpty) reader.warnUnused(where, `<${element.name}>`, reason);
  // The names inside are covered by that one warning: their texts are not looked at.
  const children = element.children.map((child) => ({ ...child, text: '' }));
  const attributes = element.attributes.map((attribute) => ({ ...attribute, value: '' }));
  reader.read({ ...element, children, attributes }, known, true);
}

const PREFIX = 'SLUICE_';

/** `SLUICE_RTMP_CHUNK_SIZE=60000` sets `<rtmp><chunk-size>`; variables of no section are not ours to judge. */
export function readEnvironment(environment: Environment, given: GivenSettings, report: Report): void {
  const variables = new Map<string, Extract<KnownName, { kind: 'field' }>>();
  for (const [section, names] of SECTION_NAMES) {
    for (const known of names.values()) {
      if (known.kind === 'field') variables.set(variableName(section, known.spelling), known);
    }
  }
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || !isOfSection(name)) continue;
    const known = variables.get(name);
    const what = `${name}=${shown(text)}`;
    if (known === undefined) {
      const meant = nearestName(name, variables.keys());
      report.error(
        'environment',
        `unknown variable ${name}${meant === '' ? '.' : `; did you mean ${meant}?`}`,
      );
      continue;
    }
    const result = known.schema.safeParse(text);
    if (!result.success) {
      report.error('environment', sentence(what, result.error.issues[0]!.message));
      continue;
    }
    const { unused, defaultText } = metaOf(known.schema);
    if (unused !== undefined && text !== defaultText)
      report.warn('environment', `${what} is not used by this version: ${unused}.`);
    given.set(known.path, { path: known.path, text, value: result.data, where: `environment ${name}` });
  }
}

function variableName(section: string, spelling: string): string {
  return `${PREFIX}${section}_${spelling}`.toUpperCase().replaceAll('-', '_');
}

function isOfSection(name: string): boolean {
  return sections.some((section) => name.startsWith(variableName(section.name, '')));
}
