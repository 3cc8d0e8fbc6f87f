/**
 * One conversion: frame -> decoder -> shaper -> clock -> frames of the encoder -> packets. Synchronous and without
 * threads. Damaged input costs a concealed frame or silence; only a codec that broke (a WebAssembly trap) throws.
 */
import type { AudioDecoder, PcmBlock, Speaker } from '../audio/pcm.ts';
import { FrameFiller, Stretcher } from './frame-filler.ts';
import { MOST_SILENCE_US, SoundClock } from './sound-clock.ts';
import type { SoundEncoder } from './sound-encoder.ts';
import { MAX_SOUND_BYTES } from './sound-limits.ts';
import { SoundShaper } from './sound-shaper.ts';

/** Samples of one decoded block at most: a second of the highest rate. */
const MAX_BLOCK_SAMPLES = 192_000;
/** A frame is lost when its place is this part of its length or more. */
const LOST_PART = 0.7;
/** Frames that are concealed one after another; silence fills longer gaps. */
const MOST_CONCEALED = 5;
/** Starts of frames that are remembered; encoders look ahead by two at most. */
const STARTS = 8;
const NO_SPEAKERS: readonly Speaker[] = [];

export type OnPacket = (ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number) => void;

export class Conversion {
  framesIn = 0;
  framesOut = 0;
  /** Frames in or out of which nothing could be made. */
  damaged = 0;
  /** Frames made up for lost ones. */
  concealed = 0;
  /** Gaps filled or jumped over, and overlaps dropped. */
  gaps = 0;
  private readonly decoder: AudioDecoder;
  private readonly encoder: SoundEncoder;
  private readonly onPacket: OnPacket;
  private readonly speakersOf: () => readonly Speaker[];
  private readonly shaper: SoundShaper;
  private readonly stretcher: Stretcher;
  private readonly filler: FrameFiller;
  private readonly clock: SoundClock;
  private readonly starts = new Float64Array(STARTS);
  private readonly packetUs: number;
  private framesEncoded = 0;
  private lastEndUs = Number.NaN;
  private frameStartUs = 0;
  private arrivalUs = 0;
  private isClosed = false;

  /**
   * The conversion closes both codecs. Packets' times are integers, those before the timeline's zero are left out.
   * `speakersOf`: what the channels are for where there are more than two; empty when nobody knows.
   */
  constructor(
    decoder: AudioDecoder,
    encoder: SoundEncoder,
    onPacket: OnPacket,
    speakersOf: () => readonly Speaker[],
  ) {
    this.speakersOf = speakersOf;
    this.decoder = decoder;
    this.encoder = encoder;
    this.onPacket = onPacket;
    const channels = encoder.channels === 1 ? 1 : 2;
    this.shaper = new SoundShaper(encoder.sampleRate, channels);
    this.stretcher = new Stretcher(channels);
    this.filler = new FrameFiller(encoder.frameSamples, channels);
    this.clock = new SoundClock(encoder.sampleRate);
    this.packetUs = Math.round((encoder.frameSamples * 1_000_000) / encoder.sampleRate);
  }

  /** Microseconds; a duration of 0 is taken from what is decoded. Without payload: silence before the first frame. */
  push(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    if (this.isClosed) return;
    if (payload.length === 0 && Number.isNaN(this.clock.nextUs)) {
      this.beginWithSilence(ptsUs, durationUs, arrivalUs);
      return;
    }
    this.framesIn++;
    this.concealLost(ptsUs, durationUs);
    this.arrivalUs = arrivalUs;
    let block = payload.length > MAX_SOUND_BYTES ? null : this.decoder.decode(payload);
    if (block === null) {
      this.damaged++;
      block = this.decoder.conceal();
    }
    if (block === null || !isUsable(block)) {
      this.lastEndUs = ptsUs + durationUs;
      return;
    }
    const blockUs = (block.samples * 1_000_000) / block.sampleRate;
    this.lastEndUs = ptsUs + (durationUs > 0 ? durationUs : blockUs);
    this.take(block, ptsUs);
  }

