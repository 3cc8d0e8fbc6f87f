/** `<hls>` of policy.xml. */
import { duration, integer, section, toggle } from '../../config/setting.ts';

export const hlsSection = section({
  name: 'hls',
  text: 'HLS of a stream, made while somebody watches it that way.',
  fields: {
    enable: toggle(true, { text: 'Whether it can be watched as HLS.', reload: 'new-sessions' }),
    durationMs: duration(
      '2s',
      { min: '1s', max: '60s', bareUnitMs: 1000 },
      {
        xml: 'duration',
        text: 'Length to aim at for a segment; the next key frame ends it. A number alone counts seconds.',
        reload: 'new-sessions',
      },
    ),
    count: integer(5, { min: 1, max: 100 }, { text: 'Segments in the playlist.', reload: 'new-sessions' }),
    cache: integer(
      10,
      { min: 1, max: 1000 },
      {
        text: 'Segments kept in memory, those of the playlist included; never fewer than twice count.',
        reload: 'new-sessions',
      },
    ),
    always: toggle(false, {
      text: 'Make segments also while nobody watches, so that the first viewer waits for nothing.',
      reload: 'new-sessions',
    }),
  },
});
