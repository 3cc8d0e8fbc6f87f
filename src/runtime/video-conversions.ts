/**
 * How pictures reach a player that cannot take them as they were published: as they are, without those that nothing
 * refers to, or converted, which is another stream of its own name. The service that converts offers itself here;
 * without one the answers say so.
 */
import { CODECS, type CodecId } from '../codec/codec-id.ts';
import { type ReorderedPictures, reorderedPictures } from '../media/reordered-pictures.ts';
import type { Stream } from '../media/stream.ts';
import type { StreamKey } from '../media/stream-key.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { RejectedError } from '../util/errors.ts';

/** What pictures are converted to. */
export type PictureTarget = 'h264' | 'vp8';

/** What happens to B-frames where they cannot be carried. */
export type BFramesRule = 'auto' | 'drop' | 'convert';

export interface VideoConverter {
  /** '' when the stream's pictures can be had as `target` now; else a sentence, first letter in lower case, no full stop. */
  reasonAgainst(stream: Stream, target: PictureTarget): Promise<string>;
  /** Name of the converted stream; whoever plays it starts the conversion. Only where there is no reason against it. */
  keyFor(key: StreamKey, target: PictureTarget): StreamKey;
  bframesRule(key: StreamKey): BFramesRule;
}

export interface PictureChoice {
  /** What to play: the stream itself, or its converted one. */
  readonly key: StreamKey;
  /** What is done to the pictures and how to avoid it; '' = nothing. */
  readonly note: string;
}

const NO_CONVERTER = 'this server converts no pictures';
const WITHOUT_B_FRAMES =
  'Publish without B-frames: in OBS, Settings > Output > Tune zerolatency, or bf=0 in the options of the encoder; in ffmpeg, ' +
  '-tune zerolatency or -bf 0.';

export class VideoConversions {
  private converter: VideoConverter | null = null;

  /** Null takes it back. */
  offer(converter: VideoConverter | null): void {
    this.converter = converter;
  }

  async reasonAgainst(stream: Stream, target: PictureTarget): Promise<string> {
    return this.converter === null ? NO_CONVERTER : await this.converter.reasonAgainst(stream, target);
  }

  /**
   * For a player by WebRTC: what it is to play instead of `stream`, whose tracks are known. `canPlay`: the codecs that it offers.
   * Rejects with RejectedError('unsupported') when it can have no pictures.
   */
  async choose(stream: Stream, canPlay: (codec: CodecId) => boolean): Promise<PictureChoice> {
    const asItIs = { key: stream.key, note: '' };
    const track = defaultTrack(stream.tracks, 'video');
    if (track === undefined) return asItIs;
    if (!canPlay(track.config.codec)) return await this.convertCodec(stream, track, canPlay);
    const order = reorderedPictures(track.id, track.config, stream.cachedFrames());
    return order === 'none' ? asItIs : await this.straighten(stream, order, canPlay);
  }

  private async convertCodec(
    stream: Stream,
    { config }: Track,
    canPlay: (codec: CodecId) => boolean,
  ): Promise<PictureChoice> {
    const { label } = CODECS[config.codec];
    const { key, reason } = await this.convert(stream, canPlay);
    if (key === null) {
      throw new RejectedError(
        'unsupported',
        `${stream.key.text} is ${label}, which this player does not offer, and cannot be converted for it: ${reason}.`,
      );
    }
    return {
      key,
      note: `The player does not offer ${label}, so ffmpeg converts the pictures (stream ${key.text}).`,
    };
  }

  private async straighten(
    stream: Stream,
    order: Exclude<ReorderedPictures, 'none'>,
    canPlay: (codec: CodecId) => boolean,
  ): Promise<PictureChoice> {
    const rule = this.converter?.bframesRule(stream.key) ?? 'drop';
    const isConverted = rule === 'convert' || (rule === 'auto' && order === 'referenced');
    const { key, reason } = isConverted ? await this.convert(stream, canPlay) : { key: null, reason: '' };
    if (key !== null) {
      return {
        key,
        note: `The stream has B-frames, which WebRTC cannot carry, so ffmpeg encodes its pictures again (stream ${key.text}). ${WITHOUT_B_FRAMES}`,
      };
    }
    const effect =
      order === 'referenced'
        ? 'other pictures refer to some of them, and motion is not smooth'
        : 'they are left out, and motion is less smooth';
    const why = reason === '' ? '' : ` They are not converted: ${reason}.`;
    return {
      key: stream.key,
      note: `The stream has B-frames, which WebRTC cannot carry: ${effect}.${why} ${WITHOUT_B_FRAMES}`,
    };
  }

  /** H.264 where the player has it, else VP8. */
  private async convert(
    stream: Stream,
    canPlay: (codec: CodecId) => boolean,
  ): Promise<{ key: StreamKey | null; reason: string }> {
    const { converter } = this;
    const target = canPlay('h264') ? 'h264' : canPlay('vp8') ? 'vp8' : null;
    if (target === null) return { key: null, reason: 'the player offers neither H.264 nor VP8' };
    if (converter === null) return { key: null, reason: NO_CONVERTER };
    const reason = await converter.reasonAgainst(stream, target);
    return { key: reason === '' ? converter.keyFor(stream.key, target) : null, reason };
  }
}
