/**
 * Follows HLS as a careful player does and holds everything against the checkers: the master playlist, every media
 * playlist and each step to the next, initialization sections, segments, parts. Uses blocked reloads, delta updates
 * and preload hints where the server offers them.
 */
import { checkPlaylist } from '../conformance/m3u8-checker.ts';
import { checkBandwidth, type MeasuredSegment } from '../conformance/m3u8-master-checker.ts';
import {
  type CheckedPlaylist,
  type ListedPart,
  type ListedSegment,
  unquoted,
} from '../conformance/m3u8-model.ts';
import {
  checkDeltaUpdate,
  checkPlaylistUpdate,
  checkRenditionReports,
} from '../conformance/m3u8-update-checker.ts';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { hlsOpinion } from './hls-oracle.ts';
import { ask } from './http-client.ts';
import { readByMp4box } from './mp4-oracle.ts';

export interface FollowOptions {
  readonly port: number;
  /** Of the address that a viewer is given. */
  readonly path: string;
  readonly seconds: number;
}

const LIVE_SLACK = 1.25;
/** Bytes that were fetched and are needed once more to compare. */
const MAX_KEPT = 200;

export class HlsFollower {
  readonly violations: string[] = [];
  /** The master playlist; the list itself when there is none. */
  master: CheckedPlaylist | null = null;
  readonly lists: FollowedList[] = [];
  private readonly options: FollowOptions;

  constructor(options: FollowOptions) {
    this.options = options;
  }

  async run(): Promise<void> {
    const { port, path, seconds } = this.options;
    const { text } = await fetchPlaylist(port, path, this.violations);
    const first = checkPlaylist(text);
    const uris = new Set<string>();
    if (first.isMaster) {
      this.master = first;
      this.violations.push(...first.violations.map((one) => `master: ${one}`));
      const opinion = hlsOpinion(text);
      if (opinion !== '') this.violations.push(`master: hls-parser: ${opinion}`);
      for (const { uri } of first.variants) uris.add(uri);
      for (const rendition of first.renditions) uris.add(unquoted(rendition, 'URI'));
    } else uris.add(path);
    for (const uri of uris)
      if (uri !== '') this.lists.push(new FollowedList(port, resolve(path, uri), uri, first.independent));
    const deadline = Date.now() + seconds * 1000;
    await Promise.all(this.lists.map((list) => list.run(deadline)));
    for (const list of this.lists)
      this.violations.push(...list.violations.map((one) => `${list.name}: ${one}`));
    await this.checkReports();
    this.checkBandwidths();
  }

  /** A report must lie between what its list said before and after. */
  private async checkReports(): Promise<void> {
    const listed = async () =>
      new Map(
        await Promise.all(
          this.lists.map(async (list) => [list.name, checkPlaylist((await list.fetch('')).text)] as const),
        ),
      );
    if (this.lists.length < 2 || this.lists.every(({ last }) => last?.partTarget === 0)) return;
    const before = await listed();
    const reporting = await Promise.all(
      this.lists.map(async (list) => {
        const playlist = checkPlaylist((await list.fetch('')).text);
        const reports = playlist.reports.map((one) => ({ ...one, uri: resolve(list.path, one.uri) }));
        return [list.name, { ...playlist, reports }] as const;
      }),
    );
    const after = await listed();
    for (const [name, playlist] of reporting) {
      const others = new Map(
        [...before]
          .filter(([other]) => other !== name)
          .map(([other, first]) => [other, { before: first, after: after.get(other)! }]),
      );
      for (const one of checkRenditionReports(playlist, others)) this.violations.push(`${name}: ${one}`);
    }
  }

