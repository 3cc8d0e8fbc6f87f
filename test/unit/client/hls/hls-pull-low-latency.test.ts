/** Low-latency lists: parts as they are made, lists that wait for the next one, parts that are promised. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pieceAt } from '../../../../src/client/hls/hls-piece.ts';
import { firstCursor, holdBackOf } from '../../../../src/client/hls/start-point.ts';
import { readPlaylist } from '../../../../src/wire/hls/playlist-reader.ts';
import { checkTimes, LEAD_US, PullRig, SECOND, SegmentMaker } from '../../../support/hls-rig.ts';

const PART_US = 500_000;
const PARTS = 4;

interface OriginOptions {
  /** Parts that there are when it begins. */
  readonly made?: number;
  readonly blocks?: boolean;
  readonly hints?: boolean;
  /** Answers at once whatever is asked for. */
  readonly liesAboutBlocking?: boolean;
  /** Parts that are refused. */
  readonly lost?: readonly number[];
}

/** Segments of two seconds in four parts; a part more every half second. */
class LowLatencyOrigin {
  readonly rig = new PullRig();
  private readonly options: OriginOptions;
  private readonly beganUs: number;

  constructor(options: OriginOptions = {}) {
    this.options = options;
    this.beganUs = this.rig.time.us;
    const maker = new SegmentMaker();
    const { files } = this.rig.source;
    const parts: Buffer[] = [];
    for (let i = 0; i < 120; i++) {
      const bytes = maker.segment(i * PART_US, PART_US / SECOND);
      parts.push(bytes);
      const isLost = options.lost?.includes(i) === true;
      files.set(`/p${i}.ts`, () => this.once(i + 1, () => (isLost ? 404 : bytes)));
    }
    for (let i = 0; i < 30; i++)
      files.set(`/s${i}.ts`, Buffer.concat(parts.slice(i * PARTS, (i + 1) * PARTS)));
    files.set('/live.m3u8', (search) => {
      const asked = /_HLS_msn=(\d+)&_HLS_part=(\d+)/.exec(search);
      if (asked === null || options.liesAboutBlocking === true) return this.list();
      return this.once(Number(asked[1]) * PARTS + Number(asked[2]) + 1, () => this.list());
    });
  }

  private get made(): number {
    const { made = 22 } = this.options;
    return made + Math.floor((this.rig.time.us - this.beganUs) / PART_US);
  }

  /** Answers once there are so many parts. */
  private once<T>(count: number, answer: () => T): T | Promise<T> {
    const { made = 22 } = this.options;
    const dueUs = this.beganUs + (count - made) * PART_US;
    if (dueUs <= this.rig.time.us) return answer();
    return new Promise((resolve) =>
      this.rig.time.after((dueUs - this.rig.time.us) / 1000, () => resolve(answer())),
    );
  }

  list(): string {
    const { blocks = true, hints = true } = this.options;
    const whole = Math.floor(this.made / PARTS);
    const from = Math.max(0, whole - 6);
    const lines = [
      '#EXTM3U',
      '#EXT-X-TARGETDURATION:2',
      `#EXT-X-SERVER-CONTROL:PART-HOLD-BACK=1.5${blocks ? ',CAN-BLOCK-RELOAD=YES' : ''}`,
      '#EXT-X-PART-INF:PART-TARGET=0.5',
      `#EXT-X-MEDIA-SEQUENCE:${from}`,
    ];
    for (let part = from * PARTS; part < this.made; part++) {
      const isFirst = part % PARTS === 0;
      if (part >= (whole - 2) * PARTS)
        lines.push(`#EXT-X-PART:DURATION=0.5,URI="p${part}.ts"${isFirst ? ',INDEPENDENT=YES' : ''}`);
      if (part % PARTS === PARTS - 1) lines.push('#EXTINF:2,', `s${Math.floor(part / PARTS)}.ts`);
    }
    if (hints) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p${this.made}.ts"`);
    return `${lines.join('\n')}\n`;
  }

  /** How far the pictures that came in the last seconds were behind what the origin had made, microseconds. */
  behindUs(): number[] {
    const { made = 22 } = this.options;
    const frames = this.rig.of(0).filter(({ arrival }) => arrival > this.rig.time.us - 3 * SECOND);
    assert.ok(frames.length > 50, `${frames.length} pictures`);
    return frames.map(({ arrival, dts }) => made * PART_US + arrival - this.beganUs - (dts - LEAD_US));
  }
}

