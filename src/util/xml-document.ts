/**
 * A small XML file with the place of everything in it: elements, attributes and texts know their offset, and an
 * offset becomes `file:line:column`. XML 1.0 without document type declarations: they are refused, and with them
 * every entity that is not built in. Comments and processing instructions are skipped.
 */
import {
  type XmlElement as ParsedElement,
  XmlElement as ParsedElementClass,
  parseXml,
  XmlError,
  XmlText,
} from '@rgrove/parse-xml';
import { ConfigError } from './errors.ts';

/** Longest file that is read, in UTF-16 units. */
export const MAX_XML_LENGTH = 1024 * 1024;
const MAX_DEPTH = 16;
const MAX_EXCERPT = 60;

export interface XmlAttribute {
  readonly name: string;
  readonly value: string;
  readonly offset: number;
}

export interface XmlElement {
  readonly name: string;
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly XmlElement[];
  /** Own text without that of children, trimmed. */
  readonly text: string;
  /** Of the first character of the trimmed text; of the element when there is none. */
  readonly textOffset: number;
  /** Of the `<`. */
  readonly offset: number;
  /** Of the `<` of the end tag; of the element itself when it has none. */
  readonly endOffset: number;
}

export class XmlDocument {
  /** File name for messages. */
  readonly name: string;
  readonly root: XmlElement;
  private readonly lineStarts: readonly number[];

  constructor(name: string, root: XmlElement, lineStarts: readonly number[]) {
    this.name = name;
    this.root = root;
    this.lineStarts = lineStarts;
  }

  /** `file:line:column`, both counted from 1, columns in UTF-16 units. */
  where(offset: number): string {
    return place(this.name, this.lineStarts, offset);
  }

  /** Line number, from 1. */
  lineOf(offset: number): number {
    return lineIndex(this.lineStarts, offset) + 1;
  }
}

/** Throws ConfigError with `file:line:column` when the text is no well-formed XML, too long or nested too deeply. */
export function parseXmlDocument(source: string, name: string): XmlDocument {
  const text = source.startsWith('\uFEFF') ? source.slice(1) : source;
  if (text.length > MAX_XML_LENGTH) {
    throw new ConfigError(
      name,
      `the file is longer than ${MAX_XML_LENGTH / 1024} KiB; that cannot be a configuration.`,
    );
  }
  const lineStarts = findLineStarts(text);
  const parsed = parse(text, name, lineStarts);
  for (const node of parsed.children) {
    if (node.type !== 'doctype') continue;
    throw new ConfigError(
      place(name, lineStarts, node.start),
      'a document type declaration (<!DOCTYPE …>) is not allowed here.',
    );
  }
  const root = parsed.root;
  if (root === null) throw new ConfigError(place(name, lineStarts, 0), 'the file holds no element.');
  return new XmlDocument(name, convert(root, text, name, lineStarts, 1), lineStarts);
}

function parse(text: string, name: string, lineStarts: readonly number[]) {
  try {
    return parseXml(text, { includeOffsets: true, preserveDocumentType: true });
  } catch (error) {
    if (error instanceof XmlError) {
      const line = lineIndex(lineStarts, error.pos);
      const excerpt = text
        .slice(lineStarts[line], lineStarts[line + 1])
        .trim()
        .slice(0, MAX_EXCERPT);
      const cause = error.message.split(' (line ')[0]!;
      throw new ConfigError(
        place(name, lineStarts, error.pos),
        `this is no well-formed XML: ${cause}${excerpt === '' ? '' : ` in ${excerpt}`}`,
      );
    }
    // The parser descends by recursion.
    if (error instanceof RangeError) throw tooDeep(place(name, lineStarts, 0));
    throw error;
  }
}

function tooDeep(where: string): ConfigError {
  return new ConfigError(where, `elements are nested more than ${MAX_DEPTH} deep.`);
}

function convert(
  parsed: ParsedElement,
  text: string,
  name: string,
  lineStarts: readonly number[],
  depth: number,
): XmlElement {
  if (depth > MAX_DEPTH) throw tooDeep(place(name, lineStarts, parsed.start));
  const children: XmlElement[] = [];
  let own = '';
  let textOffset = parsed.start;
  for (const node of parsed.children) {
    if (node instanceof ParsedElementClass) children.push(convert(node, text, name, lineStarts, depth + 1));
    else if (node instanceof XmlText && node.text.trim() !== '') {
      if (own === '') textOffset = node.start + text.slice(node.start, node.end).search(/\S/);
      own += node.text;
    }
  }
  const hasEndTag = text[parsed.end - 2] !== '/';
  return {
    name: parsed.name,
    attributes: scanAttributes(parsed, text),
    children,
    text: own.trim(),
    textOffset,
    offset: parsed.start,
    endOffset: hasEndTag ? text.lastIndexOf('</', parsed.end) : parsed.start,
  };
}

/** The parser gives values but no places: those are found in the start tag, which is known to be well-formed. */
function scanAttributes(parsed: ParsedElement, text: string): XmlAttribute[] {
  const attributes: XmlAttribute[] = [];
  const pattern = /\s+([^\s=<>/"']+)\s*=\s*(?:"[^"]*"|'[^']*')/y;
  pattern.lastIndex = parsed.start + 1 + parsed.name.length;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const name = match[1]!;
    attributes.push({
      name,
      value: parsed.attributes[name] ?? '',
      offset: match.index + match[0].indexOf(name),
    });
  }
  return attributes;
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  return starts;
}

function lineIndex(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

function place(name: string, lineStarts: readonly number[], offset: number): string {
  const line = lineIndex(lineStarts, offset);
  return `${name}:${line + 1}:${offset - lineStarts[line]! + 1}`;
}
