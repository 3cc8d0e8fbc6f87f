/** Files and recordings in the player page: what an address means, and one playback from beginning to end. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface FileChoice {
  readonly title: string;
  readonly way: string;
  readonly url: string;
  readonly download: string;
}
interface Asked {
  readonly file: FileChoice | null;
  readonly way: string;
  readonly extra: string;
}
interface Engine {
  close(): void;
}
interface Events {
  playing(): void;
  waiting(): void;
  ended(): void;
  failed(details: { impossible?: boolean; reason?: string; status?: number }): void;
}
interface Session {
  start(): void;
  setPaused(paused: boolean): void;
  close(): void;
}
type NewSession = new (options: {
  choice: { url: string };
  startEngine: (choice: unknown, events: Events) => Engine;
  onState: (state: string, details: object) => void;
}) => Session;

const { fromLocation } = await loadPageModule<{
  fromLocation(query: URLSearchParams, framed: boolean): Asked;
}>('js/player-address.js');
const { FileSession } = await loadPageModule<{ FileSession: NewSession }>('js/file-session.js');

const ask = (query: string) => fromLocation(new URLSearchParams(query), false);

test('file address: how each kind of file is played and kept', () => {
  const cases: [src: string, way: string, url: string, download: string][] = [
    ['/vod/a.mp4', 'file', '/vod/a.mp4', '/vod/a.mp4?download=1'],
    ['/vod/b/s.MP3', 'file', '/vod/b/s.MP3', '/vod/b/s.MP3?download=1'],
    ['/vod/a.flv', 'hls', '/vod/a.flv.m3u8', '/vod/a.flv?download=1'],
    ['/vod/a.ts', 'hls', '/vod/a.ts.m3u8', '/vod/a.ts?download=1'],
    ['/vod/a%20b.mov', 'hls', '/vod/a%20b.mov.m3u8', '/vod/a%20b.mov?download=1'],
    ['/vod/own.m3u8', 'hls', '/vod/own.m3u8', ''],
    ['/rec/cam/2026-11-21/10-00-00.m3u8', 'hls', '/rec/cam/2026-11-21/10-00-00.m3u8', ''],
  ];
  for (const [src, way, url, download] of cases) {
    const { file } = ask(`src=${encodeURIComponent(src)}`);
    assert.ok(file);
    assert.deepEqual([file.way, file.url, file.download], [way, url, download], src);
  }
  assert.equal(ask('src=/vod/%25E5%25A4%25A7.mp4').file?.title, '大.mp4');
});

test('file address: nothing outside the folders of files, and no other server', () => {
  for (const src of [
    'https://other.example/vod/a.mp4',
    '//other.example/vod/a.mp4',
    '/\\other.example/vod/a.mp4',
    '/vod/../api/v1/streams',
    '/api/v1/streams',
    'vod/a.mp4',
    'javascript:alert(1)',
    'data:video/mp4,x',
    'blob:http://here/x',
    '',
  ]) {
    assert.equal(ask(`src=${encodeURIComponent(src)}`).file?.url, '', src);
  }
});

test('file address: a range of recordings, and a delay of a live stream', () => {
  const { file } = ask('rec=live/front+door&start=2026-11-21T10:00:00.000Z&end=2026-11-21T11:00:00.000Z');
  const query = 'start=2026-11-21T10%3A00%3A00.000Z&end=2026-11-21T11%3A00%3A00.000Z';
  assert.equal(file?.url, `/rec/live/front%20door/index.m3u8?${query}`);
  assert.equal(file?.download, `/rec/live/front%20door/clip.mp4?${query}`);
  const delayed = ask('app=live&stream=cam&delay=300');
  assert.deepEqual([delayed.file, delayed.way, delayed.extra], [null, 'hls', 'delay=300']);
  assert.equal(ask('stream=cam&delay=300&way=dash').way, 'dash');
  assert.equal(ask('stream=cam').way, '');
});

class Rig {
  readonly states: string[] = [];
  readonly engines: { events: Events; closed: boolean }[] = [];
  readonly session: Session;

  constructor(url = '/vod/a.mp4') {
    this.session = new FileSession({
      choice: { url },
      startEngine: (_choice, events) => {
        const engine = { events, closed: false };
        this.engines.push(engine);
        return {
          close: () => {
            engine.closed = true;
          },
        };
      },
      onState: (state) => this.states.push(state),
    });
    this.session.start();
  }

  get events(): Events {
    return this.engines.at(-1)!.events; // started in the constructor
  }
}

test('file session: plays, waits, ends, and plays again', () => {
  const rig = new Rig();
  rig.events.playing();
  rig.events.waiting();
  rig.events.playing();
  rig.session.setPaused(true);
  rig.session.setPaused(false);
  rig.events.ended();
  rig.events.waiting();
  rig.events.playing();
  assert.deepEqual(rig.states, ['loading', 'playing', 'stalled', 'playing', 'finished', 'playing']);
  assert.equal(rig.engines.length, 1);
  rig.session.close();
  assert.equal(rig.engines[0]!.closed, true);
});

test('file session: each fault has its state, and play tries again', () => {
  const cases: [details: Parameters<Events['failed']>[0], state: string][] = [
    [{}, 'failed'],
    [{ status: 404 }, 'missing'],
    [{ status: 500 }, 'failed'],
    [{ impossible: true, reason: 'why.unplayable' }, 'impossible'],
  ];
  for (const [details, state] of cases) {
    const rig = new Rig();
    rig.events.failed(details);
    assert.deepEqual(rig.states, ['loading', state]);
    assert.equal(rig.engines[0]!.closed, true);
    rig.session.setPaused(false);
    assert.equal(rig.engines.length, state === 'impossible' ? 1 : 2, state);
  }
});

test('file session: what is replaced no longer counts, and what must not be played is not asked for', () => {
  const rig = new Rig();
  const first = rig.events;
  first.failed({});
  rig.session.setPaused(false);
  first.ended();
  assert.deepEqual(rig.states, ['loading', 'failed', 'loading']);
  const outside = new Rig('');
  assert.deepEqual([outside.states, outside.engines.length], [['missing'], 0]);
});