describe('HLS pull, low latency', () => {
  test('parts are taken as they are made: about the hold-back behind, with no picture missing', async () => {
    const origin = new LowLatencyOrigin();
    const { rig } = origin;
    rig.open('/live.m3u8');
    await rig.time.advance(20_000);
    assert.equal(rig.end, null);
    assert.deepEqual(rig.faults, []);
    checkTimes(rig.of(0), 41_000);
    for (const behind of origin.behindUs())
      assert.ok(behind > 0 && behind <= 2_600_000, `${behind} us behind`);
    const asked = rig.source.log;
    assert.equal(
      new Set(asked.filter((line) => /^\/p\d/.test(line))).size,
      asked.filter((line) => /^\/p\d/.test(line)).length,
    );
    const lists = asked.filter((line) => line.startsWith('/live.m3u8'));
    assert.ok(lists.length >= 38 && lists.length <= 42, `${lists.length} lists`);
    assert.ok(
      lists.every((line) => /\?_HLS_msn=\d+&_HLS_part=[0-3]$/.test(line)),
      lists.join(' '),
    );
    // What was promised is asked for before the list that names it comes.
    assert.ok(asked.indexOf('/p30.ts') < asked.indexOf('/live.m3u8?_HLS_msn=7&_HLS_part=3'));
    rig.pull!.close();
  });

  test('without promises the parts are fetched when they are listed', async () => {
    const origin = new LowLatencyOrigin({ hints: false });
    origin.rig.open('/live.m3u8');
    await origin.rig.time.advance(12_000);
    checkTimes(origin.rig.of(0), 41_000);
    for (const behind of origin.behindUs()) assert.ok(behind <= 2_600_000, `${behind} us behind`);
    origin.rig.pull!.close();
  });

  test('a server that does not wait is not asked without a pause', async () => {
    const origin = new LowLatencyOrigin({ liesAboutBlocking: true, hints: false });
    origin.rig.open('/live.m3u8');
    await origin.rig.time.advance(12_000);
    const lists = origin.rig.source.log.filter((line) => line.startsWith('/live.m3u8')).length;
    assert.ok(lists > 15 && lists < 60, `${lists} lists`);
    checkTimes(origin.rig.of(0), 41_000);
    for (const behind of origin.behindUs()) assert.ok(behind <= 3_100_000, `${behind} us behind`);
    origin.rig.pull!.close();
  });

  test('a list that cannot wait is one of whole segments', async () => {
    const origin = new LowLatencyOrigin({ blocks: false });
    origin.rig.open('/live.m3u8');
    await origin.rig.time.advance(12_000);
    assert.ok(origin.rig.source.log.every((line) => !/^\/p\d|_HLS_/.test(line)));
    checkTimes(origin.rig.of(0), 41_000);
    origin.rig.pull!.close();
  });

  test('a part that is not to be had is a hole, and what follows is there', async () => {
    const origin = new LowLatencyOrigin({ lost: [33] });
    const { rig } = origin;
    rig.open('/live.m3u8');
    await rig.time.advance(15_000);
    assert.equal(rig.end, null);
    const steps = rig.of(0).map(({ dts }, i, all) => dts - (all[i - 1]?.dts ?? dts));
    assert.equal(steps.filter((step) => step > 41_000).length, 1);
    assert.ok(Math.max(...steps) <= PART_US + 41_000);
    rig.pull!.close();
  });

  test('where it begins: at an independent part, else with its segment', () => {
    const listOf = (made: number) => {
      const list = readPlaylist(new LowLatencyOrigin({ made }).list());
      assert.ok(list.kind === 'media');
      return list;
    };
    assert.equal(holdBackOf(listOf(22)), 1_500_000);
    // Open: 20, 21; the third part from the end is in the middle of segment 4.
    assert.deepEqual(firstCursor(listOf(22)), { sequence: 4, part: 0 });
    assert.deepEqual(firstCursor(listOf(23)), { sequence: 5, part: 0 });
    assert.deepEqual(firstCursor(listOf(24)), { sequence: 5, part: 0 });
  });

  test('what became whole meanwhile goes on part by part; encrypted parts are waited for', () => {
    const list = readPlaylist(new LowLatencyOrigin({ made: 26 }).list());
    assert.ok(list.kind === 'media');
    assert.equal(pieceAt(list, { sequence: 5, part: 0 })?.uri, 's5.ts');
    assert.equal(pieceAt(list, { sequence: 5, part: 3 })?.uri, 'p23.ts');
    assert.equal(pieceAt(list, { sequence: 5, part: 4 })?.uri, 'p24.ts');
    assert.equal(pieceAt(list, { sequence: 6, part: 1 })?.uri, 'p25.ts');
    assert.equal(pieceAt(list, { sequence: 6, part: 2 }), null);
    // Its parts are not listed any more.
    assert.equal(pieceAt(list, { sequence: 2, part: 2 })?.uri, 's3.ts');
    const key = { method: 'AES-128', uri: 'k', iv: null, format: 'identity' };
    const locked = { ...list, open: list.open && { ...list.open, key } };
    assert.equal(pieceAt(locked, { sequence: 6, part: 0 }), null);
  });
});
