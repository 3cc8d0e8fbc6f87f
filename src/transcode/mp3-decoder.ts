/**
 * MPEG audio (layers I to III) by mpg123 as WebAssembly. Of the package only the module is used: its own `decode` joins
 * copies and writes every damaged frame of a publisher to the console, and its entry starts worker code of its own.
 */
import UnpackerOfModules from '../../node_modules/@wasm-audio-decoders/common/src/WASMAudioDecoderCommon.js';
import Mpg123Module from '../../node_modules/mpg123-decoder/src/EmscriptenWasm.js';
import type { AudioDecoder, PcmBlock } from '../audio/pcm.ts';
import { PcmBuffer } from '../audio/pcm-buffer.ts';
import { parseMp3Frame } from '../codec/mp3.ts';
import { InvariantError } from '../util/errors.ts';

type Mpg123 = ReturnType<Mpg123Module['instantiate']>;

const NEED_MORE = -10;
const NEW_FORMAT = -11;
const CHANNELS = 2;
const MOST_SAMPLES = 1152;
/** Longest frame there is: layer II at 384 kbit/s and 32 kHz, and layer I at 448 are below. */
const INPUT_BYTES = 4096;
/** Floats; mpg123 gives the channels one after another and may give two frames at once after damage. */
const OUTPUT_FLOATS = 4 * MOST_SAMPLES * CHANNELS;
/** Results of one frame that are looked at: one of sound, one of a new format, some more of damage. */
const MOST_READS = 8;

class Mp3Decoder implements AudioDecoder {
  errors = 0;
  private readonly mpg123: Mpg123;
  private readonly handle: number;
  private readonly input: number;
  private readonly output: number;
  /** Pointers to three words: samples, rate, text of an error. */
  private readonly words: number;
  private readonly block = new PcmBuffer(0, CHANNELS);

  constructor(mpg123: Mpg123) {
    this.mpg123 = mpg123;
    this.input = mpg123.malloc(INPUT_BYTES);
    this.output = mpg123.malloc(OUTPUT_FLOATS * 4);
    this.words = mpg123.malloc(12);
    // Gaps at the ends of files are not cut: a live stream has none, and the times of its frames count them.
    const error = mpg123.mpeg_frame_decoder_create(this.words, 0);
    if (error !== 0) throw new InvariantError(`no MP3 decoder: ${error}`);
    this.handle = new Uint32Array(mpg123.HEAP, this.words, 1)[0]!;
  }

  decode(payload: Uint8Array): PcmBlock | null {
    const { mpg123, handle, words } = this;
    // mpg123 would look for the next frame behind bytes that are none, and answer a call later.
    if (parseMp3Frame(payload) === null || payload.length > INPUT_BYTES) return this.failed();
    new Uint8Array(mpg123.HEAP, this.input, payload.length).set(payload);
    let result = mpg123.mpeg_decoder_feed(handle, this.input, payload.length);
    const results = new Uint32Array(mpg123.HEAP, words, 3);
    let samples = 0;
    for (let reads = 0; reads < MOST_READS && samples === 0 && result !== NEED_MORE; reads++) {
      results[0] = 0;
      result = mpg123.mpeg_decoder_read(handle, this.output, OUTPUT_FLOATS, words, words + 4, words + 8);
      samples = results[0]!;
      if (result !== NEW_FORMAT && result !== 0) break;
    }
    const rate = results[1]!;
    if (samples === 0 || samples > OUTPUT_FLOATS / CHANNELS || rate === 0) return this.failed();
    this.block.sampleRate = rate;
    this.block.resize(samples);
    const planes = new Float32Array(mpg123.HEAP, this.output, samples * CHANNELS);
    this.block.channels[0]!.set(planes.subarray(0, samples));
    this.block.channels[1]!.set(planes.subarray(samples));
    return this.block;
  }

  conceal(): PcmBlock | null {
    if (this.block.samples === 0) return null;
    this.block.resize(Math.min(this.block.samples, MOST_SAMPLES));
    this.block.silence();
    return this.block;
  }

  close(): void {
    // The module and its memory are the decoder's own and go with it.
    this.mpg123.mpeg_frame_decoder_destroy(this.handle);
  }

  private failed(): null {
    this.errors++;
    return null;
  }
}

export async function openMp3Decoder(): Promise<AudioDecoder> {
  UnpackerOfModules.call({});
  const mpg123 = new Mpg123Module(UnpackerOfModules).instantiate();
  await mpg123.ready;
  return new Mp3Decoder(mpg123);
}
