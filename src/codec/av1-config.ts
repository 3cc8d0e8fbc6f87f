/** AV1CodecConfigurationRecord, `av1C`: AV1-ISOBMFF 2.3; its RFC 6381 name by section 5 there. */
import { ProtocolError } from '../util/errors.ts';
import { type Av1Sequence, parseAv1Sequence } from './av1.ts';

const BAD_AV1C = 'codec.bad-av1c';
const MAX_CONFIG_OBU_BYTES = 65_535;

export interface Av1Config {
  readonly profile: number;
  readonly levelIndex: number;
  readonly highTier: boolean;
  readonly bitDepth: number;
  readonly monochrome: boolean;
  readonly subsamplingX: boolean;
  readonly subsamplingY: boolean;
  readonly chromaSamplePosition: number;
  /** Presentation delay in frames, or -1 when not told. */
  readonly presentationDelay: number;
  /** Sequence header and metadata OBUs with sizes; may be empty. */
  readonly obus: Uint8Array;
}

/** Parses an av1C record; `obus` is a view. Throws ProtocolError. */
export function parseAv1Config(record: Uint8Array): Av1Config {
  if (record.length < 4) throw new ProtocolError(BAD_AV1C, `${record.length} bytes`);
  if (record[0] !== 0x81) throw new ProtocolError(BAD_AV1C, `marker and version ${record[0]}`);
  if (record.length > MAX_CONFIG_OBU_BYTES) throw new ProtocolError(BAD_AV1C, `${record.length} bytes`);
  const second = record[1]!;
  const third = record[2]!;
  const fourth = record[3]!;
  return {
    profile: second >> 5,
    levelIndex: second & 31,
    highTier: (third & 0x80) !== 0,
    bitDepth: (third & 0x40) === 0 ? 8 : (third & 0x20) === 0 ? 10 : 12,
    monochrome: (third & 0x10) !== 0,
    subsamplingX: (third & 8) !== 0,
    subsamplingY: (third & 4) !== 0,
    chromaSamplePosition: third & 3,
    presentationDelay: (fourth & 0x10) !== 0 ? fourth & 15 : -1,
    obus: record.subarray(4),
  };
}

export function serializeAv1Config(config: Av1Config): Uint8Array {
  const record = new Uint8Array(4 + config.obus.length);
  const depth = config.bitDepth === 8 ? 0 : config.bitDepth === 10 ? 0x40 : 0x60;
  record[0] = 0x81;
  record[1] = (config.profile << 5) | config.levelIndex;
  record[2] =
    (config.highTier ? 0x80 : 0) |
    depth |
    (config.monochrome ? 0x10 : 0) |
    (config.subsamplingX ? 8 : 0) |
    (config.subsamplingY ? 4 : 0) |
    config.chromaSamplePosition;
  record[3] = config.presentationDelay < 0 ? 0 : 0x10 | config.presentationDelay;
  record.set(config.obus, 4);
  return record;
}

/** The av1C record of a sequence header, given by the payload of its OBU. Throws ProtocolError on a broken one. */
export function buildAv1Config(sequenceHeader: Uint8Array): Uint8Array {
  const sequence = parseAv1Sequence(sequenceHeader);
  return serializeAv1Config({ ...sequence, presentationDelay: -1, obus: sequenceHeaderObu(sequenceHeader) });
}

function sequenceHeaderObu(payload: Uint8Array): Uint8Array {
  // A sequence header has some 40 bytes; one that needs three bytes of size is none.
  if (payload.length > 0x3fff)
    throw new ProtocolError(BAD_AV1C, `sequence header of ${payload.length} bytes`);
  const sizeBytes = payload.length > 0x7f ? 2 : 1;
  const obu = new Uint8Array(1 + sizeBytes + payload.length);
  obu[0] = 0x0a;
  obu[1] = sizeBytes === 1 ? payload.length : (payload.length & 0x7f) | 0x80;
  if (sizeBytes === 2) obu[2] = payload.length >> 7;
  obu.set(payload, 1 + sizeBytes);
  return obu;
}

/**
 * For example `av01.0.04M.08`; with the colour fields (`.0.110.09.16.09.0`) when `sequence` tells that they are not
 * the defaults that a reader of the short form would assume.
 */
export function av1Mime(config: Av1Config, sequence: Av1Sequence | null): string {
  const tier = config.highTier ? 'H' : 'M';
  const head = `av01.${config.profile}.${two(config.levelIndex)}${tier}.${two(config.bitDepth)}`;
  if (sequence === null) return head;
  const { colourPrimaries, transfer, matrix, fullRange } = sequence;
  const isUnspecified = colourPrimaries === 2 && transfer === 2 && matrix === 2;
  const isDefaultColour = isUnspecified || (colourPrimaries === 1 && transfer === 1 && matrix === 1);
  const is420 = config.subsamplingX && config.subsamplingY && !config.monochrome;
  if (isDefaultColour && is420 && !fullRange) return head;
  const x = config.subsamplingX ? 1 : 0;
  const y = config.subsamplingY ? 1 : 0;
  const position = x === 1 && y === 1 ? config.chromaSamplePosition : 0;
  const chroma = `${config.monochrome ? 1 : 0}.${x}${y}${position}`;
  return `${head}.${chroma}.${two(colourPrimaries)}.${two(transfer)}.${two(matrix)}.${fullRange ? 1 : 0}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
