import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { ChunkReader } from '../../../../src/wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../../../src/wire/rtmp/chunk-writer.ts';
import { basicHeader, chunk, feedings, range, u32 } from './chunk-bytes.ts';

interface Seen {
  typeId: number;
  streamId: number;
  timestamp: number;
  chunkStreamId: number;
  payload: number[];
}

function collect(
  pieces: readonly Uint8Array[],
  limits: { maxMessageBytes?: number; maxChunkStreams?: number } = {},
) {
  const seen: Seen[] = [];
  const reader = new ChunkReader({
    maxMessageBytes: limits.maxMessageBytes ?? 1_000_000,
    maxChunkStreams: limits.maxChunkStreams ?? 16,
    onMessage: ({ typeId, streamId, timestamp, chunkStreamId, payload }) =>
      seen.push({ typeId, streamId, timestamp, chunkStreamId, payload: [...payload] }),
  });
  for (const piece of pieces) reader.receive(piece);
  return { seen, reader };
}

/** Times and first payload bytes of the messages, the same for every way of feeding. */
function timesOf(bytes: Buffer): [number, number | undefined][] {
  let result: [number, number | undefined][] | null = null;
  for (const [how, pieces] of feedings(bytes, bytes.length)) {
    const times = collect(pieces).seen.map((m): [number, number | undefined] => [m.timestamp, m.payload[0]]);
    if (result !== null) assert.deepEqual(times, result, how);
    result = times;
  }
  return result!;
}

function fails(
  code: string,
  bytes: Buffer,
  limits: { maxMessageBytes?: number; maxChunkStreams?: number } = {},
) {
  for (const [how, pieces] of feedings(bytes)) {
    assert.throws(
      () => collect(pieces, limits),
      (error: unknown) => error instanceof ProtocolError && error.code === code,
      how,
    );
  }
}

const join = (...parts: Buffer[]) => Buffer.concat(parts);
const setChunkSize = (size: number) => chunk(0, 2, { type: 1, stream: 0 }, u32(size));

test('chunk reader: every field of a type 0 message', () => {
  const bytes = chunk(0, 5, { time: 0x010203, type: 8, stream: 0x04030201 }, [7, 8, 9]);
  for (const [how, pieces] of feedings(bytes)) {
    const expected = {
      typeId: 8,
      streamId: 0x04030201,
      timestamp: 0x010203,
      chunkStreamId: 5,
      payload: [7, 8, 9],
    };
    assert.deepEqual(collect(pieces).seen, [expected], how);
  }
});

for (const id of [2, 63, 64, 319, 320, 1000, 65599]) {
  test(`chunk reader: chunk stream id ${id}`, () => {
    const bytes = join(
      chunk(0, id, { time: 10 }, [1]),
      chunk(1, id, { time: 5 }, [2, 2]),
      chunk(2, id, { time: 6 }, [3, 3]),
    );
    for (const [how, pieces] of feedings(bytes)) {
      const { seen } = collect(pieces);
      assert.deepEqual(
        seen.map((m) => [m.chunkStreamId, m.timestamp, m.payload.length]),
        [
          [id, 10, 1],
          [id, 15, 2],
          [id, 21, 2],
        ],
        how,
      );
    }
  });
}

test('chunk reader: type 3 begins a message with the step before (0: the time, 1 and 2: the delta)', () => {
  assert.deepEqual(timesOf(join(chunk(0, 3, { time: 40 }, [1]), chunk(3, 3, {}, [2]))), [
    [40, 1],
    [80, 2],
  ]);
  assert.deepEqual(
    timesOf(
      join(
        chunk(0, 3, { time: 40 }, [1]),
        chunk(1, 3, { time: 7 }, [2]),
        chunk(3, 3, {}, [3]),
        chunk(3, 3, {}, [4]),
      ),
    ),
    [
      [40, 1],
      [47, 2],
      [54, 3],
      [61, 4],
    ],
  );
  assert.deepEqual(
    timesOf(join(chunk(0, 3, { time: 40 }, [1]), chunk(2, 3, { time: 9 }, [2]), chunk(3, 3, {}, [3]))),
    [
      [40, 1],
      [49, 2],
      [58, 3],
    ],
  );
});

