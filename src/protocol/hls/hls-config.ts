/** `<hls>` and `<ladder>` of policy.xml. */
import { choice, duration, integer, section, size, text, toggle } from '../../config/setting.ts';

export const hlsSection = section({
  name: 'hls',
  text: 'HLS of a stream, made while somebody watches it that way. DASH uses the same segments.',
  fields: {
    enable: toggle(true, { text: 'Whether it can be watched as HLS.', reload: 'new-sessions' }),
    format: choice(['auto', 'ts', 'fmp4'], 'auto', {
      text: 'What /app/stream.m3u8 holds: MPEG-TS, fragmented MP4, or auto: MPEG-TS for H.264 with AAC, MP3 or nothing, else MP4. The addresses .ts.m3u8, .fmp4.m3u8 and .ll.m3u8 ask for one of them.',
      reload: 'new-sessions',
    }),
    durationMs: duration(
      '2s',
      { min: '1s', max: '60s', bareUnitMs: 1000 },
      {
        xml: 'duration',
        text: 'Length to aim at for a segment; the next key frame ends it. A number alone counts seconds.',
        reload: 'new-sessions',
      },
    ),
    partMs: duration(
      '200ms',
      { min: '0', max: '2s' },
      {
        xml: 'part',
        text: 'Longest part of a segment for low latency; 0 = no parts.',
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
    dvrMs: duration(
      '0',
      { min: '0', max: '24h', bareUnitMs: 1000 },
      {
        xml: 'dvr',
        text: 'How far back a player can seek, and the longest ?delay= of the address; 0 = only what count lists.',
        reload: 'new-sessions',
      },
    ),
    memoryBytes: size(
      '256M',
      { min: '8M', max: '64G' },
      {
        xml: 'memory',
        text: 'Most bytes of segments in memory for one stream and format; older ones go first, whatever dvr says.',
        reload: 'new-sessions',
      },
    ),
    path: text(
      '',
      { pattern: /^[^\0]*$/, phrase: 'is not a folder', range: 'empty, or a folder' },
      {
        text: 'Folder that finished segments are written to instead of staying in memory; beside the executable when relative.',
        reload: 'new-sessions',
      },
    ),
    key: choice(['off', 'aes-128'], 'off', {
      text: 'Whether segments are encrypted; then there are no parts.',
      reload: 'new-sessions',
    }),
    keySegments: integer(
      5,
      { min: 1, max: 10_000 },
      { xml: 'key-segments', text: 'Segments until the next key.', reload: 'new-sessions' },
    ),
    always: toggle(false, {
      text: 'Make segments also while nobody watches, so that the first viewer waits for nothing.',
      reload: 'new-sessions',
    }),
  },
});

export const ladderSection = section({
  name: 'ladder',
  text: 'One address for several qualities: the HLS lists of this stream (fragmented MP4) also offer these.',
  fields: {
    streams: text(
      '',
      { pattern: /^[^\0<>"\\]{0,1024}$/, phrase: 'is not a list of stream names', range: 'names, or empty' },
      {
        text: 'Streams of the same application, separated by spaces; those that are not live are left out.',
        reload: 'live',
      },
    ),
  },
});
