/** `<demo>` of config.xml: the built-in test channel. */
import { section, text, toggle } from '../../config/setting.ts';

export const demoSection = section({
  name: 'demo',
  text: 'The built-in test channel: colour bars, a clock and a tone. It costs nothing while nobody watches.',
  fields: {
    enable: toggle(true, { text: 'Whether it can be watched.', reload: 'live' }),
    name: text(
      'live/demo',
      {
        pattern: /^[^\s/\\<>"?#]+(\/[^\s/\\<>"?#]+)+$/,
        phrase: 'is not application/stream, such as live/demo',
        range: 'application/stream',
      },
      { text: 'Where it is.', reload: 'live' },
    ),
  },
});
