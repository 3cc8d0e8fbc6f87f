import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FeedFormat } from '../../../src/media/feed.ts';
import { Frame } from '../../../src/media/frame.ts';
import { webSocketFormat } from '../../../src/packaging/websocket-feed.ts';
import { encodeAll } from '../../support/feed-frames.ts';
import { VIDEO } from '../../support/test-hub.ts';
import { webSocketMessages } from '../../support/websocket-messages.ts';

/** A format of the payload as it is, with prologues of any size; track 9 is left out. */
function plain(prologueBytes: number): FeedFormat {
  return {
    name: 'plain',
    open: () => ({
      prologue: () => Buffer.alloc(prologueBytes, 1),
      tracksChanged: () => Buffer.alloc(0),
      epilogue: () => Buffer.from('end'),
      leftOut: () => [],
      encode: (frame, target) => {
        if (frame.trackId === 9) return false;
        const at = target.reserve(frame.payload.length, frame.arrival);
        target.slab.set(frame.payload, at);
        return true;
      },
    }),
  };
}

const SOURCE = { tracks: [], metadata: null, label: 'live/cam' };

function frame(bytes: number, trackId = 0): Frame {
  return new Frame(trackId, 0, 0, 0, 0, Buffer.alloc(bytes, 7), VIDEO, 0, Number.NaN);
}

test('WebSocket: its name, and one message per frame with the shortest length form', () => {
  const format = webSocketFormat(plain(0));
  assert.equal(format.name, 'ws-plain');
  for (const [bytes, header] of [
    [1, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
    [2_000_000, 10],
  ] as const) {
    const [chunk] = encodeAll(format.open(SOURCE), [frame(bytes)]);
    assert.equal(chunk!.length, bytes + header, `${bytes} bytes`);
    assert.deepEqual(webSocketMessages(chunk!), [Buffer.alloc(bytes, 7)]);
  }
});

test('WebSocket: consecutive frames lie next to each other, what is left out leaves nothing', () => {
  const chunks = encodeAll(webSocketFormat(plain(0)).open(SOURCE), [frame(10), frame(5, 9), frame(200)]);
  assert.deepEqual(
    chunks.map((chunk) => chunk.length),
    [12, 0, 204],
  );
});

test('WebSocket: a prologue is one message, or one per piece; nothing stays nothing', () => {
  assert.deepEqual(webSocketMessages(Buffer.from(webSocketFormat(plain(500)).open(SOURCE).prologue(0))), [
    Buffer.alloc(500, 1),
  ]);
  const pieces = webSocketFormat(plain(500), (bytes, at) => Math.min(at + 200, bytes.length)).open(SOURCE);
  assert.deepEqual(
    webSocketMessages(Buffer.from(pieces.prologue(0))).map((message) => message.length),
    [200, 200, 100],
  );
  assert.equal(pieces.tracksChanged(0).length, 0);
  assert.deepEqual(webSocketMessages(Buffer.from(pieces.epilogue(0))), [Buffer.from('end')]);
});