test('chunk reader: type 1 may open a chunk stream, types 2 and 3 may not', () => {
  assert.deepEqual(timesOf(chunk(1, 2, { time: 5, type: 4 }, [1])), [[5, 1]]);
  fails('rtmp.no-previous-header', chunk(2, 3, { time: 5 }, [1]));
  fails('rtmp.no-previous-header', chunk(3, 3, {}, [1]));
  fails('rtmp.no-previous-header', chunk(3, 300, {}, [1]));
});

test('chunk reader: messages of two chunk streams interleaved chunk by chunk', () => {
  const a = range(0, 300);
  const b = range(100, 200);
  const bytes = join(
    chunk(0, 4, { time: 1, length: 300 }, a.slice(0, 128)),
    chunk(0, 6, { time: 2, length: 200, type: 8 }, b.slice(0, 128)),
    chunk(3, 4, {}, a.slice(128, 256)),
    chunk(3, 6, {}, b.slice(128)),
    chunk(3, 4, {}, a.slice(256)),
  );
  for (const [how, pieces] of feedings(bytes)) {
    assert.deepEqual(
      collect(pieces).seen.map((m) => [m.timestamp, m.payload]),
      [
        [2, b],
        [1, a],
      ],
      how,
    );
  }
});

test('chunk reader: an empty message is a message, also as the last bytes', () => {
  assert.deepEqual(timesOf(join(chunk(0, 4, { time: 3 }), chunk(3, 4, {}), chunk(1, 4, { time: 4 }, [9]))), [
    [3, undefined],
    [6, undefined],
    [10, 9],
  ]);
});

test('chunk reader: extended timestamp of a type 0 header, repeated and not repeated', () => {
  const payload = range(10, 200);
  const time = 0x01020304;
  const head = chunk(0, 4, { time: 0xffffff, length: 200, extension: time }, payload.slice(0, 128));
  const tail = chunk(0, 4, { time: 5 }, [77]);
  const repeated = join(head, chunk(3, 4, { extension: time }, payload.slice(128)), tail);
  const bare = join(head, chunk(3, 4, {}, payload.slice(128)), tail);
  for (const bytes of [repeated, bare]) {
    for (const [how, pieces] of feedings(bytes)) {
      assert.deepEqual(
        collect(pieces).seen.map((m) => [m.timestamp, m.payload]),
        [
          [time, payload],
          [5, [77]],
        ],
        how,
      );
    }
  }
});

test('chunk reader: not repeated, and the last bytes of the message look like the beginning of a repetition', () => {
  const time = 0x01000000;
  const payload = [...range(10, 128), 1, 0];
  const bytes = join(
    chunk(0, 4, { time: 0xffffff, length: 130, extension: time }, payload.slice(0, 128)),
    chunk(3, 4, {}, payload.slice(128)),
    chunk(0, 5, { time: 9 }, [1]),
  );
  for (const [how, pieces] of feedings(bytes)) {
    assert.deepEqual(
      collect(pieces).seen.map((m) => [m.timestamp, m.payload]),
      [
        [time, payload],
        [9, [1]],
      ],
      how,
    );
  }
});

test('chunk reader: extended delta; type 3 repeats the delta or puts the message time', () => {
  const payload = range(10, 200);
  const delta = 0x01000001;
  const begin = join(
    chunk(0, 4, { time: 1000, type: 8 }, [5]),
    chunk(1, 4, { time: 0xffffff, length: 200, extension: delta }, payload.slice(0, 128)),
  );
  for (const extension of [delta, delta + 1000, undefined]) {
    const short = extension === undefined ? {} : { extension };
    const bytes = join(
      begin,
      chunk(3, 4, short, payload.slice(128)),
      chunk(2, 4, { time: 7, length: 200 }, payload.slice(0, 128)),
    );
    const whole = join(bytes, chunk(3, 4, {}, payload.slice(128)));
    for (const [how, pieces] of feedings(whole)) {
      const { seen } = collect(pieces);
      assert.deepEqual(
        seen.map((m) => [m.timestamp, m.payload.length]),
        [
          [1000, 1],
          [1000 + delta, 200],
          [1007 + delta, 200],
        ],
        how,
      );
      assert.deepEqual(seen[1]!.payload, payload, how);
    }
  }
});

