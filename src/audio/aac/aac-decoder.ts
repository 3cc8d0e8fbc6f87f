/**
 * Decoder of AAC LC, with spectral band replication and parametric stereo (HE-AAC) by sbr/: ISO/IEC 14496-3 subpart 4,
 * raw_data_block. Frames of 1024 and 960, all channel configurations and program config elements, coupling channels.
 * Leaves out: Main, SSR and LTP (refused), error resilient syntax, scalable coding, dynamic range control, and program
 * config elements in the stream, which say again what the configuration has said.
 */
import { type AudioSpecificConfig, parseAudioSpecificConfig } from '../../codec/aac.ts';
import { ProtocolError } from '../../util/errors.ts';
import type { AudioDecoder, PcmBlock, Speaker } from '../pcm.ts';
import { PcmBuffer } from '../pcm-buffer.ts';
import { AacBits } from './aac-bits.ts';
import { type BandTables, bandTables, type FrameLength } from './band-tables.ts';
import {
  COUPLING,
  type LayoutElement,
  LOW_FREQUENCY,
  layoutOfConfig,
  readProgramConfig,
} from './channel-layout.ts';
import { AacTools } from './counters.ts';
import { AFTER_TNS, AS_SOUND, BEFORE_TNS, CouplingChannel } from './coupling.ts';
import { AacElement } from './element.ts';
import { FilterBank } from './filter-bank.ts';
import { NoiseSource } from './noise.ts';
import { SbrDecoder } from './sbr/sbr-decoder.ts';

const AAC_LC = 2;
/** Syntactic elements that are not sound (table 4.85). */
const DATA = 4;
const PROGRAM_CONFIG = 5;
const FILL = 6;
const END = 7;
/** extension_type (table 4.121). */
const EXT_SBR = 13;
const EXT_SBR_CRC = 14;
/** Above this rate of the core nobody uses SBR without saying so. */
const MAX_IMPLICIT_SBR_RATE = 24_000;
/** Of the two filter banks of SBR and its look-ahead, at the output rate. */
const SBR_DELAY = 962;
const MAX_COUPLINGS = 16;
const NOISE_SEED = 0x1f2e_3d4c;
const STEREO: readonly Speaker[] = ['L', 'R'];

export interface AacDecoderOptions {
  /** Decodes spectral band replication and parametric stereo (the default), or the core alone at its own rate. */
  readonly hasSbr?: boolean;
}

export class AacDecoder implements AudioDecoder {
  /** What the stream used so far. */
  readonly tools: AacTools;
  private readonly config: AudioSpecificConfig;
  private readonly frameLength: FrameLength;
  private readonly tables: BandTables;
  private readonly elements: AacElement[];
  private readonly couplings: (CouplingChannel | null)[];
  private readonly bits: AacBits;
  private readonly bank: FilterBank;
  private readonly noise: NoiseSource;
  private readonly mayHaveSbr: boolean;
  private readonly speakers: readonly Speaker[];
  /** Its arrays are those of the elements. */
  private readonly block: PcmBuffer;
  private hasSbr: boolean;
  private hasStarted: boolean;
  private isClosed: boolean;
  private errorCount: number;

  /** Throws ProtocolError for a config that is broken or of a coder that is not AAC LC below SBR and PS. */
  constructor(audioSpecificConfig: Uint8Array, options: AacDecoderOptions = {}) {
    const config = parseAudioSpecificConfig(audioSpecificConfig);
    const { objectType, frameSamples } = config;
    if (objectType !== AAC_LC || (frameSamples !== 1024 && frameSamples !== 960))
      throw new ProtocolError(
        'audio.unsupported-aac',
        `object type ${objectType}, frames of ${frameSamples}`,
      );
    this.config = config;
    this.tools = new AacTools();
    this.bits = new AacBits();
    this.frameLength = frameSamples;
    this.tables = bandTables(config.sampleRate, frameSamples);
    this.elements = this.readLayout(audioSpecificConfig).map(
      (layout) => new AacElement(layout, this.tables, frameSamples, this.tools),
    );
    this.couplings = new Array<CouplingChannel | null>(MAX_COUPLINGS).fill(null);
    this.bank = new FilterBank(frameSamples);
    this.noise = new NoiseSource(NOISE_SEED);
    this.mayHaveSbr = options.hasSbr ?? true;
    this.speakers = this.elements.flatMap(({ layout }) => layout.speakers);
    this.block = new PcmBuffer(0, 0);
    this.hasSbr = false;
    this.hasStarted = false;
    this.isClosed = false;
    this.errorCount = 0;
    // An SBR stream at the rate of its core (down-sampled SBR) is that core.
    if (config.hasSbr && config.outputRate > config.sampleRate) this.startSbr();
  }

