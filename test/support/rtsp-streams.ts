/** Streams for tests of RTSP: a publisher with H.264 and G.711 that needs no encoder. */
import { type CodecConfig, makeCodecConfig } from '../../src/codec/codec-config.ts';
import { configFromRecord } from '../../src/codec/describe-config.ts';
import { Frame } from '../../src/media/frame.ts';
import type { Publication } from '../../src/media/publication.ts';
import type { StreamHub } from '../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { makeTrack } from '../../src/media/track.ts';
import { SlabWriter } from '../../src/util/slab.ts';
import { TsWriter } from '../../src/wire/mpegts/ts-writer.ts';
import type { TestHub } from './test-hub.ts';

const SPS = Buffer.from('Z2QADKzZQUGfn/8FAQUAEAAAAwAQAAADAwDxQplg', 'base64');
const PPS = Buffer.from('aO+8sA==', 'base64');
const AVC_RECORD = Buffer.concat([
  Buffer.of(1, SPS[1]!, SPS[2]!, SPS[3]!, 0xff, 0xe1, SPS.length >> 8, SPS.length & 255),
  SPS,
  Buffer.of(1, PPS.length >> 8, PPS.length & 255),
  PPS,
  Buffer.of(0xfd, 0xf8, 0xf8, 0),
]);

const H264: CodecConfig = configFromRecord('h264', AVC_RECORD);
export const PCMA: CodecConfig = makeCodecConfig('g711a', new Uint8Array(0), '', {
  sampleRate: 8000,
  channels: 1,
});

export interface TestPublisher {
  readonly publication: Publication;
  video(ms: number, key?: boolean, bytes?: number): void;
  audio(ms: number): void;
}

export function publishTestStream(
  world: TestHub,
  hub: StreamHub = world.hub,
  name = 'cam',
  has = { video: true, audio: true },
): TestPublisher {
  const publication = hub.publish(makeStreamKey('live', name), world.owner(`of ${name}`));
  if (has.video) publication.setTrack(makeTrack(0, H264));
  if (has.audio) publication.setTrack(makeTrack(1, PCMA));
  return {
    publication,
    video: (ms, key = false, bytes = 40) =>
      publication.write(0, key ? 1 : 0, ms, ms, 0, picture(bytes, key), H264),
    audio: (ms) => publication.write(1, 1, ms, ms, 20_000, Buffer.alloc(160, 0xd5), PCMA),
  };
}

/** One slice behind its length. */
function picture(bytes: number, key: boolean): Buffer {
  const picture = Buffer.alloc(4 + bytes, 0x5a);
  picture.writeUInt32BE(bytes);
  picture[4] = key ? 0x65 : 0x41;
  return picture;
}

/** A few pictures as a transport stream. */
export function transportStream(): Buffer {
  const writer = new TsWriter({ groupAudio: false });
  const track = makeTrack(0, H264);
  writer.setTracks([track]);
  const slab = new SlabWriter();
  const parts: Buffer[] = [];
  for (let i = 0; i < 8; i++) {
    const frame = new Frame(
      0,
      i % 4 === 0 ? 1 : 0,
      i * 40_000,
      i * 40_000,
      0,
      picture(400, i % 4 === 0),
      H264,
      0,
      Number.NaN,
    );
    const before = slab.used;
    const slabBefore = slab.slab;
    writer.write(frame, slab);
    parts.push(Buffer.from(slab.slab.subarray(slab.slab === slabBefore ? before : 0, slab.used)));
  }
  return Buffer.concat(parts);
}