  /** The sound of a variant counts into its bandwidth. */
  private checkBandwidths(): void {
    for (const variant of this.master?.variants ?? []) {
      const group = unquoted(variant.attributes, 'AUDIO');
      const own = this.lists.find(({ uri }) => uri === variant.uri);
      const sound = this.master?.renditions.find((one) => unquoted(one, 'GROUP-ID') === group);
      const audio = this.lists.find(({ uri }) => sound !== undefined && uri === unquoted(sound, 'URI'));
      if (own?.last === null || own === undefined) continue;
      const more = audio === undefined || audio === own ? 0 : audio.bytesPerSecond;
      const measured = own.measured.map(({ seconds, bytes }) => ({
        seconds,
        bytes: bytes + seconds * more * 0.95,
      }));
      // A master playlist of a live stream tells of the past alone, so a little more in the segments is no fault.
      const said = Number(variant.attributes.get('BANDWIDTH')) * LIVE_SLACK;
      const attributes = new Map(variant.attributes).set('BANDWIDTH', String(said));
      for (const one of checkBandwidth(
        { uri: variant.uri, attributes },
        own.last.targetDuration,
        measured,
        1.5,
      ))
        this.violations.push(`${variant.uri}: ${one}`);
    }
  }
}

export class FollowedList {
  /** As the master playlist has it. */
  readonly uri: string;
  /** Path without query. */
  readonly name: string;
  readonly violations: string[] = [];
  readonly measured: MeasuredSegment[] = [];
  readonly mp4 = new Mp4Checker();
  readonly ts = new TsChecker();
  last: CheckedPlaylist | null = null;
  reloads = 0;
  deltas = 0;
  hints = 0;
  fetchedParts = 0;
  /** With query. */
  readonly path: string;
  private readonly port: number;
  /** The master playlist says that every segment can be decoded alone. */
  private readonly allIndependent: boolean;
  private readonly partMp4 = new Mp4Checker();
  private readonly kept = new Map<string, Buffer>();
  private readonly pieces: Buffer[] = [];
  private nextSequence = -1;
  private map = '';
  private partMap = '';
  private hinted: { readonly uri: string; readonly answer: Promise<Buffer> } | null = null;

  constructor(port: number, path: string, uri: string, allIndependent: boolean) {
    this.allIndependent = allIndependent;
    this.port = port;
    this.path = path;
    this.uri = uri;
    this.name = path.split('?', 1)[0]!;
  }

  get bytesPerSecond(): number {
    const seconds = this.measured.reduce((sum, one) => sum + one.seconds, 0);
    return this.measured.reduce((sum, one) => sum + one.bytes, 0) / Math.max(seconds, 0.001);
  }

  /** Whole frames that a foreign reader finds in the fMP4 that was fetched. */
  foreignReading(): ReturnType<typeof readByMp4box> {
    return readByMp4box(this.pieces);
  }

  fetch(query: string): Promise<{ text: string }> {
    const joint = this.path.includes('?') ? '&' : '?';
    return fetchPlaylist(this.port, `${this.path}${query === '' ? '' : joint + query}`, this.violations);
  }

  async run(deadline: number): Promise<void> {
    while (Date.now() < deadline && this.violations.length < 20) {
      const { text } = await this.fetch(this.blockingQuery());
      const now = checkPlaylist(text);
      this.reloads++;
      const opinion = hlsOpinion(text);
      if (opinion !== '') this.violations.push(`hls-parser: ${opinion}`);
      this.violations.push(...now.violations);
      if (this.last !== null) this.violations.push(...checkPlaylistUpdate(this.last, now));
      if (this.reloads % 3 === 0) await this.delta(now);
      this.last = now;
      await this.take(now);
      if (now.ended) break;
      if (now.partTarget === 0) await new Promise((done) => setTimeout(done, 300));
    }
    if (this.ts.packets > 0) this.violations.push(...this.ts.finish());
    this.violations.push(...this.mp4.violations, ...this.partMp4.violations.map((one) => `part ${one}`));
  }

  /** What comes after the newest that is known. */
  private blockingQuery(): string {
    const { last } = this;
    if (last === null || !last.serverControl.has('CAN-BLOCK-RELOAD')) return '';
    const next = last.mediaSequence + last.segments.length;
    return `_HLS_msn=${next}&_HLS_part=${last.openParts.length}`;
  }

  private async delta(before: CheckedPlaylist): Promise<void> {
    if (!before.serverControl.has('CAN-SKIP-UNTIL')) return;
    const { text } = await this.fetch('_HLS_skip=YES');
    const full = await this.fetch('');
    const delta = checkPlaylist(text);
    this.violations.push(...delta.violations.map((one) => `delta: ${one}`));
    const whole = checkPlaylist(full.text);
    const isSameMoment =
      delta.openParts.length === whole.openParts.length &&
      delta.segments.at(-1)?.uri === whole.segments.at(-1)?.uri;
    if (!isSameMoment) return;
    this.deltas++;
    this.violations.push(...checkDeltaUpdate(before, delta, whole).map((one) => `delta: ${one}`));
  }