  /** What each channel of the sound is for, in the order of the channels. */
  get channelLayout(): readonly Speaker[] {
    return this.elements.length === 1 && this.block.channels.length === 2 ? STEREO : this.speakers;
  }

  /** Samples of the output by which the sound comes later than the frame that carries it. */
  get delaySamples(): number {
    return this.hasSbr ? SBR_DELAY : 0;
  }

  get errors(): number {
    return this.errorCount;
  }

  decode(payload: Uint8Array): PcmBlock | null {
    if (this.isClosed || !this.read(payload) || !this.makeSpectra()) {
      this.errorCount++;
      return null;
    }
    this.hasStarted = true;
    this.tools.frames++;
    this.synthesize();
    return this.output();
  }

  conceal(): PcmBlock | null {
    if (this.isClosed || !this.hasStarted) return null;
    for (const element of this.elements) element.conceal(this.bank, false);
    return this.output();
  }

  close(): void {
    this.isClosed = true;
  }

  private readLayout(record: Uint8Array): readonly LayoutElement[] {
    const { channelConfig } = this.config;
    const layout = layoutOfConfig(channelConfig);
    if (layout !== undefined) return layout;
    if (channelConfig !== 0)
      throw new ProtocolError('audio.unsupported-aac', `channel configuration ${channelConfig}`);
    const { bits } = this;
    bits.load(record);
    const objectType = bits.bits(5);
    this.skipRate();
    bits.skip(4);
    if (objectType !== AAC_LC) {
      this.skipRate();
      bits.skip(5);
    }
    bits.skip(1); // frameLengthFlag
    if (bits.flag()) bits.skip(14); // dependsOnCoreCoder
    bits.skip(1); // extensionFlag
    return readProgramConfig(bits);
  }

  private skipRate(): void {
    if (this.bits.bits(4) === 15) this.bits.skip(24);
  }

  private startSbr(): void {
    if (!this.mayHaveSbr) return;
    this.hasSbr = true;
    const { sampleRate } = this.config;
    for (const element of this.elements)
      element.sbr = new SbrDecoder(sampleRate, element.coreChannels, this.frameLength);
  }

  /** raw_data_block (table 4.3). */
  private read(payload: Uint8Array): boolean {
    const { bits, elements, couplings } = this;
    if (!bits.load(payload)) return false;
    for (let i = 0; i < elements.length; i++) {
      elements[i]!.tag = -1;
      elements[i]!.sbrBits = 0;
    }
    for (let i = 0; i < MAX_COUPLINGS; i++) {
      const coupling = couplings[i]!;
      if (coupling !== null) coupling.isPresent = false;
    }
    let last: AacElement | null = null;
    let count = 0;
    // A frame without its end is taken when it has something: some encoders cut it.
    while (bits.remaining >= 3) {
      const type = bits.bits(3);
      if (type === END) break;
      let isGood = true;
      if (type === DATA) this.skipData();
      else if (type === FILL) this.readFill(last);
      else if (type === PROGRAM_CONFIG) isGood = this.skipProgramConfig();
      else if (type === COUPLING) isGood = this.readCoupling();
      else {
        last = this.nextElement(type, bits.bits(4));
        if (last === null) return false;
        isGood = last.read(bits);
        count++;
      }
      if (!isGood || bits.isOverrun) return false;
    }
    return count > 0;
  }

  /** The element of the layout that is meant by one of the stream, which then has its tag. */
  private nextElement(type: number, tag: number): AacElement | null {
    for (let i = 0; i < this.elements.length; i++) {
      const element = this.elements[i]!;
      if (element.type !== type || element.tag !== -1) continue;
      if (element.layout.tag !== -1 && element.layout.tag !== tag) continue;
      element.tag = tag;
      return element;
    }
    return null;
  }

  private readCoupling(): boolean {
    const tag = this.bits.bits(4);
    let coupling = this.couplings[tag]!;
    if (coupling === null) {
      coupling = new CouplingChannel(this.tables, this.frameLength, this.tools);
      this.couplings[tag] = coupling;
    }
    if (coupling.isPresent) return false;
    coupling.isPresent = true;
    return coupling.read(this.bits);
  }

