/** `<transcode>` of config.xml, and `<transcode>` inside the rules of policy.xml. */
import { choice, integer, section } from '../../config/setting.ts';

export const transcodeSection = section({
  name: 'transcode',
  text:
    'Pictures converted by the program ffmpeg (<ffmpeg>) for players that cannot take them as they are: NAME~h264 and ' +
    'NAME~vp8 are NAME in another codec, encoded while somebody plays them.',
  fields: {
    max: integer(
      4,
      { min: 0, max: 1000 },
      { text: 'Streams that are converted at once; 0 = none ever.', reload: 'live' },
    ),
    bitrate: integer(
      0,
      { min: 0, max: 100_000 },
      {
        text: 'Highest kbit/s of a converted stream; 0 = by its size, 6000 for 1920x1080.',
        reload: 'new-sessions',
      },
    ),
    preset: choice(['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium'], 'superfast', {
      text: 'Effort of the encoder for H.264 (libx264): slower ones look better and cost more.',
      reload: 'new-sessions',
    }),
  },
});

/** Stream scope. */
export const transcodeRuleSection = section({
  name: 'transcode',
  text: 'Pictures of the stream that a player cannot take as they are published.',
  fields: {
    pictures: choice(['auto', 'never'], 'auto', {
      text: 'auto: ffmpeg converts them while somebody needs it. never: such a player is refused.',
      reload: 'new-sessions',
    }),
    bframes: choice(['auto', 'drop', 'convert'], 'auto', {
      text:
        'What WebRTC players get of a stream with B-frames. auto: they are left out where no other picture refers to them, ' +
        'else the stream is encoded again. convert: it is always encoded again. drop: it never is.',
      reload: 'new-sessions',
    }),
  },
});
