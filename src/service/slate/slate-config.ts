/** `<slate>` of policy.xml: what viewers see while nobody publishes. */
import { section, text, toggle } from '../../config/setting.ts';

export const EMBEDDED_SLATE = 'embedded';

export const slateSection = section({
  name: 'slate',
  text: 'A clip that plays round and round for those who watch while no publisher sends; they stay connected.',
  fields: {
    source: text(
      '',
      {
        pattern: /^(embedded|vod:[^\s/\\][^\\\r\n\t]*)?$/,
        phrase: 'is neither embedded nor of the form vod:FILE, such as vod:closed.mp4',
        range: 'embedded, vod:FILE, or empty = none',
      },
      {
        text:
          'embedded: the test channel. A file of the vod folder with the codecs of the stream makes the change ' +
          'seamless. It begins when publishers have been lost or silent for the time of publish failover.',
        reload: 'live',
      },
    ),
    always: toggle(false, {
      text: 'on: viewers get it also when nobody has published yet, whatever name of this rule they ask for.',
      reload: 'live',
    }),
  },
});
