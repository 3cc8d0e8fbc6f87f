/** `<dash>` of policy.xml. Length, number and parts of the segments stand in `<hls>`. */
import { section, toggle } from '../../config/setting.ts';

export const dashSection = section({
  name: 'dash',
  text: 'MPEG-DASH of a stream. It lists the MP4 segments of hls: their length, their number and dvr stand there.',
  fields: {
    enable: toggle(true, { text: 'Whether it can be watched as DASH.', reload: 'new-sessions' }),
  },
});
