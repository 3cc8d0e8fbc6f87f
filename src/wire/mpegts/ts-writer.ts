/**
 * Writes a transport stream of one program: ISO/IEC 13818-1. Bytes go straight into their place, in whole packets and with
 * one reservation per PES packet.
 *
 * Program tables come first, before every random access point of the video and otherwise every 400 ms; the clock is
 * on the video PID, on the first audio PID when there is no video. Audio frames may be grouped: several to a PES
 * packet, which saves most of the padding at low bit rates and delays them by up to 100 ms.
 */
import { isSameConfig } from '../../codec/codec-config.ts';
import { VIDEO_KEY } from '../../codec/video-flags.ts';
import {
  accessUnitBytes,
  isSameMapEntry,
  type Mapping,
  mapTrack,
  type TsFrame,
  type TsTrack,
  writeAccessUnit,
} from './elementary-stream.ts';
import { ProgramClock, ticksFromUs, wrapTicks } from './pcr.ts';
import { pesHeaderBytes, writePesHeader } from './pes.ts';
import { buildProgramAssociation, buildProgramMap, PAT_PID, PMT_PID } from './psi.ts';
import {
  ADAPTATION_DISCONTINUITY,
  ADAPTATION_PCR,
  ADAPTATION_RANDOM_ACCESS,
  sectionPackets,
  spreadPayload,
  TS_PACKET_BYTES,
  tsPacketCount,
  writePcrPacket,
  writeSectionPackets,
} from './ts-packet.ts';

const FIRST_PID = 0x100;
const NO_PID = 0x1fff;
/** PIDs that follow from track ids; ids that differ by a multiple of it cannot be in the stream at once. */
const PID_COUNT = 64;
/** What surely fits into one program map section, with all descriptors. */
const MAX_TRACKS = 32;
const TABLE_INTERVAL_US = 400_000;

const MAX_GROUP_US = 100_000;
const MAX_GROUP_FRAMES = 32;
const MAX_GROUP_BYTES = 16 * 1024;
/** Only the first frame of a group has a PTS; a frame that is further off its place starts a new one. */
const GROUP_TOLERANCE_US = 5_000;

export interface TsWriterOptions {
  /** Several audio frames per PES packet: for segments. Off: every frame goes out at once. */
  readonly groupAudio: boolean;
}

/** Where the bytes go; a SlabWriter is one. */
export interface TsTarget {
  /** Makes room for `bytes` in one piece and returns its offset in `slab`, which may be a new one. */
  reserve(bytes: number, nowUs: number): number;
  readonly slab: Buffer;
}

/** One PID and what waits for it. */
class Output {
  readonly track: TsTrack;
  readonly pid: number;
  mapping: Mapping;
  config: TsTrack['config'];
  readonly group: TsFrame[];
  groupBytes: number;
  groupUs: number;

  constructor(track: TsTrack, mapping: Mapping) {
    this.track = track;
    this.pid = FIRST_PID + (track.id % PID_COUNT);
    this.mapping = mapping;
    this.config = track.config;
    this.group = [];
    this.groupBytes = 0;
    this.groupUs = 0;
  }
}

export class TsWriter {
  private readonly groupAudio: boolean;
  /** By track id modulo PID_COUNT. */
  private readonly outputs: (Output | undefined)[];
  /** Next continuity counter by PID, kept while tracks come and go. */
  private readonly continuity: Uint8Array;
  private clockOutput: Output | undefined;
  private readonly clock: ProgramClock;
  private readonly association: Buffer;
  private map: Buffer;
  private mapVersion: number;
  private associationContinuity: number;
  private mapContinuity: number;
  private tablesDueUs: number;
  private isDiscontinuous: boolean;
  /** The bytes of the last `write` begin with the program tables. */
  hasWrittenTables: boolean;
  /** Between `begin` and `finish`: where the packets of the PES packet start and end, and how they begin. */
  private packetsAt: number;
  private packetsEnd: number;
  private bytesBegun: number;
  private pesBytes: number;
  private pesFlags: number;
  private target: Buffer;

  constructor(options: TsWriterOptions) {
    this.groupAudio = options.groupAudio;
    this.outputs = new Array<Output | undefined>(PID_COUNT).fill(undefined);
    this.continuity = new Uint8Array(PID_COUNT);
    this.clockOutput = undefined;
    this.clock = new ProgramClock();
    this.association = sectionPackets(buildProgramAssociation(), PAT_PID);
    this.map = sectionPackets(buildProgramMap(0, NO_PID, []), PMT_PID);
    this.mapVersion = 0;
    this.associationContinuity = 0;
    this.mapContinuity = 0;
    this.tablesDueUs = Number.NEGATIVE_INFINITY;
    this.isDiscontinuous = false;
    this.hasWrittenTables = false;
    this.packetsAt = 0;
    this.packetsEnd = 0;
    this.bytesBegun = 0;
    this.pesBytes = 0;
    this.pesFlags = 0;
    this.target = Buffer.alloc(0);
  }

