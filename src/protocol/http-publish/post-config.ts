/** `<post>` of config.xml: publishers over HTTP and WebSocket. */
import { addressList, port, section, toggle } from '../../config/setting.ts';

export const postSection = section({
  name: 'post',
  text:
    'Publishing by HTTP: POST or PUT of FLV, MPEG-TS or fragmented MP4 to /live/NAME.flv, .ts or .mp4 on the ports of ' +
    '<http>, and the same by WebSocket with the sub-protocol post or publisher.',
  fields: {
    enable: toggle(true, { text: 'Whether publishers are taken by HTTP at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses of the port below.', reload: 'restart' }),
    port: port(-1, {
      text: 'A port of its own for such publishers, beside those of <http>. SRS has 8936.',
      reload: 'restart',
    }),
  },
});
