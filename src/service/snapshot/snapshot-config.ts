/** `<ffmpeg>` of config.xml: a program of the machine, never needed for streaming. */
import { section, text } from '../../config/setting.ts';

export const ffmpegSection = section({
  name: 'ffmpeg',
  text: 'The program ffmpeg, if the machine has it: it makes the JPEG pictures at /live/STREAM.jpg, and converts pictures for players that need it (<transcode>). Nothing else needs it.',
  fields: {
    path: text(
      '',
      {
        pattern: /^[^\0]*$/,
        phrase: 'is not the name of a program',
        range: 'a program, relative to the folder of the executable',
      },
      { text: 'Where it is; empty = ffmpeg, wherever PATH finds it.', reload: 'live' },
    ),
  },
});
