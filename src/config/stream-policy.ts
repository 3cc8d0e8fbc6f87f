/** Stream scope: what every rule of policy.xml may hold, and the values that result for one stream. */
import type * as z from 'zod';
import { dashSection } from '../protocol/dash/dash-config.ts';
import { hlsSection, ladderSection } from '../protocol/hls/hls-config.ts';
import { loginSection, multicastSection } from '../protocol/rtsp/rtsp-config.ts';
import { srtLinkSection } from '../protocol/srt/srt-config.ts';
import { webrtcRuleSection } from '../protocol/webrtc/webrtc-config.ts';
import type { RecordRule } from '../service/record/record-config.ts';
import type { ForwardRule } from '../service/relay/forward-config.ts';
import { slateSection } from '../service/slate/slate-config.ts';
import { transcodeRuleSection } from '../service/transcode/video-transcode-config.ts';
import { soundRuleSection } from '../transcode/transcode-config.ts';
import { choice, duration, integer, section, size, text, toggle } from './setting.ts';

const publishSection = section({
  name: 'publish',
  text: 'Publishers.',
  fields: {
    busy: choice(['refuse', 'takeover', 'standby'], 'refuse', {
      text:
        'What a second publisher of the same name meets: refuse keeps the first, takeover ends it, standby lets the ' +
        'second stand by: it takes over when the first is lost or silent, and players stay.',
      reload: 'new-sessions',
    }),
    failoverMs: duration(
      '3s',
      { min: '200ms', max: '10m' },
      {
        xml: 'failover',
        text: 'A publisher that sends nothing for this long is left for one that stands by, or for the slate.',
        reload: 'new-sessions',
      },
    ),
    prefer: text(
      '',
      {
        pattern: /^([^\s,<>"]+( [^\s,<>"]+){0,15})?$/,
        phrase: 'is no list of addresses or protocols such as "192.0.2.7 10.0.0.* srt"',
        range: 'addresses and protocols, * for any characters, separated by blanks; empty = who came first',
      },
      {
        text: 'Which of several publishers is preferred, the best first; all others come after them, then pulled sources.',
        reload: 'new-sessions',
      },
    ),
    return: toggle(true, {
      text: 'Whether a preferred publisher gets the stream back.',
      reload: 'new-sessions',
    }),
    steadyMs: duration(
      '10s',
      { min: '0', max: '1h' },
      {
        xml: 'steady',
        text: 'How long it must have sent without a pause before; doubled for each time that it failed.',
        reload: 'new-sessions',
      },
    ),
    graceMs: duration(
      '10s',
      { min: '0', max: '10m' },
      {
        xml: 'grace',
        text: 'How long players stay connected after a publisher is lost; a republish in this time continues the stream.',
        reload: 'new-sessions',
      },
    ),
    firstPacketMs: duration(
      '20s',
      { min: '1s', max: '10m' },
      {
        xml: 'first-packet',
        text: 'A publisher that sends no media for this long after its start is closed.',
        reload: 'new-sessions',
      },
    ),
    idleMs: duration(
      '10s',
      { min: '1s', max: '1h', bareUnitMs: 1000 },
      {
        xml: 'idle',
        text: 'A publisher that falls silent for this long is closed. A number alone counts seconds.',
        reload: 'new-sessions',
      },
    ),
  },
});

const timeSection = section({
  name: 'time',
  text: 'Timestamps.',
  fields: {
    jitter: choice(['full', 'zero', 'off'], 'full', {
      text: 'full: jumps are smoothed and the stream begins at zero. zero: it begins at zero. off: as published.',
      reload: 'new-sessions',
    }),
    atc: toggle(false, {
      text: "Absolute time: players get the publisher's own timestamps.",
      reload: 'new-sessions',
    }),
  },
});

const gopSection = section({
  name: 'gop',
  text: 'The frames since the last key frame, kept so that players start at once.',
  fields: {
    cache: toggle(true, { text: 'Whether they are kept.', reload: 'new-sessions' }),
    frames: integer(2500, { min: 1, max: 100_000 }, { text: 'Most frames kept.', reload: 'new-sessions' }),
    bytes: size(
      '16M',
      { min: '64K', max: '1G' },
      { xml: 'size', text: 'Most bytes kept.', reload: 'new-sessions' },
    ),
    ms: duration(
      '30s',
      { min: '1s', max: '10m' },
      { xml: 'time', text: 'Longest time kept.', reload: 'new-sessions' },
    ),
  },
});

