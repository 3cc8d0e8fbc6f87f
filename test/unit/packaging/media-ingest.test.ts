import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CodecConfig } from '../../../src/codec/codec-config.ts';
import type { FlvIngestOutput } from '../../../src/packaging/flv-ingest.ts';
import { type ContainerName, MediaIngest, sniffContainer } from '../../../src/packaging/media-ingest.ts';
import { ProtocolError, RejectedError } from '../../../src/util/errors.ts';
import { BODY_FORMATS, bodyOf } from '../../support/publish-body.ts';

class Output implements FlvIngestOutput {
  readonly lines: string[] = [];

  setTrack(): void {}

  metadata(): void {}

  write(
    ...[id, flags, dts, pts, , payload]: [number, number, number, number, number, Uint8Array, CodecConfig]
  ): void {
    this.lines.push(`${id} ${flags} ${dts} ${pts} ${Buffer.from(payload).toString('base64')}`);
  }
}

function ingest(pieces: Iterable<Uint8Array>, expected: ContainerName | null = null) {
  const output = new Output();
  const one = new MediaIngest(output, expected);
  for (const piece of pieces) one.push(piece);
  return { one, output, isWhole: one.finish() };
}

function* inPieces(bytes: Buffer, size: (index: number) => number): Generator<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const end = at + size(index);
    yield bytes.subarray(at, end);
    at = end;
  }
}

describe('media ingest', () => {
  for (const format of BODY_FORMATS) {
    test(`${format}: whole, byte by byte and in pieces gives the same`, () => {
      const bytes = Buffer.concat(bodyOf(format));
      const whole = ingest([bytes], format);
      assert.ok(whole.output.lines.length > 20);
      assert.ok(whole.isWhole);
      assert.deepEqual(
        { ...whole.one.details() },
        { format, continuityErrors: 0, dropped: 0, damaged: 0, skippedBytes: 0, leftOut: [] },
      );
      for (const size of [() => 1, (index: number) => 1 + ((index * 7919) % 5000)]) {
        const pieces = ingest(inPieces(bytes, size));
        assert.deepEqual(pieces.output.lines, whole.output.lines);
      }
    });
  }

  test('a transport stream that begins in the middle of a packet', () => {
    const bytes = Buffer.concat(bodyOf('ts'));
    const { one } = ingest([bytes.subarray(100)], 'ts');
    assert.equal(one.details().format, 'ts');
    assert.equal(one.details().skippedBytes, 88);
  });

  for (const [what, head, expected] of [
    ['FLV', 'FLV\x01\x05\0\0\0', 'flv'],
    ['ftyp', '\0\0\0\x20ftyp', 'mp4'],
    ['a fragment', '\0\0\0\x20moof', 'mp4'],
    ['too little', 'FLV\x01', null],
    ['perhaps a transport stream later', 'x'.repeat(2000), null],
    ['nothing of ours', 'x'.repeat(2048), ''],
  ] as const) {
    test(`sniffing ${what}`, () => assert.equal(sniffContainer(Buffer.from(head, 'latin1')), expected));
  }

  for (const [what, bytes, expected, reason] of [
    ['another format', Buffer.concat(bodyOf('flv')), 'mp4', /is FLV, but the address says MP4 \(\.mp4\)/],
    ['no format', Buffer.alloc(4000, 1), null, /neither FLV nor MPEG-TS nor fragmented MP4/],
    ['too little', Buffer.from('abc'), null, /too short/],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(
        () => ingest([bytes], expected),
        (error) =>
          error instanceof RejectedError && error.reason === 'unsupported' && reason.test(error.message),
      );
    });
  }

  test('an empty body is the fault of its sender', () => {
    assert.throws(
      () => ingest([]),
      (error) => error instanceof ProtocolError && error.code === 'body.empty',
    );
  });

  test('FLV that is cut off', () => {
    const bytes = Buffer.concat(bodyOf('flv'));
    assert.equal(ingest([bytes.subarray(0, bytes.length - 100)]).isWhole, false);
  });
});