  private beginWithSilence(ptsUs: number, durationUs: number, arrivalUs: number): void {
    this.arrivalUs = arrivalUs;
    const samples = Math.round((Math.min(durationUs, MOST_SILENCE_US) * this.encoder.sampleRate) / 1_000_000);
    this.clock.place(ptsUs, samples);
    this.frameStartUs = this.clock.nextUs;
    this.fillSilence(samples);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.decoder.close();
    this.encoder.close();
  }

  /** Frames that did not come, by the times of those that did and by the samples that are missing. */
  private concealLost(ptsUs: number, durationUs: number): void {
    if (durationUs <= 0 || Number.isNaN(this.lastEndUs)) return;
    const missingUs = Math.min(ptsUs - this.lastEndUs, ptsUs - this.clock.nextUs);
    if (!(missingUs >= durationUs * LOST_PART) || missingUs > durationUs * (MOST_CONCEALED + 0.5)) return;
    const lost = Math.round(missingUs / durationUs);
    for (let i = 0; i < lost; i++) {
      const block = this.decoder.conceal();
      if (block === null || !isUsable(block)) return;
      this.concealed++;
      this.take(block, ptsUs - (lost - i) * durationUs);
    }
  }

  private take(block: PcmBlock, ptsUs: number): void {
    const made = this.shaper.shape(block, block.channels.length > 2 ? this.speakersOf() : NO_SPEAKERS);
    if (this.shaper.damaged > 0) this.damaged++;
    if (made === 0) return;
    // What a decoder lags by is not taken off: encoders count it into their times, as players expect.
    const placing = this.clock.place(ptsUs - this.shaper.lagUs, made);
    if (placing === 'overlap') {
      this.gaps++;
      return;
    }
    if (placing === 'jump') {
      if (this.filler.filled > 0) this.pad();
      if (this.framesEncoded > 0) this.gaps++;
      this.frameStartUs = this.clock.nextUs;
    } else if (placing === 'gap') {
      this.gaps++;
      this.fillSilence(this.clock.silence);
    }
    const { stretch } = this.clock;
    if (stretch === 0) {
      this.fill(this.shaper.output, made);
      return;
    }
    const stretched = this.stretcher.stretch(this.shaper.output, made, stretch);
    this.fill(this.stretcher.output, stretched);
  }

  private fill(channels: readonly Float32Array[], samples: number): void {
    let from = 0;
    while (from < samples) {
      this.begin();
      const taken = this.filler.add(channels, from, samples);
      from += taken;
      this.clock.advance(taken);
      if (this.filler.isFull) this.encode();
    }
  }

  private fillSilence(samples: number): void {
    let left = samples;
    while (left > 0) {
      this.begin();
      const added = this.filler.addSilence(left);
      left -= added;
      this.clock.advance(added);
      if (this.filler.isFull) this.encode();
    }
  }

  /** The rest of a frame before a jump; the clock has left it already. */
  private pad(): void {
    this.filler.addSilence(this.encoder.frameSamples);
    this.encode();
  }

  private begin(): void {
    if (this.filler.filled === 0) this.frameStartUs = this.clock.nextUs;
  }

  private encode(): void {
    const { encoder, starts } = this;
    starts[this.framesEncoded++ % STARTS] = this.frameStartUs;
    const { errors } = encoder;
    const packet = encoder.encode(this.filler.frame);
    this.filler.empty();
    if (encoder.errors > errors) this.damaged++;
    if (packet === null || encoder.packetFrame < 0) return;
    const leadUs = (encoder.leadSamples * 1_000_000) / encoder.sampleRate;
    const ptsUs = Math.round(starts[encoder.packetFrame % STARTS]! - leadUs);
    if (ptsUs < 0) return;
    this.framesOut++;
    this.onPacket(ptsUs, this.packetUs, packet, this.arrivalUs);
  }
}

function isUsable(block: PcmBlock): boolean {
  return (
    block.samples > 0 &&
    block.samples <= MAX_BLOCK_SAMPLES &&
    block.sampleRate > 0 &&
    block.channels.length > 0
  );
}
