/** `source` of `<stream>`, what belongs to it, and `<source>` elements: a channel out of files, or a pulled stream. */
import { VOD_SOURCE } from '../service/channel/channel-config.ts';
import {
  hasVariableHost,
  PULL_URL,
  type PullSource,
  pullSection,
  sortSources,
} from '../service/pull/pull-config.ts';
import type { XmlDocument, XmlElement } from '../util/xml-document.ts';
import type { RuleChannel } from './policy-rule.ts';
import { type Report, sentence, shown } from './report.ts';
import type { Given, KnownNames, SectionReader } from './section-reader.ts';
import { channelSection } from './stream-source-section.ts';

const MAX_SOURCES = 16;

export interface SourceNames {
  readonly channel: KnownNames;
  readonly source: KnownNames;
}

export class StreamSourceReader {
  private readonly document: XmlDocument;
  private readonly report: Report;
  private readonly reader: SectionReader;
  private readonly names: SourceNames;

  constructor(document: XmlDocument, report: Report, reader: SectionReader, names: SourceNames) {
    this.document = document;
    this.report = report;
    this.reader = reader;
    this.names = names;
  }

  /** `element` has the attributes that belong to a source and nothing else; `children` are `<source>` elements. */
  read(element: XmlElement, children: readonly XmlElement[], path: string): RuleChannel | null {
    if (element.attributes.length === 0 && children.length === 0) return null;
    const where = this.document.where(element.offset);
    const given = this.reader.read(element, this.names.channel);
    const own = channelSection.schema.parse(textsOf(given));
    const isBroken = given.length < element.attributes.length;
    const isFile = own.source.startsWith(VOD_SOURCE);
    if (isFile) {
      if (children.length > 0)
        this.report.error(
          this.document.where(children[0]!.offset),
          '<source> does not go with a file channel.',
        );
      if (path.includes('*')) {
        this.report.error(where, 'a stream with a source needs a name without *.');
        return null;
      }
      const file = own.source.slice(VOD_SOURCE.length);
      const { loop, onDemand } = own;
      const channel = Object.freeze({ stream: path, file, loop, onDemand, where });
      return { channel, pull: null, given, sources: [] };
    }
    const read = children.map((child) => this.readSource(child));
    const sources = read.flatMap((one) => (one === null ? [] : [one.source]));
    if (own.source !== '') {
      if (this.checkUrl(own.source, `source="${shown(own.source)}"`, where))
        sources.unshift({ ...(pullSection.schema.parse({}) as PullSource), url: own.source });
      else return null;
    }
    if (sources.length === 0) {
      if (!isBroken && children.length === 0) {
        const message =
          'loop, on-demand and times of a source belong to one, such as source="vod:list.m3u" or source="rtsp://host/main".';
        this.report.error(where, message);
      }
      return null;
    }
    if (sources.length > MAX_SOURCES)
      this.report.error(where, `a stream has at most ${MAX_SOURCES} sources.`);
    const pull = Object.freeze({
      stream: path,
      sources: sortSources(sources),
      onDemand: own.onDemand || path.includes('*'),
      startMs: own.startTimeoutMs,
      closeMs: own.closeAfterMs,
      retryMs: own.retryMs,
      retryMaxMs: Math.max(own.retryMs, own.retryMaxMs),
      where,
    });
    return {
      channel: null,
      pull,
      given,
      sources: read.flatMap((one) => (one === null ? [] : [one.given])),
    };
  }

  /** The URL may also be the element's text. */
  private readSource(element: XmlElement): { source: PullSource; given: readonly Given[] } | null {
    const where = this.document.where(element.offset);
    const hasAttribute = element.attributes.some(({ name }) => name === 'url');
    const isText = element.text !== '' && !hasAttribute;
    const attributes = isText
      ? [...element.attributes, { name: 'url', value: element.text, offset: element.textOffset }]
      : element.attributes;
    const given = this.reader.read(
      { ...element, attributes, text: isText ? '' : element.text },
      this.names.source,
    );
    const source = pullSection.schema.parse(textsOf(given)) as PullSource;
    if (source.url === '') {
      if (given.length === attributes.length)
        this.report.error(where, '<source> needs a URL: <source url="rtsp://host/main"/>.');
      return null;
    }
    return this.checkUrl(source.url, `url="${shown(source.url)}"`, where)
      ? { source: Object.freeze(source), given }
      : null;
  }

  private checkUrl(url: string, what: string, where: string): boolean {
    if (!PULL_URL.test(url)) {
      this.report.error(
        where,
        sentence(
          what,
          'is no URL that can be pulled, such as rtsp://192.0.2.20/main or rtmp://host/live/cam',
        ),
      );
      return false;
    }
    if (!hasVariableHost(url)) return true;
    this.report.error(where, sentence(what, 'has a variable in its host: viewers would choose whom it asks'));
    return false;
  }
}

function textsOf(given: readonly Given[]): Record<string, string> {
  return Object.fromEntries(given.map((one) => [one.path.slice(one.path.indexOf('.') + 1), one.text]));
}
