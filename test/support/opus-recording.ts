/** H.264 of the built-in channel with Opus of another program: what WebRTC carries as it is. */
import { FRAME_KEY, Frame } from '../../src/media/frame.ts';
import { makeTrack } from '../../src/media/track.ts';
import { type Recording, recordingOf } from './feed-frames.ts';
import { demoRecording } from './publish-body.ts';

const SOUND_ID = 1;

export function opusRecording(seconds: number): Recording {
  const picture = demoRecording(seconds);
  const sound = recordingOf('ff8-av1-opus');
  const videoIds = picture.tracks.filter(({ kind }) => kind === 'video').map(({ id }) => id);
  const opus = sound.tracks.find(({ config }) => config.codec === 'opus')!; // the program has it
  const spoken = sound.frames.filter(({ trackId }) => trackId === opus.id);
  const stepUs = 20_000;
  const frames = picture.frames.filter(({ trackId }) => videoIds.includes(trackId));
  const first = frames[0]!.dts;
  for (let i = 0; i * stepUs < seconds * 1_000_000; i++) {
    const { payload, config } = spoken[i % spoken.length]!;
    const us = first + i * stepUs;
    frames.push(new Frame(SOUND_ID, FRAME_KEY, us, us, stepUs, payload, config, us, Number.NaN));
  }
  frames.sort((a, b) => a.dts - b.dts);
  return {
    tracks: [...picture.tracks.filter(({ kind }) => kind === 'video'), makeTrack(SOUND_ID, opus.config)],
    metadata: null,
    frames,
  };
}
