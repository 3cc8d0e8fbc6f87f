/** The face before the engines: one that is closed while its code still loads must leave the element to the next one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface EnginesModule {
  startEngine(
    video: FakeVideo,
    choice: { way: string; url: string },
    events: Record<string, () => void>,
    onReady: () => void,
  ): { pictures(): { total: number; dropped: number }; close(): void };
}

const { startEngine } = await loadPageModule<EnginesModule>('js/engines.js');

class FakeVideo extends EventTarget {
  readonly videoWidth = 0;
  src = '';
  playbackRate = 1;

  removeAttribute(): void {
    this.src = '';
  }

  load(): void {
    this.dispatchEvent(new Event('emptied'));
  }
}

function start(video: FakeVideo): { told: string[]; close(): void; pictures(): unknown } {
  const told: string[] = [];
  const names = ['playing', 'waiting', 'ended', 'failed'];
  const events = Object.fromEntries(names.map((name) => [name, () => void told.push(name)]));
  const engine = startEngine(video, { way: 'file', url: '/vod/a.mp4' }, events, () => told.push('ready'));
  return { told, close: () => engine.close(), pictures: () => engine.pictures() };
}

async function loaded(): Promise<void> {
  await loadPageModule('js/engine-native.js');
  await new Promise((resolve) => setImmediate(resolve));
}

test('engines: begins when its code is there', async () => {
  const video = new FakeVideo();
  const engine = start(video);
  await loaded();
  assert.deepEqual([video.src, engine.told], ['/vod/a.mp4', ['ready']]);
  assert.deepEqual(engine.pictures(), { total: 0, dropped: 0 });
  video.dispatchEvent(new Event('playing'));
  engine.close();
  video.dispatchEvent(new Event('playing'));
  assert.deepEqual([video.src, engine.told], ['', ['ready', 'playing']]);
});

test('engines: closed before that, it does not begin, and that is no fault', async () => {
  const video = new FakeVideo();
  const engine = start(video);
  engine.close();
  await loaded();
  assert.deepEqual([video.src, engine.told], ['', []]);
});