test('chunk reader: type 3 that begins a message after an extended delta, with and without the extension', () => {
  const delta = 0x01000001;
  const begin = join(chunk(0, 4, { time: 0 }, [1]), chunk(1, 4, { time: 0xffffff, extension: delta }, [2]));
  assert.deepEqual(timesOf(join(begin, chunk(3, 4, { extension: delta }, [3]))), [
    [0, 1],
    [delta, 2],
    [2 * delta, 3],
  ]);
  assert.deepEqual(timesOf(join(begin, chunk(3, 4, {}, [3]), chunk(0, 4, { time: 9 }, [4]))), [
    [0, 1],
    [delta, 2],
    [2 * delta, 3],
    [9, 4],
  ]);
});

test('chunk reader: time wraps at 32 bits, and a wrapped delta goes back', () => {
  assert.deepEqual(
    timesOf(
      join(chunk(0, 4, { time: 0xffffff, extension: 0xfffffff0 }, [1]), chunk(1, 4, { time: 0x20 }, [2])),
    ),
    [
      [0xfffffff0, 1],
      [0x10, 2],
    ],
  );
  assert.deepEqual(
    timesOf(
      join(chunk(0, 4, { time: 5000 }, [1]), chunk(1, 4, { time: 0xffffff, extension: -62 >>> 0 }, [2])),
    ),
    [
      [5000, 1],
      [4938, 2],
    ],
  );
});

test('chunk reader: chunk size changes between the chunks of a message', () => {
  const a = range(0, 250);
  const bytes = join(
    chunk(0, 4, { time: 1, length: 250 }, a.slice(0, 128)),
    setChunkSize(50),
    chunk(3, 4, {}, a.slice(128, 178)),
    setChunkSize(1000),
    chunk(3, 4, {}, a.slice(178)),
  );
  for (const [how, pieces] of feedings(bytes)) {
    const { seen, reader } = collect(pieces);
    assert.deepEqual(
      seen.map((m) => m.payload),
      [a],
      how,
    );
    assert.equal(reader.chunkSize, 1000);
  }
});

test('chunk reader: chunk sizes from 1 to 2^31-1 are taken, larger than any message counts as that', () => {
  const { seen, reader } = collect([
    join(setChunkSize(1), chunk(0, 4, { length: 2 }, [1]), chunk(3, 4, {}, [2])),
  ]);
  assert.deepEqual(
    seen.map((m) => m.payload),
    [[1, 2]],
  );
  assert.equal(reader.chunkSize, 1);
  assert.equal(collect([setChunkSize(0x7fffffff)], { maxMessageBytes: 5000 }).reader.chunkSize, 5000);
  fails('rtmp.bad-chunk-size', setChunkSize(0));
  fails('rtmp.bad-chunk-size', setChunkSize(0x80000000));
  fails('rtmp.bad-chunk-size', chunk(0, 2, { type: 1, stream: 0 }, [0, 0, 1]));
});

test('chunk reader: abort drops the message under way; what follows is a new one', () => {
  const bytes = join(
    chunk(0, 4, { time: 1, length: 200 }, range(0, 128)),
    chunk(0, 2, { type: 2, stream: 0 }, u32(4)),
    chunk(3, 4, {}, range(50, 128)),
    chunk(3, 4, {}, range(178, 72)),
    chunk(0, 2, { type: 2, stream: 0 }, u32(40)),
  );
  for (const [how, pieces] of feedings(bytes)) {
    assert.deepEqual(
      collect(pieces).seen.map((m) => m.payload),
      [range(50, 200)],
      how,
    );
  }
  fails('rtmp.bad-abort', chunk(0, 2, { type: 2, stream: 0 }, [4]));
});

