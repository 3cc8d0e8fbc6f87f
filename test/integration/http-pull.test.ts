/** Streams pulled over HTTP whose bodies are broken where they end. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Pulled } from '../support/pulled.ts';
import { vector } from '../unit/media-file/media-files.ts';

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4);
  return bytes;
}

function box(type: string, ...contents: readonly Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

/** Samples that lie over each other, in a box that goes on to the end of the body. */
function overlapping(): Buffer {
  const file = vector('fragments.mp4');
  const movieEnd = file.indexOf('moof', 0, 'latin1') - 4;
  const fragment = (offset: number) =>
    box(
      'moof',
      box(
        'traf',
        box('tfhd', u32(0x02_0000, 1)),
        box('trun', u32(0x0201, 1, offset, 900)),
        box('trun', u32(0x0201, 1, offset, 900)),
      ),
    );
  const media = Buffer.concat([u32(0), Buffer.from('mdat'), Buffer.alloc(1000)]);
  return Buffer.concat([file.subarray(0, movieEnd), fragment(fragment(0).length + 8), media]);
}

test('what cannot be read shows at the end of the body only: the pull ends with a sentence', async () => {
  const body = overlapping();
  const server = createServer((_request, response) => response.end(body));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    const { port } = server.address() as AddressInfo;
    const pulled = new Pulled(`http://127.0.0.1:${port}/live/cam.mp4`);
    const end = await pulled.ended();
    assert.equal(end.kind, 'broken');
    assert.match(end.reason, /cannot be read: .*samples overlap/);
    assert.deepEqual(pulled.faults, []);
  } finally {
    server.close();
  }
});