  /** data_stream_element (table 4.10). */
  private skipData(): void {
    const { bits } = this;
    bits.skip(4);
    const isAligned = bits.flag();
    let count = bits.bits(8);
    if (count === 255) count += bits.bits(8);
    if (isAligned) bits.align();
    bits.skip(8 * count);
  }

  private skipProgramConfig(): boolean {
    const { bits } = this;
    // Sizes only: the same element is in the configuration, where it is read.
    bits.skip(10);
    let pieces = bits.bits(4) + bits.bits(4) + bits.bits(4);
    pieces = 5 * pieces + 4 * bits.bits(2) + 4 * bits.bits(3) + 5 * bits.bits(4);
    if (bits.flag()) bits.skip(4);
    if (bits.flag()) bits.skip(4);
    if (bits.flag()) bits.skip(3);
    bits.skip(pieces);
    bits.align();
    const comment = bits.bits(8);
    bits.skip(8 * comment);
    return !bits.isOverrun;
  }

  /** fill_element (table 4.11). The data of SBR belong to the element in front. */
  private readFill(last: AacElement | null): void {
    const { bits } = this;
    let count = bits.bits(4);
    if (count === 15) count += bits.bits(8) - 1;
    if (count === 0) return;
    const start = bits.position;
    const extension = bits.bits(4);
    bits.position = start;
    bits.skip(8 * count);
    if (bits.isOverrun || last === null || !last.mayHaveSbr) return;
    if (extension !== EXT_SBR && extension !== EXT_SBR_CRC) return;
    last.sbrStart = start + 4;
    last.sbrBits = 8 * count - 4;
    last.hasSbrCrc = extension === EXT_SBR_CRC;
  }

  /** Spectra as they go into the filter bank; false when damage shows in them. */
  private makeSpectra(): boolean {
    const { elements } = this;
    for (let i = 0; i < elements.length; i++) {
      if (elements[i]!.tag !== -1) elements[i]!.makeSpectra(this.noise);
    }
    for (let i = 0; i < MAX_COUPLINGS; i++) {
      const coupling = this.couplings[i]!;
      if (coupling === null || !coupling.isPresent) continue;
      coupling.makeSpectrum(this.noise);
      if (!coupling.isSane) return false;
    }
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      if (element.tag === -1) continue;
      this.couple(element, BEFORE_TNS);
      element.shapeNoise();
      this.couple(element, AFTER_TNS);
      if (!element.isSane) return false;
    }
    return true;
  }

  private couple(element: AacElement, point: number): void {
    if (element.type === LOW_FREQUENCY) return;
    for (let i = 0; i < MAX_COUPLINGS; i++) {
      const coupling = this.couplings[i]!;
      if (coupling === null || !coupling.isPresent || coupling.point !== point) continue;
      this.tools.couplings += coupling.addTo(element.type, element.tag, element.left, element.right);
    }
  }

  private synthesize(): void {
    const { elements, bank, bits } = this;
    for (let i = 0; i < MAX_COUPLINGS; i++) this.couplings[i]?.synthesize(bank);
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      if (element.tag === -1) element.conceal(bank, true);
      else element.synthesize(bank);
      this.couple(element, AS_SOUND);
      if (element.sbrBits === 0) continue;
      this.tools.sbrElements++;
      if (!this.hasSbr && this.isSbrImplicit) this.startSbr();
      element.sbr?.read(bits.bytes, element.sbrStart, element.sbrBits, element.hasSbrCrc);
    }
  }

  private get isSbrImplicit(): boolean {
    return !this.config.hasSbr && this.config.sampleRate <= MAX_IMPLICIT_SBR_RATE;
  }

  private output(): PcmBlock {
    const { block, elements, config } = this;
    const isDouble = this.hasSbr;
    block.sampleRate = isDouble ? 2 * config.sampleRate : config.sampleRate;
    block.samples = isDouble ? 2 * this.frameLength : this.frameLength;
    let at = 0;
    for (let i = 0; i < elements.length; i++) {
      const element = elements[i]!;
      const sound = element.sound();
      const { channels } = block;
      // Parametric stereo is for a single channel alone.
      const count = elements.length === 1 ? sound.length : element.coreChannels;
      for (let channel = 0; channel < count; channel++) channels[at++] = sound[channel]!;
      // Once stereo it stays so, and so it is from the start where the configuration says it.
      const isStereo = channels.length === 2 || (config.hasPs && isDouble);
      if (elements.length === 1 && count === 1 && isStereo) channels[at++] = sound[0]!;
    }
    return block;
  }
}