test('chunk reader: a full header in the middle of a message gives that message up', () => {
  const bytes = join(chunk(0, 4, { time: 1, length: 200 }, range(0, 128)), chunk(0, 4, { time: 2 }, [1, 2]));
  assert.deepEqual(timesOf(bytes), [[2, 1]]);
});

function tag(type: number, time: number, payload: readonly number[]): number[] {
  const t = u32(time);
  const length = u32(payload.length).slice(1);
  return [type, ...length, ...t.slice(1), t[0]!, 0, 0, 0, ...payload, ...u32(payload.length + 11)];
}

test('chunk reader: an aggregate becomes its messages, at the time of the aggregate', () => {
  const inner = [...tag(8, 0x01000010, [1]), ...tag(9, 0x01000020, [2, 2]), ...tag(18, 0x0100000f, [])];
  const bytes = join(setChunkSize(500), chunk(0, 4, { time: 700, type: 22, stream: 1 }, inner));
  for (const [how, pieces] of feedings(bytes)) {
    assert.deepEqual(
      collect(pieces).seen.map((m) => [m.typeId, m.streamId, m.timestamp, m.payload]),
      [
        [8, 1, 700, [1]],
        [9, 1, 716, [2, 2]],
        [18, 1, 699, []],
      ],
      how,
    );
  }
  const unfinished = inner.slice(0, -4);
  assert.equal(collect([join(setChunkSize(500), chunk(0, 4, { type: 22 }, unfinished))]).seen.length, 3);
});

test('chunk reader: bad aggregates', () => {
  fails('rtmp.bad-aggregate', chunk(0, 4, { type: 22 }, [8, 0, 0]));
  fails('rtmp.bad-aggregate', chunk(0, 4, { type: 22 }, tag(8, 0, [1, 2, 3]).slice(0, 13)));
  for (const type of [1, 2, 22])
    fails('rtmp.bad-aggregate', chunk(0, 4, { type: 22 }, tag(type, 0, [1, 2, 3, 4])));
});

test('chunk reader: limits', () => {
  fails('rtmp.message-too-big', chunk(0, 4, { length: 1001 }), { maxMessageBytes: 1000 });
  assert.equal(collect([chunk(0, 4, { length: 1000 })], { maxMessageBytes: 1000 }).seen.length, 0);
  const three = join(chunk(0, 4, {}, [1]), chunk(0, 5, {}, [1]), chunk(0, 500, {}, [1]));
  assert.equal(collect([three], { maxChunkStreams: 3 }).seen.length, 3);
  fails('rtmp.too-many-chunk-streams', three, { maxChunkStreams: 2 });
});

test('chunk reader: announced bytes are not allocated', () => {
  const megabyte = 1 << 20;
  const announced = join(
    ...Array.from({ length: 16 }, (_, i) => chunk(0, 4 + i, { length: 16 * megabyte - 1 }, range(0, 128))),
  );
  const before = process.memoryUsage().arrayBuffers;
  const { reader } = collect([announced], { maxMessageBytes: 16 * megabyte });
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 4 * megabyte, `${grown} bytes`);
  assert.equal(reader.stopped, false);
});

test('chunk reader: many unfinished large messages end the session', () => {
  const size = 300_000;
  const parts: Buffer[] = [setChunkSize(size - 1)];
  for (let i = 0; i < 16; i++) parts.push(chunk(0, 4 + i, { length: size }), Buffer.alloc(size - 1));
  fails('rtmp.too-many-unfinished-messages', join(...parts), { maxMessageBytes: size });
});

test('chunk reader: a whole message in one chunk is passed on without a copy, others intact', () => {
  const bytes = join(chunk(0, 4, { time: 1 }, range(0, 100)), chunk(1, 4, { time: 1 }, range(50, 100)));
  const views: boolean[] = [];
  const reader = new ChunkReader({
    maxMessageBytes: 1000,
    maxChunkStreams: 4,
    onMessage: (message) => views.push(message.payload.buffer === bytes.buffer),
  });
  reader.receive(bytes.subarray(0, bytes.length - 5));
  reader.receive(bytes.subarray(bytes.length - 5));
  assert.deepEqual(views, [true, false]);
});

