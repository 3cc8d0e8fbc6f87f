/**
 * A body without messages (a POST, a TCP connection, datagrams) to tracks and frames: FLV, MPEG-TS or fragmented MP4,
 * known by its first bytes. What is none of them is refused in words; so is what is another than it was said to be.
 */
import { ProtocolError, RejectedError } from '../util/errors.ts';
import { FlvTagReader } from '../wire/flv/tag-reader.ts';
import { looksLikeTs, TsReader } from '../wire/mpegts/ts-reader.ts';
import { FlvIngest, type FlvIngestOutput } from './flv-ingest.ts';
import { Fmp4Ingest } from './fmp4-ingest.ts';
import { TsIngest } from './ts-ingest.ts';

export type ContainerName = 'flv' | 'ts' | 'mp4';

/** What it counts and leaves out, for the API. */
export interface IngestDetails {
  readonly format: ContainerName | '';
  /** Times that transport packets were missing. */
  readonly continuityErrors: number;
  /** Frames left out because something of them or before them was lost on the way. */
  readonly dropped: number;
  /** Packets, sections and frames that make no sense, and bytes that belong to nothing. */
  readonly damaged: number;
  readonly skippedBytes: number;
  /** Sentences about tracks that are not used. */
  readonly leftOut: readonly string[];
}

/** Fits into every reader's first look; more is needed only to find packets behind garbage. */
const HEAD_BYTES = 8;
/** A transport stream may begin in the middle of a packet. */
const SEARCH_BYTES = 2048;
const TS_SYNC_BYTE = 0x47;
/** Boxes that a fragmented MP4 may begin with (ISO/IEC 14496-12). */
const FIRST_BOXES: readonly string[] = [
  'ftyp',
  'styp',
  'moov',
  'moof',
  'sidx',
  'free',
  'skip',
  'emsg',
  'prft',
  'uuid',
];
const LABELS: Readonly<Record<ContainerName, string>> = { flv: 'FLV', ts: 'MPEG-TS', mp4: 'MP4' };
const NOTHING_LEFT_OUT: readonly string[] = [];
const NO_BYTES = Buffer.alloc(0);

/** The format of a beginning; null = more bytes are needed, '' = none of ours. */
export function sniffContainer(head: Uint8Array): ContainerName | '' | null {
  if (head.length < HEAD_BYTES) return null;
  if (head[0] === 0x46 && head[1] === 0x4c && head[2] === 0x56) return 'flv';
  if (FIRST_BOXES.includes(String.fromCharCode(head[4]!, head[5]!, head[6]!, head[7]!))) return 'mp4';
  if (head[0] === TS_SYNC_BYTE || looksLikeTs(head)) return 'ts';
  return head.length < SEARCH_BYTES ? null : '';
}

interface Reader {
  push(bytes: Uint8Array): void;
  /** Nothing follows; false when it breaks off in the middle of something. */
  finish(): boolean;
  details(): IngestDetails;
}

export class MediaIngest {
  private readonly output: FlvIngestOutput;
  private readonly expected: ContainerName | null;
  private readonly isLossy: boolean;
  private head: Buffer = NO_BYTES;
  private reader: Reader | null = null;

  /** `expected`: what the body was said to be; null takes any. `isLossy`: it comes in datagrams. */
  constructor(output: FlvIngestOutput, expected: ContainerName | null, isLossy = false) {
    this.output = output;
    this.expected = expected;
    this.isLossy = isLossy;
  }

  /** Throws ProtocolError, and RejectedError('unsupported') for a body of another format. Hot path. */
  push(bytes: Uint8Array): void {
    if (this.reader === null) this.begin(bytes);
    else this.reader.push(bytes);
  }

  private begin(bytes: Uint8Array): void {
    const head = this.head.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.head, bytes]);
    const format = sniffContainer(head);
    this.head = head;
    if (format === null) return;
    this.head = NO_BYTES;
    this.reader = this.open(format);
    this.reader.push(head);
  }

  private open(format: ContainerName | ''): Reader {
    const { expected, output } = this;
    if (format === '')
      throw new RejectedError('unsupported', 'What was sent is neither FLV nor MPEG-TS nor fragmented MP4.');
    if (expected !== null && expected !== format) {
      throw new RejectedError(
        'unsupported',
        `What was sent is ${LABELS[format]}, but the address says ${LABELS[expected]} (.${expected}); send it to .${format}.`,
      );
    }
    return OPEN[format](output, this.isLossy);
  }

  /** Nothing follows; false when the body breaks off in the middle of a frame. Throws like `push`. */
  finish(): boolean {
    if (this.reader !== null) return this.reader.finish();
    if (this.head.length === 0) throw new ProtocolError('body.empty', 'nothing was sent');
    throw new RejectedError('unsupported', 'What was sent is too short for a stream.');
  }

  details(): IngestDetails {
    return this.reader?.details() ?? NO_DETAILS;
  }
}

const NO_DETAILS: IngestDetails = {
  format: '',
  continuityErrors: 0,
  dropped: 0,
  damaged: 0,
  skippedBytes: 0,
  leftOut: NOTHING_LEFT_OUT,
};

const OPEN: Readonly<Record<ContainerName, (output: FlvIngestOutput, isLossy: boolean) => Reader>> = {
  flv: openFlv,
  ts: openTs,
  mp4: openMp4,
};

function openFlv(output: FlvIngestOutput): Reader {
  const ingest = new FlvIngest(output);
  const reader = new FlvTagReader((type, timestampMs, body) => ingest.tag(type, timestampMs, body));
  return {
    push: (bytes) => reader.receive(bytes),
    finish: () => reader.isComplete,
    details: () => ({ ...NO_DETAILS, format: 'flv', damaged: ingest.damagedFrames }),
  };
}

function openTs(output: FlvIngestOutput, isLossy: boolean): Reader {
  const ingest = new TsIngest(output, { isLossy });
  const reader = new TsReader(ingest);
  return {
    push: (bytes) => reader.push(bytes),
    finish: () => {
      reader.finish();
      return true;
    },
    details: () => ({
      format: 'ts',
      continuityErrors: reader.continuityErrors,
      dropped: ingest.droppedFrames,
      damaged: reader.badPackets + reader.badSections + ingest.damagedFrames,
      skippedBytes: reader.skippedBytes,
      leftOut: ingest.leftOut(),
    }),
  };
}

function openMp4(output: FlvIngestOutput): Reader {
  const ingest = new Fmp4Ingest(output);
  return {
    push: (bytes) => ingest.push(bytes),
    finish: () => ingest.finish(),
    details: () => ({
      ...NO_DETAILS,
      format: 'mp4',
      damaged: ingest.damagedFrames + ingest.fragmentsWithoutMovie,
      leftOut: ingest.leftOut(),
    }),
  };
}
