/**
 * Matches an XML element against the section that it stands for. A setting may be an attribute or a child element.
 * Whatever is not known is an error with the nearest known name; what smart_rtmpd knows and this version does not
 * use is a warning.
 */
import type * as z from 'zod';
import { nearestName } from '../util/edit-distance.ts';
import type { XmlDocument, XmlElement } from '../util/xml-document.ts';
import { type Report, sentence, shown } from './report.ts';
import { metaOf, plainName, type Section, xmlName } from './setting.ts';

/** A setting as it was given, checked. */
export interface Given {
  /** `rtmp.chunkSize`. */
  readonly path: string;
  readonly text: string;
  readonly value: unknown;
  readonly where: string;
}

/** What a name inside a section stands for. */
export type KnownName =
  | { readonly kind: 'field'; readonly path: string; readonly spelling: string; readonly schema: z.ZodType }
  | { readonly kind: 'unused'; readonly spelling: string; readonly reason: string };

/** Plain name -> meaning. */
export type KnownNames = ReadonlyMap<string, KnownName>;

/** `fieldOf` finds stream settings by path, for names that are their defaults. */
export function knownNames(section: Section, fieldOf: (path: string) => z.ZodType): KnownNames {
  const names = new Map<string, KnownName>();
  const byPlainName = new Map<string, KnownName>();
  for (const [key, schema] of Object.entries(section.fields)) {
    const known: KnownName = {
      kind: 'field',
      path: `${section.name}.${key}`,
      spelling: xmlName(key, schema),
      schema,
    };
    names.set(plainName(known.spelling), known);
    byPlainName.set(plainName(known.spelling), known);
  }
  for (const [alias, name] of Object.entries(section.aliases)) names.set(alias, byPlainName.get(name)!);
  for (const [spelling, path] of Object.entries(section.streamDefaults)) {
    names.set(plainName(spelling), { kind: 'field', path, spelling, schema: fieldOf(path) });
  }
  for (const [spelling, reason] of Object.entries(section.unused)) {
    names.set(plainName(spelling), { kind: 'unused', spelling, reason });
  }
  return names;
}

/** `did you mean <port>?`, or all that is known. */
function hint(name: string, known: Iterable<string>, decorate: (name: string) => string): string {
  const all = [...new Set(known)];
  const meant = nearestName(name, all);
  if (meant !== '') return `; did you mean ${decorate(meant)}?`;
  return all.length === 0 ? '.' : `; known here: ${all.map(decorate).join(', ')}.`;
}

function spellings(names: KnownNames): string[] {
  return [...names.values()].map((one) => one.spelling);
}

export const asElement = (name: string) => `<${name}>`;

export class SectionReader {
  private readonly document: XmlDocument;
  private readonly report: Report;

  constructor(document: XmlDocument, report: Report) {
    this.document = document;
    this.report = report;
  }

  /**
   * The settings that `element` gives. Text of the element's own is refused unless `hasText`.
   */
  read(element: XmlElement, names: KnownNames, hasText = false): Given[] {
    const given = new Map<string, Given>();
    const keep = (one: Given | null, what: string) => {
      if (one === null) return;
      const earlier = given.get(one.path);
      if (earlier === undefined) given.set(one.path, one);
      else if (this.repeats(names, one.path)) given.set(one.path, joined(earlier, one));
      else this.report.error(one.where, `${what} is given twice (first at ${earlier.where}).`);
    };
    for (const { name, value, offset } of element.attributes) {
      const known = names.get(plainName(name));
      if (known === undefined) this.unknownAttribute(name, value, offset, element, spellings(names));
      else keep(this.setting(known, value, offset, `${shown(name)}="${shown(value)}"`), shown(name));
    }
    for (const child of element.children) {
      const known = names.get(plainName(child.name));
      if (known === undefined) {
        this.unknownElement(child, element, spellings(names));
        continue;
      }
      const what =
        child.text === '' ? `<${child.name}/>` : `<${child.name}>${shown(child.text)}</${child.name}>`;
      this.refuseContent(child);
      keep(this.setting(known, child.text, child.offset, what), asElement(child.name));
    }
    if (!hasText) this.refuseText(element);
    return [...given.values()];
  }

  private repeats(names: KnownNames, path: string): boolean {
    for (const known of names.values())
      if (known.kind === 'field' && known.path === path) return metaOf(known.schema).repeats === true;
    return false;
  }

  /** `what` is how the setting stands in the file, for messages. */
  private setting(known: KnownName, text: string, offset: number, what: string): Given | null {
    const where = this.document.where(offset);
    if (known.kind === 'unused') {
      if (text !== '') this.warnUnused(where, what, known.reason);
      return null;
    }
    const result = known.schema.safeParse(text);
    if (!result.success) {
      this.report.error(where, sentence(what, result.error.issues[0]!.message));
      return null;
    }
    const { unused, defaultText } = metaOf(known.schema);
    if (unused !== undefined && text !== defaultText) this.warnUnused(where, what, unused);
    return { path: known.path, text, value: result.data, where };
  }

  warnUnused(where: string, what: string, reason: string): void {
    this.report.warn(where, `${what} is not used by this version: ${reason}.`);
  }

  unknownElement(child: XmlElement, parent: XmlElement, known: Iterable<string>): void {
    const suffix = hint(child.name, known, asElement);
    this.report.error(
      this.document.where(child.offset),
      `unknown element <${shown(child.name)}> in <${parent.name}>${suffix}`,
    );
  }

  unknownAttribute(
    name: string,
    value: string,
    offset: number,
    parent: XmlElement,
    known: Iterable<string>,
  ): void {
    const suffix = hint(name, known, (one) => one);
    const what = `unknown attribute ${shown(name)}="${shown(value)}" of <${parent.name}>`;
    this.report.error(this.document.where(offset), `${what}${suffix}`);
  }

  /** A setting holds text and nothing else. */
  private refuseContent(element: XmlElement): void {
    for (const child of element.children) this.unknownElement(child, element, []);
    for (const { name, value, offset } of element.attributes)
      this.unknownAttribute(name, value, offset, element, []);
  }

  refuseText(element: XmlElement): void {
    if (element.text === '') return;
    const where = this.document.where(element.textOffset);
    this.report.error(where, `text "${shown(element.text)}" does not belong in <${element.name}>.`);
  }
}

/** Two elements of a setting that may be repeated, as one. */
function joined(a: Given, b: Given): Given {
  const value = [...(a.value as readonly unknown[]), ...(b.value as readonly unknown[])];
  return { ...a, text: `${a.text} ${b.text}`, value };
}