test('chunk reader: the message object lets go of the memory after the call', () => {
  let message: { payload: Uint8Array } | null = null;
  const reader = new ChunkReader({
    maxMessageBytes: 1000,
    maxChunkStreams: 4,
    onMessage: (m) => {
      message = m;
    },
  });
  reader.receive(chunk(0, 4, {}, [1, 2, 3]));
  assert.equal(message!.payload.length, 0);
});

test('chunk reader: large messages of growing and shrinking size, one after another', () => {
  const sizes = [10, 70_000, 300_000, 5000, 65_536, 65_537, 1, 400_000];
  const parts = sizes.map((size, i) => serializeMessage(4, 9, 1, i, Buffer.alloc(size, i + 1), 4096));
  const bytes = join(setChunkSize(4096), ...parts);
  for (const [how, pieces] of feedings(bytes).filter(([name]) => name !== 'byte by byte')) {
    const seen: [number, boolean][] = [];
    const reader = new ChunkReader({
      maxMessageBytes: 500_000,
      maxChunkStreams: 4,
      onMessage: (m) => seen.push([m.payload.length, m.payload.every((b) => b === m.timestamp + 1)]),
    });
    for (const piece of pieces) reader.receive(piece);
    assert.deepEqual(
      seen,
      sizes.map((size) => [size, true]),
      how,
    );
  }
});

test('chunk reader: after stop nothing is passed on, not even of an aggregate', () => {
  for (const bytes of [
    join(chunk(0, 4, {}, [1]), chunk(0, 4, {}, [2])),
    chunk(0, 4, { type: 22 }, [...tag(8, 0, [1]), ...tag(8, 0, [2])]),
  ]) {
    for (const [how, pieces] of feedings(bytes)) {
      let count = 0;
      const reader = new ChunkReader({
        maxMessageBytes: 1000,
        maxChunkStreams: 4,
        onMessage: () => {
          count++;
          reader.stop();
        },
      });
      for (const piece of pieces) reader.receive(piece);
      assert.equal(count, 1, how);
    }
  }
});

test('chunk reader: an error of the callback comes out of receive', () => {
  const reader = new ChunkReader({
    maxMessageBytes: 1000,
    maxChunkStreams: 4,
    onMessage: () => {
      throw new ProtocolError('test.refused');
    },
  });
  assert.throws(() => reader.receive(chunk(0, 4, {}, [1])), { code: 'test.refused' });
});

test('chunk reader: reads what the writer wrote (property)', () => {
  const message = fc.record({
    chunkStreamId: fc.integer({ min: 3, max: 63 }),
    typeId: fc.constantFrom(3, 8, 9, 18, 20),
    streamId: fc.integer({ min: 0, max: 0xffffffff }),
    timestamp: fc.oneof(
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.constantFrom(0xfffffe, 0xffffff, 0x1000000),
    ),
    payload: fc.uint8Array({ maxLength: 700 }),
  });
  const property = fc.property(
    fc.array(message, { maxLength: 8 }),
    fc.integer({ min: 1, max: 800 }),
    fc.integer(),
    (messages, size, seed) => {
      const parts = messages.map((m) =>
        serializeMessage(m.chunkStreamId, m.typeId, m.streamId, m.timestamp, m.payload, size),
      );
      const bytes = join(setChunkSize(size), ...parts);
      for (const [how, pieces] of feedings(bytes, seed)) {
        const { seen } = collect(pieces, { maxChunkStreams: 64 });
        assert.deepEqual(
          seen,
          messages.map((m) => ({ ...m, payload: [...m.payload] })),
          how,
        );
      }
    },
  );
  fc.assert(property, { numRuns: 60 });
});

test('basic header helper covers the three forms', () => {
  assert.deepEqual(
    [basicHeader(1, 3), basicHeader(0, 64), basicHeader(3, 65599)],
    [[0x43], [0, 0], [0xc1, 255, 255]],
  );
});
