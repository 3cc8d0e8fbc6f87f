/**
 * Sound of a transport stream to single frames: AAC in ADTS or LOAS, MPEG audio layer III, AC-3 and E-AC-3 as runs of sync
 * frames that may go on from one PES packet to the next, Opus behind its control headers (ETSI TS 103 491 draft).
 * Between garbage the next frame is looked for by its sync word.
 */

import { parseAc3Frame } from '../codec/ac3.ts';
import { type AdtsHeader, ascOfAdts, parseAdtsHeader } from '../codec/adts.ts';
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import { type CodecConfig, isSameConfig, makeCodecConfig } from '../codec/codec-config.ts';
import type { CodecId } from '../codec/codec-id.ts';
import { configFromFrame, configFromRecord } from '../codec/describe-config.ts';
import { LatmReader, LOAS_HEADER_BYTES, loasFrameSize } from '../codec/latm.ts';
import { parseMp3Frame } from '../codec/mp3.ts';
import { OPUS_MAPPINGS, OPUS_SAMPLE_RATE, serializeOpusHead } from '../codec/opus.ts';
import { FRAME_CONFIG, FRAME_KEY } from '../media/frame.ts';
import { ProtocolError } from '../util/errors.ts';
import type { TsIngest, TsIngestOutput } from './ts-ingest.ts';
import { TsIngestTrack } from './ts-ingest-track.ts';

/** Enough of a frame to see how long it is, for all of these codecs. */
const HEADER_BYTES = 8;
/** Longest frame that is waited for: E-AC-3 with all its dependent substreams. */
const MAX_FRAME_BYTES = 4096 * 9;
const E_AC3_DEPENDENT = 1;
const MP3_LAYER = 3;
const NO_BYTES = new Uint8Array(0);

export class TsAudioStream extends TsIngestTrack {
  /** Opus: 0 = not told. */
  private readonly channels: number;
  /** Begin of a frame that goes on in the next packet. */
  private rest: Uint8Array;
  private restPosition: number;
  /** Time of the next frame by the durations of those before; NaN = not known. */
  private nextMs: number;
  /** What the config was made of. */
  private adts: AdtsHeader | null;
  private isInSync: boolean;
  private readonly latm: LatmReader | null;
  /** Of what LATM told last. */
  private latmRecord: Uint8Array | null;
  private latmConfig: CodecConfig | null;

  constructor(
    owner: TsIngest,
    output: TsIngestOutput,
    pid: number,
    trackId: number,
    codec: CodecId,
    setConfig: (config: CodecConfig) => void,
    channels: number,
    isLatm: boolean,
  ) {
    super(owner, output, pid, trackId, codec, setConfig, isLatm);
    this.channels = channels;
    this.rest = NO_BYTES;
    this.restPosition = 0;
    this.nextMs = Number.NaN;
    this.adts = null;
    this.isInSync = false;
    this.latm = isLatm ? new LatmReader(true) : null;
    this.latmRecord = null;
    this.latmConfig = null;
  }

  override onLoss(isDamaged: boolean): void {
    super.onLoss(isDamaged);
    this.rest = NO_BYTES;
    this.isInSync = false;
  }

  /** The time belongs to the first frame that begins in the packet (2.4.3.7). */
  override take(received: Uint8Array, _dtsMs: number, ptsMs: number, position: number): void {
    if (this.codec === 'opus') {
      if (!Number.isNaN(ptsMs)) this.nextMs = ptsMs;
      this.owner.position = position;
      this.takeOpus(received);
      return;
    }
    const carried = this.rest.length;
    const bytes = carried === 0 ? received : Buffer.concat([this.rest, received]);
    let isTimeDue = !Number.isNaN(ptsMs);
    let at = 0;
    this.owner.position = this.restPosition;
    while (at < bytes.length) {
      const size = this.frameBytes(bytes, at);
      if (size < 0) {
        // What looks like a long frame may be garbage in front of true ones.
        const next = this.isInSync ? -1 : this.findFrames(bytes, at + 1);
        if (next < 0) break;
        at = next;
        continue;
      }
      if (size === 0) {
        if (this.isInSync) this.damagedFrames++;
        this.isInSync = false;
        at++;
        continue;
      }
      this.isInSync = true;
      if (at >= carried) {
        this.owner.position = position;
        if (isTimeDue) this.nextMs = ptsMs;
        isTimeDue = false;
      }
      this.frame(bytes, at, at + size);
      at += size;
    }
    if (at >= carried && at < bytes.length) {
      this.restPosition = position;
      // What begins here and ends in the next packet has the time of this one when nothing was before it.
      if (isTimeDue) this.nextMs = ptsMs;
    }
    this.rest = bytes.length - at > MAX_FRAME_BYTES ? NO_BYTES : Uint8Array.from(bytes.subarray(at));
  }