/** What `latency` stands for where `merge` is not given beside it. */
export const MERGE_OF_LATENCY: Readonly<Record<string, string>> = {
  low: '0',
  normal: '70ms',
  throughput: '350ms',
};

const playSection = section({
  name: 'play',
  text: 'Players.',
  fields: {
    latency: choice(['low', 'normal', 'throughput'], 'normal', {
      text: 'Word for merge: low is 0, normal is 70ms, throughput is 350ms.',
      reload: 'new-sessions',
    }),
    mergeMs: duration(
      '70ms',
      { min: '0', max: '1s' },
      {
        xml: 'merge',
        text: 'Longest time that frames may wait to be sent together; how long they do follows the load. 0 = every frame at once.',
        reload: 'new-sessions',
      },
    ),
    mergeBytes: size(
      '64K',
      { min: '4K', max: '4M' },
      {
        xml: 'merge-size',
        text: 'So many bytes are sent without waiting.',
        reload: 'new-sessions',
      },
    ),
    queueMs: duration(
      '10s',
      { min: '1s', max: '10m' },
      {
        xml: 'queue',
        text: 'A player that is further behind continues at the newest key frame.',
        reload: 'new-sessions',
      },
    ),
    queueBytes: size(
      '32M',
      { min: '256K', max: '1G' },
      {
        xml: 'queue-size',
        text: 'The same in bytes of the stream.',
        reload: 'new-sessions',
      },
    ),
    stallMs: duration(
      '30s',
      { min: '1s', max: '10m' },
      {
        xml: 'stall',
        text: 'A player that takes nothing for this long is closed.',
        reload: 'new-sessions',
      },
    ),
    waitMs: duration(
      '0',
      { min: '0', max: '10m' },
      {
        xml: 'wait',
        text: 'How long a viewer of a stream that nobody publishes is held before it is refused; 0 = refused at once. RTMP players, which expect to wait, are held 10s even then.',
        reload: 'new-sessions',
      },
    ),
  },
});

/** In the order of the shipped file. */
export const STREAM_SECTIONS = {
  publish: publishSection,
  time: timeSection,
  gop: gopSection,
  play: playSection,
  hls: hlsSection,
  ladder: ladderSection,
  dash: dashSection,
  login: loginSection,
  multicast: multicastSection,
  srt: srtLinkSection,
  webrtc: webrtcRuleSection,
  slate: slateSection,
  sound: soundRuleSection,
  transcode: transcodeRuleSection,
} as const;

type StreamSectionName = keyof typeof STREAM_SECTIONS;

export type StreamValues = {
  readonly [K in StreamSectionName]: Readonly<z.output<(typeof STREAM_SECTIONS)[K]['schema']>>;
};

/** Values that one rule sets. */
export type StreamOverrides = { readonly [K in StreamSectionName]?: Readonly<Record<string, unknown>> };

/** What holds for one stream. Times in milliseconds, sizes in bytes. */
export interface StreamPolicy extends StreamValues {
  /** Of all rules that fit, without duplicates, the widest rule's first. */
  readonly forwards: readonly ForwardRule[];
  /** By name; those that are off are not among them. */
  readonly records: readonly RecordRule[];
}

/** Defaults with `overrides` laid over them, later ones over earlier ones. */
export function mergeStreamValues(overrides: readonly StreamOverrides[]): StreamValues {
  const merge = <K extends StreamSectionName>(name: K): StreamValues[K] => {
    const values: unknown = Object.assign(
      STREAM_SECTIONS[name].schema.parse({}),
      ...overrides.map((one) => one[name]),
    );
    return Object.freeze(values) as StreamValues[K];
  };
  const hls = merge('hls');
  return {
    publish: merge('publish'),
    time: merge('time'),
    gop: merge('gop'),
    play: merge('play'),
    ladder: merge('ladder'),
    dash: merge('dash'),
    login: merge('login'),
    multicast: merge('multicast'),
    srt: merge('srt'),
    webrtc: merge('webrtc'),
    slate: merge('slate'),
    sound: merge('sound'),
    transcode: merge('transcode'),
    hls: hls.cache >= hls.count ? hls : Object.freeze({ ...hls, cache: hls.count }),
  };
}
