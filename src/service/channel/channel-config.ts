/** `source`, `loop` and `on-demand` of `<stream>` in policy.xml: files as a live channel. */
import { section, text, toggle } from '../../config/setting.ts';

export const channelSection = section({
  name: 'stream',
  text:
    'One stream, or several by *: name is NAME inside <application>, application/NAME outside. With a source it is a ' +
    'live channel that plays files of the vod folder, one after the other, at the pace of real time.',
  fields: {
    source: text(
      '',
      {
        pattern: /^(vod:[^\s/\\][^\\\r\n\t]*)?$/,
        phrase: 'is not of the form vod:FILE, such as vod:clip.mp4 or vod:list.m3u',
        range: 'vod:FILE; empty = who publishes',
      },
      {
        text:
          'An FLV, MP4 or MPEG-TS file, or a playlist (.m3u, .m3u8) with one file name a line, relative to the ' +
          "playlist's folder. A publisher of this name goes first when publish busy is takeover.",
        reload: 'live',
      },
    ),
    loop: toggle(true, { text: 'Whether it begins again at the end.', reload: 'live' }),
    onDemand: toggle(false, {
      text: 'Whether it plays only while somebody watches, from the start each time; else it plays from the start of the server.',
      reload: 'live',
    }),
  },
});

/** A channel as a rule has it. */
export interface ChannelRule {
  /** `application/stream`. */
  readonly stream: string;
  /** Name of the file in the vod folder. */
  readonly file: string;
  readonly loop: boolean;
  readonly onDemand: boolean;
  /** `conf/policy.xml:6:7`. */
  readonly where: string;
}

export const VOD_SOURCE = 'vod:';