  /** Where two frames follow each other; -1 = nowhere. */
  private findFrames(bytes: Uint8Array, from: number): number {
    for (let at = from; bytes.length - at >= HEADER_BYTES; at++) {
      const size = this.couldBegin(bytes[at]!) ? this.sizeAt(bytes, at) : 0;
      if (size > 0 && bytes.length - at - size >= HEADER_BYTES && this.sizeAt(bytes, at + size) > 0)
        return at;
    }
    return -1;
  }

  /** Bytes of the frame at `at`; 0 = there is none, -1 = more bytes are needed to tell. */
  private frameBytes(bytes: Uint8Array, at: number): number {
    if (bytes.length - at < HEADER_BYTES) return this.isInSync || this.couldBegin(bytes[at]!) ? -1 : 0;
    const size = this.sizeAt(bytes, at);
    if (size === 0) return 0;
    const end = at + size;
    if (end > bytes.length) return size > MAX_FRAME_BYTES ? 0 : -1;
    // A sync word inside a frame is not followed by another where it says.
    if (!this.isInSync && bytes.length - end >= HEADER_BYTES && this.sizeAt(bytes, end) === 0) return 0;
    return this.codec === 'eac3' ? this.withDependents(bytes, at, end) : size;
  }

  /** Substreams that belong to the frame before them come with it. */
  private withDependents(bytes: Uint8Array, at: number, firstEnd: number): number {
    let end = firstEnd;
    while (bytes.length - end >= HEADER_BYTES) {
      const next = parseAc3Frame(bytes, end);
      if (next === null || !next.isEac3 || next.streamType !== E_AC3_DEPENDENT) break;
      if (end + next.size > bytes.length) return end + next.size - at > MAX_FRAME_BYTES ? 0 : -1;
      end += next.size;
    }
    return end - at;
  }

  private couldBegin(byte: number): boolean {
    if (this.latm !== null) return byte === 0x56;
    return byte === (this.codec === 'ac3' || this.codec === 'eac3' ? 0x0b : 0xff);
  }

  private sizeAt(bytes: Uint8Array, at: number): number {
    if (this.latm !== null) return loasFrameSize(bytes, at);
    switch (this.codec) {
      case 'aac':
        return parseAdtsHeader(bytes, at)?.frameSize ?? 0;
      case 'mp3':
        return parseMp3Frame(bytes, at)?.size ?? 0;
      default:
        return parseAc3Frame(bytes, at)?.size ?? 0;
    }
  }

  private frame(bytes: Uint8Array, start: number, end: number): void {
    if (this.latm !== null) this.loasFrame(this.latm, bytes, start, end);
    else if (this.codec === 'aac') this.adtsFrame(bytes, start, end);
    else {
      const payload = bytes.subarray(start, end);
      const layer = this.codec === 'mp3' ? (parseMp3Frame(payload)?.layer ?? 0) : MP3_LAYER;
      if (layer !== MP3_LAYER)
        this.reason = `Sluice does not use MPEG audio of layer ${layer} (PID ${this.pid}).`;
      else this.write(payload, this.describe(payload));
    }
  }

  private loasFrame(latm: LatmReader, bytes: Uint8Array, start: number, end: number): void {
    const isRead = latm.read(bytes, start + LOAS_HEADER_BYTES, end);
    this.reason = latm.reason;
    if (!isRead) {
      if (latm.record === null) this.framesWithoutConfig++;
      else this.damagedFrames++;
      return;
    }
    const { record } = latm;
    if (record !== null && record !== this.latmRecord) {
      this.latmRecord = record;
      this.latmConfig = this.configOf(record);
    }
    for (let i = 0; i < latm.count; i++) {
      const payload = latm.frame(i);
      if (payload.length > 0) this.write(payload, this.latmConfig);
    }
  }

