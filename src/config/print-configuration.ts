/** The configuration in force as XML that can be loaded again, with the origin of every value as a comment. */

import { pullSection } from '../service/pull/pull-config.ts';
import { recordSection } from '../service/record/record-config.ts';
import type { GivenSettings } from './config-file.ts';
import { DEFAULT_APPS } from './policy-resolver.ts';
import type { PolicyRule } from './policy-rule.ts';
import type { Given } from './section-reader.ts';
import { SERVER_SECTIONS } from './server-config.ts';
import { HIDDEN, metaOf, type Section, xmlName } from './setting.ts';
import { STREAM_SECTIONS } from './stream-policy.ts';
import { channelSection } from './stream-source-section.ts';

const COMMENT_COLUMN = 50;

/** Both documents, config.xml first, each below a comment with the file's name. */
export function printConfiguration(
  given: GivenSettings,
  outerRules: readonly PolicyRule[],
  names: { configName: string; policyName: string },
): string {
  const config = [comment(names.configName), '<config>', ...printSections(given), '</config>'];
  const policy = [
    comment(names.policyName),
    '<policy>',
    ...printDefaults(given),
    ...outerRules.flatMap((rule) => printRule(rule, 1)),
    '</policy>',
  ];
  return `${config.join('\n')}\n\n${policy.join('\n')}\n`;
}

function printSections(given: GivenSettings): string[] {
  const lines: string[] = [];
  const printed = new Set<string>();
  for (const section of Object.values(SERVER_SECTIONS) as Section[]) {
    const inner: string[] = [];
    for (const [key, schema] of Object.entries(section.fields)) {
      const one = given.get(`${section.name}.${key}`);
      const { defaultText, unused, secret } = metaOf(schema);
      const shownOne = secret && one !== undefined && one.text !== '' ? { ...one, text: HIDDEN } : one;
      if (unused === undefined || one !== undefined)
        inner.push(printSetting(xmlName(key, schema), shownOne, defaultText));
    }
    for (const [spelling, path] of Object.entries(section.streamDefaults)) {
      const one = given.get(path);
      if (one === undefined || printed.has(path)) continue;
      printed.add(path);
      inner.push(printSetting(spelling, one, ''));
    }
    if (inner.length > 0) lines.push(`  <${section.name}>`, ...inner, `  </${section.name}>`);
  }
  return lines;
}

function printSetting(name: string, one: Given | undefined, defaultText: string): string {
  return withOrigin(`    <${name}>${escapeXml(one?.text ?? defaultText)}</${name}>`, one?.where ?? 'default');
}

function printDefaults(given: GivenSettings): string[] {
  const lines = Object.values(STREAM_SECTIONS).map((section: Section) => {
    const attributes = Object.entries(section.fields).map(([key, schema]) => {
      const text = given.get(`${section.name}.${key}`)?.text ?? metaOf(schema).defaultText;
      return ` ${xmlName(key, schema)}="${escapeXml(text)}"`;
    });
    return `  ${comment(`<${section.name}${attributes.join('')}/>`)}`;
  });
  return [
    `  ${comment(`allowed without being listed: ${DEFAULT_APPS.join(', ')}`)}`,
    `  ${comment('every stream, unless a rule below says otherwise:')}`,
    ...lines,
  ];
}

function printRule(rule: PolicyRule, depth: number): string[] {
  const indent = '  '.repeat(depth);
  const head = `${indent}<${rule.kind} name="${escapeXml(rule.name)}"${printChannel(rule)}`;
  const inner = [
    ...printGiven(rule, indent),
    ...printSources(rule, indent),
    ...printForwards(rule, indent),
    ...printRecords(rule, indent),
    ...rule.streams.flatMap((one) => printRule(one, depth + 1)),
  ];
  if (inner.length === 0) return [withOrigin(`${head}/>`, rule.where)];
  return [withOrigin(`${head}>`, rule.where), ...inner, `${indent}</${rule.kind}>`];
}

function printGiven(rule: PolicyRule, indent: string): string[] {
  return Object.values(STREAM_SECTIONS).flatMap((section: Section) => {
    const given = rule.given.filter((one) => one.path.startsWith(`${section.name}.`));
    if (given.length === 0) return [];
    const attributes = given.map((one) => {
      const key = one.path.slice(section.name.length + 1);
      const field = section.fields[key]!;
      return ` ${xmlName(key, field)}="${escapeXml(metaOf(field).secret ? HIDDEN : one.text)}"`;
    });
    return [withOrigin(`${indent}  <${section.name}${attributes.join('')}/>`, given[0]!.where)];
  });
}

function printForwards(rule: PolicyRule, indent: string): string[] {
  return rule.forwards.map(({ forward, enable, where }) => {
    const state = enable ? '' : ' enable="off"';
    if (forward === null) return withOrigin(`${indent}  <forward${state}/>`, where);
    const { target, rewrite } = forward;
    const text = `${indent}  <forward${state} rewrite="${escapeXml(rewrite === target ? '' : rewrite)}">${escapeXml(target)}</forward>`;
    return withOrigin(text, where);
  });
}

function printChannel({ channel }: PolicyRule): string {
  const fields: Section['fields'] = channelSection.fields;
  const attributes = (channel?.given ?? []).map((one) => {
    const key = one.path.slice(channelSection.name.length + 1);
    return ` ${xmlName(key, fields[key]!)}="${escapeXml(printedUrl(one.text))}"`;
  });
  return attributes.join('');
}

/** What stands in for a user name and a password still loads. */
function printedUrl(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${HIDDEN}@`);
}

function printSources({ channel }: PolicyRule, indent: string): string[] {
  const fields: Section['fields'] = pullSection.fields;
  return (channel?.sources ?? []).map((given) => {
    const attributes = given.map((one) => {
      const key = one.path.slice(pullSection.name.length + 1);
      return ` ${xmlName(key, fields[key]!)}="${escapeXml(printedUrl(one.text))}"`;
    });
    return withOrigin(`${indent}  <source${attributes.join('')}/>`, given[0]?.where ?? '');
  });
}

function printRecords(rule: PolicyRule, indent: string): string[] {
  return rule.records.map(({ given, where }) => {
    const attributes = given.map((one) => {
      const key = one.path.slice(recordSection.name.length + 1);
      const fields: Section['fields'] = recordSection.fields;
      return ` ${xmlName(key, fields[key]!)}="${escapeXml(one.text)}"`;
    });
    return withOrigin(`${indent}  <record${attributes.join('')}/>`, where);
  });
}

function withOrigin(line: string, origin: string): string {
  return `${line.padEnd(COMMENT_COLUMN)} ${comment(origin)}`;
}

/** Two hyphens may not stand in a comment. */
function comment(text: string): string {
  return `<!-- ${text.replace(/--+/g, '- -').replace(/-$/, '- ')} -->`;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