  /**
   * The tracks from now on. A track that was there keeps its PID. Returns those left out, with the reason in words
   * for a person. Audio that waits in groups of tracks that go is lost: `flush` first.
   */
  setTracks(tracks: readonly TsTrack[]): { readonly track: TsTrack; readonly reason: string }[] {
    const leftOut: { track: TsTrack; reason: string }[] = [];
    const before = this.listed();
    this.outputs.fill(undefined);
    let count = 0;
    for (const track of tracks) {
      const mapping = mapTrack(track);
      const slot = track.id % PID_COUNT;
      if (typeof mapping === 'string') leftOut.push({ track, reason: mapping });
      else if (count === MAX_TRACKS || this.outputs[slot] !== undefined) {
        leftOut.push({ track, reason: `our MPEG-TS carries at most ${MAX_TRACKS} tracks` });
      } else {
        const known = before.find((output) => output.track.id === track.id);
        this.outputs[slot] = new Output(track, mapping);
        if (known !== undefined && isSameConfig(known.config, track.config)) this.outputs[slot] = known;
        count++;
      }
    }
    const after = this.listed();
    this.clockOutput = after[0];
    const isSame = (output: Output, index: number) =>
      output.track.id === before[index]?.track.id && isSameMapEntry(output.mapping, before[index].mapping);
    if (after.length !== before.length || !after.every(isSame)) this.renewMap(after);
    return leftOut;
  }

  /** Outputs as the program map lists them: video first. */
  private listed(): Output[] {
    const all = this.outputs.filter((output) => output !== undefined);
    const isVideo = (output: Output) => output.track.kind === 'video';
    return [...all.filter(isVideo), ...all.filter((output) => !isVideo(output))];
  }

  private renewMap(outputs: readonly Output[]): void {
    this.mapVersion = (this.mapVersion + 1) & 31;
    const entries = outputs.map(({ pid, mapping }) => ({
      streamType: mapping.streamType,
      pid,
      descriptors: mapping.descriptors,
    }));
    this.map = sectionPackets(
      buildProgramMap(this.mapVersion, this.clockOutput?.pid ?? NO_PID, entries),
      PMT_PID,
    );
    this.requestTables();
  }

  /** The next bytes begin with the program tables: a segment, or a player's stream, starts there. */
  requestTables(): void {
    this.tablesDueUs = Number.NEGATIVE_INFINITY;
  }

  /** The program tables for somebody who begins with the last `write`, which did not bring them. */
  tables(): Buffer {
    const { association, map } = this;
    const bytes = Buffer.allocUnsafe(association.length + map.length);
    // Numbered so that the tables that follow go on from these.
    const back = (section: Buffer) => section.length / TS_PACKET_BYTES;
    writeSectionPackets(association, bytes, 0, (this.associationContinuity - back(association)) & 15);
    writeSectionPackets(map, bytes, association.length, (this.mapContinuity - back(map)) & 15);
    return bytes;
  }

  /** The timeline jumps before the next frame: the next clock reference says so. */
  markDiscontinuity(): void {
    this.isDiscontinuous = true;
    this.clock.restart();
  }

  /**
   * Appends the packets of a frame to `to` and returns how many bytes that were: a multiple of 188, or 0 when the
   * track is not carried, the frame cannot be sent, or it waits in a group.
   */
  write(frame: TsFrame, to: TsTarget): number {
    const output = this.outputs[frame.trackId % PID_COUNT];
    if (output === undefined || output.track.id !== frame.trackId) return 0;
    let written = 0;
    if (frame.config !== output.config) {
      // What waits in a group still belongs to the config before.
      if (!isSameConfig(frame.config, output.config)) written = this.writeGroup(output, to);
      if (!this.replaceConfig(output, frame)) return written;
    }
    const bytes = accessUnitBytes(output.mapping, frame);
    if (bytes === 0) return written;
    if (!this.groupAudio || output.track.kind !== 'audio')
      written += this.writeFrame(output, frame, bytes, to);
    else written += this.addToGroup(output, frame, bytes, to);
    return written;
  }

  /** Appends all audio that waits in groups. Returns the bytes written. */
  flush(to: TsTarget): number {
    let written = 0;
    for (const output of this.outputs) if (output !== undefined) written += this.writeGroup(output, to);
    return written;
  }

  /** A frame came with another config than its track: rare, so this may take its time. */
  private replaceConfig(output: Output, frame: TsFrame): boolean {
    const { config } = frame;
    if (!isSameConfig(config, output.config)) {
      const mapping = mapTrack({ ...output.track, config });
      if (typeof mapping === 'string') return false;
      const isSame = isSameMapEntry(mapping, output.mapping);
      output.mapping = mapping;
      if (!isSame) this.renewMap(this.listed());
    }
    output.config = config;
    return true;
  }

  private writeFrame(output: Output, frame: TsFrame, bytes: number, to: TsTarget): number {
    const isKey = output.track.kind === 'video' && (frame.flags & VIDEO_KEY) !== 0;
    if (isKey) this.requestTables();
    const at = this.begin(output, frame, bytes, isKey, to);
    writeAccessUnit(output.mapping, frame, this.target, at);
    return this.finish(output);
  }

