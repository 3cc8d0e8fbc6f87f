/**
 * AAC-LC by FFmpeg's encoder as WebAssembly, the inner module of @mediabunny/aac-encoder. It needs SIMD of the machine:
 * ask wasm-simd.ts before.
 */
import { InvariantError } from '../util/errors.ts';
import type { SoundEncoder } from './sound-encoder.ts';

/** Exports of the module that are used; pointers and sizes in bytes. */
interface AacModule {
  readonly HEAPU8: Uint8Array;
  _init_encoder(channels: number, sampleRate: number, bitrate: number): number;
  _get_encoder_frame_size(encoder: number): number;
  _get_encode_input_ptr(encoder: number, bytes: number): number;
  _send_frame(encoder: number, pts: bigint): number;
  _receive_packet(encoder: number): number;
  _get_encoded_data(encoder: number): number;
  _get_encoded_pts(encoder: number): bigint;
  _close_encoder(encoder: number): void;
}

type LoadAac = (options: { print: () => void; printErr: () => void }) => Promise<AacModule>;

const BYTES_PER_SAMPLE = 4;
let loading: Promise<AacModule> | null = null;

/** One instance per thread. */
function loadAac(): Promise<AacModule> {
  loading ??= load();
  return loading;
}

async function load(): Promise<AacModule> {
  // The file is an ES module that writes to `exports` all the same: run from source it needs one to write to. In the
  // bundle it is a proper module (build/worker-bundles.mjs).
  const scope = globalThis as { exports?: { default?: unknown } };
  const before = scope.exports;
  scope.exports = {};
  const file = await import('../../node_modules/@mediabunny/aac-encoder/dist/modules/build/aac.js');
  const found = (file as { default?: unknown }).default ?? scope.exports.default;
  if (before === undefined) delete scope.exports;
  else scope.exports = before;
  const nothing = () => {};
  return (found as LoadAac)({ print: nothing, printErr: nothing });
}

export interface AacSettings {
  /** One that AAC names. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  readonly bitrateBps: number;
}

class AacEncoder implements SoundEncoder {
  readonly sampleRate: number;
  readonly channels: number;
  readonly frameSamples: number;
  readonly leadSamples = 0;
  packetFrame = -1;
  errors = 0;
  private readonly module: AacModule;
  private readonly handle: number;
  private nextFrame = 0;
  private isClosed = false;

  constructor(module: AacModule, { sampleRate, channels, bitrateBps }: AacSettings) {
    this.module = module;
    this.sampleRate = sampleRate;
    this.channels = channels;
    this.handle = module._init_encoder(channels, sampleRate, bitrateBps);
    if (this.handle === 0)
      throw new InvariantError(`no AAC encoder of ${sampleRate} Hz, ${bitrateBps} bit/s`);
    this.frameSamples = module._get_encoder_frame_size(this.handle);
  }

  encode(interleaved: Float32Array): Uint8Array | null {
    const { module, handle } = this;
    const input = module._get_encode_input_ptr(handle, interleaved.length * BYTES_PER_SAMPLE);
    // A new view each time: the memory moves when it grows.
    new Float32Array(module.HEAPU8.buffer, input, interleaved.length).set(interleaved);
    const frame = this.nextFrame++;
    if (module._send_frame(handle, BigInt(frame * this.frameSamples)) < 0) {
      this.errors++;
      return null;
    }
    const size = module._receive_packet(handle);
    if (size < 0) this.errors++;
    if (size <= 0) return null;
    this.packetFrame = Number(module._get_encoded_pts(handle)) / this.frameSamples;
    const data = module._get_encoded_data(handle);
    return module.HEAPU8.slice(data, data + size);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.module._close_encoder(this.handle);
  }
}

export async function openAacEncoder(settings: AacSettings): Promise<SoundEncoder> {
  return new AacEncoder(await loadAac(), settings);
}