  private adtsFrame(bytes: Uint8Array, start: number, end: number): void {
    const header = parseAdtsHeader(bytes, start)!; // frameBytes found it
    const known = this.adts;
    const isSame =
      known !== null &&
      known.objectType === header.objectType &&
      known.sampleRate === header.sampleRate &&
      known.channelConfig === header.channelConfig;
    let config = this.config;
    if (!isSame) {
      config = this.configOf(ascOfAdts(header));
      this.adts = header;
      if (config === null) this.config = null;
    }
    const payload = bytes.subarray(start + header.headerSize, end);
    // Several blocks in one frame cannot be told apart without decoding them.
    if (header.blocks > 1 || payload.length === 0) {
      this.damagedFrames++;
      if (config !== null) this.nextMs += (header.blocks * audioFrameDuration(config, payload)) / 1000;
      return;
    }
    this.write(payload, config);
  }

  private configOf(record: Uint8Array): CodecConfig | null {
    try {
      return configFromRecord(this.codec, record);
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }

  /** Config of a frame of a codec that tells all about itself in every frame. */
  private describe(payload: Uint8Array): CodecConfig {
    return configFromFrame(this.config ?? configFromRecord(this.codec, NO_BYTES), payload);
  }

  private write(payload: Uint8Array, config: CodecConfig | null): void {
    if (config === null) {
      this.framesWithoutConfig++;
      return;
    }
    let flags = FRAME_KEY;
    const known = this.config;
    if (known !== config && (known === null || !hasSameSound(known, config))) {
      if (known !== null) flags |= FRAME_CONFIG;
      this.config = config;
      this.setConfig(config);
    }
    const durationUs = audioFrameDuration(config, payload);
    const time = this.nextMs;
    this.nextMs += durationUs / 1000;
    if (!Number.isNaN(time)) {
      this.output.write(this.trackId, flags, time, time, durationUs, payload, this.config ?? config);
    }
  }

  private takeOpus(bytes: Uint8Array): void {
    let at = 0;
    while (at + 2 <= bytes.length) {
      const flags = bytes[at + 1]!;
      // Eleven bits of prefix.
      if (bytes[at] !== 0x7f || (flags & 0xe0) !== 0xe0) break;
      at += 2;
      let size = 0;
      let step = 255;
      while (step === 255 && at < bytes.length) {
        step = bytes[at++]!;
        size += step;
      }
      if ((flags & 0x10) !== 0) at += 2; // start_trim
      if ((flags & 0x08) !== 0) at += 2; // end_trim
      if ((flags & 0x04) !== 0) at += 1 + (bytes[at] ?? 0); // control_extension
      if (size === 0 || at + size > bytes.length) break;
      const payload = bytes.subarray(at, at + size);
      this.write(payload, this.config ?? this.opusConfig(payload));
      at += size;
    }
    if (at < bytes.length) this.damagedFrames++;
  }

  private opusConfig(payload: Uint8Array): CodecConfig {
    if (this.channels === 0) return this.describe(payload);
    const { channels } = this;
    if (channels > 2) return configFromRecord('opus', headOf(channels));
    const facts = { sampleRate: OPUS_SAMPLE_RATE, channels };
    return makeCodecConfig('opus', NO_BYTES, 'opus', facts);
  }
}

function hasSameSound(a: CodecConfig, b: CodecConfig): boolean {
  return isSameConfig(a, b) && a.sampleRate === b.sampleRate && a.channels === b.channels;
}

/** What a channel configuration code says, as the codec's own header. */
function headOf(channels: number): Uint8Array {
  return serializeOpusHead({
    version: 1,
    channels,
    preSkip: 0,
    inputRate: OPUS_SAMPLE_RATE,
    outputGain: 0,
    mappingFamily: 1,
    mapping: Uint8Array.from(OPUS_MAPPINGS[channels] ?? []),
  });
}
