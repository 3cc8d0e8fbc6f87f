/** Follows a DASH presentation as a careful player does and holds everything against the checkers. */

import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { checkMpd, expandTemplate, type MpdCheckOptions } from '../conformance/mpd-checker.ts';
import type { CheckedMpd, MpdRepresentation, MpdSegment } from '../conformance/mpd-model.ts';
import { checkMpdAt, checkMpdUpdate } from '../conformance/mpd-update-checker.ts';
import { ask } from './http-client.ts';

export interface DashFollowOptions extends MpdCheckOptions {
  readonly port: number;
  readonly path: string;
  readonly seconds: number;
}

/** How far the first presentation time of a segment may be off its place in the timeline, ticks. */
const TIME_TOLERANCE_TICKS = 2;

class FollowedRepresentation {
  readonly mp4 = new Mp4Checker();
  initialization = '';
  next = Number.NEGATIVE_INFINITY;
  segments = 0;
}

export class DashFollower {
  readonly violations: string[] = [];
  last: CheckedMpd | null = null;
  reloads = 0;
  readonly followed = new Map<string, FollowedRepresentation>();
  private readonly options: DashFollowOptions;
  private readonly folder: string;

  constructor(options: DashFollowOptions) {
    this.options = options;
    this.folder = options.path.slice(0, options.path.lastIndexOf('/') + 1);
  }

  async run(): Promise<void> {
    const deadline = Date.now() + this.options.seconds * 1000;
    while (Date.now() < deadline && this.violations.length < 20) {
      const { text, headers } = await this.get(this.options.path);
      const mpd = checkMpd(text, this.options);
      this.reloads++;
      if (headers['content-type'] !== 'application/dash+xml')
        this.violations.push(`MPD is ${headers['content-type']}`);
      this.violations.push(...mpd.violations, ...checkMpdAt(mpd, Date.now()));
      if (this.last?.isDynamic === true) this.violations.push(...checkMpdUpdate(this.last, mpd));
      this.last = mpd;
      for (const period of mpd.periods) {
        for (const one of period.representations) await this.take(period.id, one, mpd.baseUrl);
      }
      if (!mpd.isDynamic) break;
      await new Promise((done) => setTimeout(done, 400));
    }
    for (const [name, { mp4 }] of this.followed)
      this.violations.push(...mp4.violations.map((one) => `${name}: ${one}`));
  }

  private async take(periodId: string, one: MpdRepresentation, baseUrl: string): Promise<void> {
    const name = `${periodId}/${one.id}`;
    let known = this.followed.get(name);
    if (known === undefined) {
      known = new FollowedRepresentation();
      this.followed.set(name, known);
      known.next = one.segments.at(-3)?.time ?? known.next;
    }
    const base = this.folder + baseUrl + one.baseUrl;
    const initialization = expandTemplate(one.initialization, one);
    if (known.initialization !== initialization) {
      known.initialization = initialization;
      const [track] = known.mp4.init((await this.get(base + initialization)).body, initialization);
      if (track !== undefined && track.timescale !== one.timescale)
        this.violations.push(`${name}: timescale ${one.timescale}, its bytes say ${track.timescale}`);
    }
    for (const segment of one.segments) {
      if (segment.time < known.next) continue;
      await this.segment(name, known, one, segment, base);
      // One that is being made may turn out shorter than it is said to be.
      known.next = segment.time + 1;
    }
  }

  private async segment(
    name: string,
    known: FollowedRepresentation,
    one: MpdRepresentation,
    segment: MpdSegment,
    base: string,
  ): Promise<void> {
    const path = base + expandTemplate(one.media, one, segment);
    const { body } = await this.get(path);
    known.segments++;
    const seconds = segment.duration / one.timescale;
    // How long a segment becomes that is still being made is an expectation.
    const isOpen = !one.availabilityTimeComplete && segment === one.segments.at(-1);
    const secondsTolerance = isOpen ? Number.POSITIVE_INFINITY : 0.05;
    const [run] = known.mp4.segment(body, { name: path, seconds, secondsTolerance });
    const off = run === undefined ? 0 : Math.round(run.firstPts * one.timescale) - segment.time;
    if (Math.abs(off) > TIME_TOLERANCE_TICKS)
      this.violations.push(`${name}: segment ${segment.number} begins ${off} ticks off S@t`);
  }

  private async get(path: string) {
    const answer = await ask({ port: this.options.port, path });
    if (answer.status !== 200) this.violations.push(`${path} is answered ${answer.status}`);
    if (answer.headers['access-control-allow-origin'] !== '*')
      this.violations.push(`${path} has no CORS header`);
    return answer;
  }
}