  private async take(list: CheckedPlaylist): Promise<void> {
    for (const segment of list.segments) {
      if (segment.sequence < this.nextSequence || segment.gap) continue;
      // A player begins with the newest; what went before is checked as a list only.
      if (this.nextSequence < 0 && list.segments.length - list.segments.indexOf(segment) > 3) continue;
      this.nextSequence = segment.sequence + 1;
      await this.segment(segment, list.independent || this.allIndependent);
    }
    for (const part of list.openParts) await this.part(part);
    const hint = list.hints.get('PART');
    if (hint !== undefined && this.hinted?.uri !== hint) {
      this.hints++;
      this.hinted = { uri: hint, answer: this.bytes(hint) };
      this.hinted.answer.catch(() => {});
    }
  }

  private async segment(segment: ListedSegment, independent: boolean): Promise<void> {
    const bytes = await this.bytes(segment.uri);
    this.measured.push({ seconds: segment.seconds, bytes: bytes.length });
    if (segment.map === '') {
      this.ts.segment(bytes, segment.uri, independent);
      return;
    }
    if (segment.map !== null && segment.map !== this.map) {
      this.map = segment.map;
      const init = await this.bytes(segment.map);
      this.mp4.init(init, segment.map);
      if (this.pieces.length === 0) this.pieces.push(init);
    }
    const { discontinuity, seconds, uri } = segment;
    // Durations are rounded to thousandths, and pictures are reordered across the end of a segment.
    this.mp4.segment(bytes, { name: uri, independent, discontinuity, seconds, secondsTolerance: 0.05 });
    if (!discontinuity) this.pieces.push(bytes);
    if (segment.parts.length === 0) return;
    const parts: Buffer[] = [];
    for (const part of segment.parts) parts.push(await this.part(part, segment));
    if (!Buffer.concat(parts).equals(bytes))
      this.violations.push(`'${uri}' is not its parts one after the other`);
  }

  private async part(part: ListedPart, segment?: ListedSegment): Promise<Buffer> {
    const known = this.kept.get(part.uri);
    if (known !== undefined) return known;
    const bytes = this.hinted?.uri === part.uri ? await this.hinted.answer : await this.bytes(part.uri);
    this.kept.set(part.uri, bytes);
    for (const key of this.kept.keys()) if (this.kept.size > MAX_KEPT) this.kept.delete(key);
    this.fetchedParts++;
    if (segment !== undefined && segment.map !== null && segment.map !== this.partMap) {
      this.partMap = segment.map;
      this.partMp4.init(await this.bytes(segment.map), segment.map);
    }
    if (this.partMap !== '') {
      const { uri, independent, seconds } = part;
      const isFirst = segment?.parts[0] === part;
      const discontinuity = isFirst && segment.discontinuity;
      this.partMp4.segment(bytes, {
        name: uri,
        independent,
        discontinuity,
        seconds,
        secondsTolerance: 0.002,
      });
    }
    return bytes;
  }

  private async bytes(uri: string): Promise<Buffer> {
    const { status, body, headers } = await ask({ port: this.port, path: resolve(this.path, uri) });
    if (status !== 200) this.violations.push(`'${uri}' is answered ${status}`);
    if (headers['access-control-allow-origin'] !== '*') this.violations.push(`'${uri}' has no CORS header`);
    return body;
  }
}

/** The path that a URI in the list at `base` means. */
function resolve(base: string, uri: string): string {
  const { pathname, search } = new URL(uri, `http://host${base}`);
  return pathname + search;
}

async function fetchPlaylist(port: number, path: string, violations: string[]): Promise<{ text: string }> {
  const { status, text, headers } = await ask({ port, path });
  if (status !== 200) violations.push(`${path} is answered ${status}`);
  if (headers['content-type'] !== 'application/vnd.apple.mpegurl')
    violations.push(`${path} is ${headers['content-type']}`);
  if (headers['access-control-allow-origin'] !== '*') violations.push(`${path} has no CORS header`);
  return { text };
}
