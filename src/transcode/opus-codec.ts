/**
 * Opus (RFC 6716) by libopus as WebAssembly. Decodes mono and stereo packets to stereo at 48 kHz, hides losses, encodes
 * 20 ms packets. Leaves out multistream packets (more than two channels).
 */
import {
  type Application,
  createDecoder,
  createEncoder,
  isOpusError,
  type OpusDecoderHandle,
  type OpusEncoderHandle,
} from 'libopus-wasm';
import type { AudioDecoder, PcmBlock } from '../audio/pcm.ts';
import { PcmBuffer } from '../audio/pcm-buffer.ts';
import { OPUS_SAMPLE_RATE, opusPacketDuration } from '../codec/opus.ts';
import { OPUS_LOOKAHEAD } from './opus-lookahead.ts';
import type { SoundEncoder } from './sound-encoder.ts';

const CHANNELS = 2;
const FRAME_SAMPLES = 960;
/** Lost packets that are made up; silence after them. */
const MOST_CONCEALED = 5;
const APPLICATION_AUDIO: Application = 2049;
/** What the redundancy for lost packets is sized for. */
const EXPECTED_LOSS_PERCENT = 5;

class OpusDecoder implements AudioDecoder {
  errors = 0;
  private readonly decoder: OpusDecoderHandle;
  private readonly block = new PcmBuffer(OPUS_SAMPLE_RATE, CHANNELS);
  private concealed = 0;

  constructor(decoder: OpusDecoderHandle) {
    this.decoder = decoder;
  }

  decode(payload: Uint8Array): PcmBlock | null {
    // Also a packet of a length that cannot be: libopus would take an empty one for a lost one.
    if (opusPacketDuration(payload) === 0) {
      this.errors++;
      return null;
    }
    try {
      this.take(this.decoder.decodeFloat(payload));
    } catch (error) {
      if (!isOpusError(error)) throw error;
      this.errors++;
      return null;
    }
    this.concealed = 0;
    return this.block;
  }

  conceal(): PcmBlock | null {
    if (this.block.samples === 0) return null;
    if (this.concealed++ >= MOST_CONCEALED) {
      this.block.silence();
      return this.block;
    }
    try {
      this.take(this.decoder.decodePacketLossFloat(this.block.samples));
    } catch (error) {
      if (!isOpusError(error)) throw error;
      this.block.silence();
    }
    return this.block;
  }

  close(): void {
    this.decoder.free();
  }

  private take(interleaved: Float32Array): void {
    const samples = interleaved.length / CHANNELS;
    this.block.resize(samples);
    const [left, right] = this.block.channels;
    for (let i = 0; i < samples; i++) {
      left![i] = interleaved[2 * i]!;
      right![i] = interleaved[2 * i + 1]!;
    }
  }
}

export interface OpusSettings {
  readonly channels: 1 | 2;
  readonly bitrateBps: number;
  /** 0 to 10. */
  readonly complexity: number;
  /** Next to nothing is sent while it is quiet. */
  readonly isDtx: boolean;
}

class OpusEncoder implements SoundEncoder {
  readonly sampleRate = OPUS_SAMPLE_RATE;
  readonly channels: number;
  readonly frameSamples = FRAME_SAMPLES;
  readonly leadSamples = OPUS_LOOKAHEAD;
  packetFrame = -1;
  errors = 0;
  private readonly encoder: OpusEncoderHandle;

  constructor(encoder: OpusEncoderHandle) {
    this.encoder = encoder;
    this.channels = encoder.channels;
  }

  encode(interleaved: Float32Array): Uint8Array | null {
    this.packetFrame++;
    try {
      return this.encoder.encodeFloat(interleaved);
    } catch (error) {
      if (!isOpusError(error)) throw error;
      this.errors++;
      return null;
    }
  }

  close(): void {
    this.encoder.free();
  }
}

export async function openOpusDecoder(): Promise<AudioDecoder> {
  return new OpusDecoder(await createDecoder({ channels: CHANNELS }));
}

export async function openOpusEncoder(settings: OpusSettings): Promise<SoundEncoder> {
  const encoder = await createEncoder({
    sampleRate: OPUS_SAMPLE_RATE,
    channels: settings.channels,
    application: APPLICATION_AUDIO,
    bitrate: settings.bitrateBps,
    complexity: settings.complexity,
    dtx: settings.isDtx,
    fec: true,
    packetLossPercent: EXPECTED_LOSS_PERCENT,
  });
  return new OpusEncoder(encoder);
}