  private addToGroup(output: Output, frame: TsFrame, bytes: number, to: TsTarget): number {
    const { group } = output;
    let written = 0;
    const first = group[0];
    if (first !== undefined) {
      const isOffPlace = Math.abs(frame.pts - first.pts - output.groupUs) > GROUP_TOLERANCE_US;
      const isFull = group.length === MAX_GROUP_FRAMES || output.groupBytes + bytes > MAX_GROUP_BYTES;
      if (isOffPlace || isFull) written = this.writeGroup(output, to);
    }
    group.push(frame);
    output.groupBytes += bytes;
    output.groupUs += frame.duration;
    // Goes out as soon as one more frame of the same length would make it too long.
    const isLong = frame.duration === 0 || output.groupUs + frame.duration > MAX_GROUP_US;
    return isLong ? written + this.writeGroup(output, to) : written;
  }

  private writeGroup(output: Output, to: TsTarget): number {
    const { group } = output;
    const first = group[0];
    if (first === undefined) return 0;
    let at = this.begin(output, first, output.groupBytes, false, to);
    for (let i = 0; i < group.length; i++) at = writeAccessUnit(output.mapping, group[i]!, this.target, at);
    group.length = 0;
    output.groupBytes = 0;
    output.groupUs = 0;
    return this.finish(output);
  }

  /**
   * Reserves the packets of a PES packet with `bytes` of payload, writes what goes before it and its header, and
   * returns where in `this.target` the payload must be put before `finish`.
   */
  private begin(output: Output, frame: TsFrame, bytes: number, isKey: boolean, to: TsTarget): number {
    const dtsTicks = ticksFromUs(frame.dts);
    // A negative composition offset is against the standard; such a frame is shown when it is decoded.
    const ptsTicks = Math.max(ticksFromUs(frame.pts), dtsTicks);
    const hasTables = frame.dts >= this.tablesDueUs;
    this.hasWrittenTables = hasTables;
    const isOnClockPid = output === this.clockOutput;
    const references = this.clock.plan(dtsTicks, isOnClockPid);
    const alone = isOnClockPid ? references - 1 : references;
    // Every access unit of the clock's audio is a place to start when there is no video.
    const isRandomAccess = isKey || (isOnClockPid && output.track.kind === 'audio');
    let flags = isRandomAccess ? ADAPTATION_RANDOM_ACCESS : 0;
    if (isOnClockPid) flags |= ADAPTATION_PCR;
    if (this.isDiscontinuous && isOnClockPid) flags |= ADAPTATION_DISCONTINUITY;

    const pesBytes = pesHeaderBytes(ptsTicks !== dtsTicks) + bytes;
    const tableBytes = hasTables ? this.association.length + this.map.length : 0;
    const total = tableBytes + (alone + tsPacketCount(pesBytes, flags)) * TS_PACKET_BYTES;
    let at = to.reserve(total, frame.arrival);
    this.target = to.slab;
    this.packetsEnd = at + total;
    if (hasTables) at = this.writeTables(at, frame.dts);
    for (let i = 0; i < alone; i++) at = this.writeClock(at);
    if (isOnClockPid) this.isDiscontinuous = false;
    this.packetsAt = at;
    this.pesBytes = pesBytes;
    this.pesFlags = flags;
    const pesAt = this.packetsEnd - pesBytes;
    const { streamId } = output.mapping;
    this.bytesBegun = total;
    return writePesHeader(this.target, pesAt, streamId, bytes, wrapTicks(ptsTicks), wrapTicks(dtsTicks));
  }

  private writeTables(at: number, dts: number): number {
    const { association, map, target } = this;
    this.associationContinuity = writeSectionPackets(association, target, at, this.associationContinuity);
    const mapAt = at + association.length;
    this.mapContinuity = writeSectionPackets(map, target, mapAt, this.mapContinuity);
    this.tablesDueUs = dts + TABLE_INTERVAL_US;
    return mapAt + map.length;
  }

  /** A packet of its own for the clock. */
  private writeClock(at: number): number {
    const { pid } = this.clockOutput!; // the clock is only planned for a frame of a carried track
    const flags = this.isDiscontinuous ? ADAPTATION_DISCONTINUITY : 0;
    this.isDiscontinuous = false;
    return writePcrPacket(this.target, at, pid, this.continuity[pid - FIRST_PID]!, flags, this.clock.next());
  }

  /** Cuts the PES packet laid out by `begin` into its transport packets. Returns the bytes since `begin`. */
  private finish(output: Output): number {
    const { pid } = output;
    const slot = pid - FIRST_PID;
    const pcrTicks = (this.pesFlags & ADAPTATION_PCR) === 0 ? 0 : this.clock.next();
    const { target, packetsAt, packetsEnd, pesBytes, pesFlags } = this;
    const counter = this.continuity[slot]!;
    this.continuity[slot] = spreadPayload(
      target,
      packetsAt,
      packetsEnd,
      pesBytes,
      pid,
      counter,
      pesFlags,
      pcrTicks,
    );
    return this.bytesBegun;
  }
}
