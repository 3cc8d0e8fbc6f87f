import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinMpd, type Mpd, type MpdRepresentation, serializeMpd } from '../../../../src/wire/dash/mpd.ts';
import { checkMpd, expandTemplate } from '../../../conformance/mpd-checker.ts';

const START_US = Date.parse('2026-01-02T03:04:05.678Z') * 1000;

const video: MpdRepresentation = {
  id: 'v0',
  bandwidthBps: 1_000_000.4,
  codecs: 'avc1.64001f',
  width: 1280,
  height: 720,
  frameRate: 25,
  sampleRate: 0,
  channels: 0,
  timescale: 90_000,
  presentationTimeOffset: 90_000,
  initializationUri: 'v0/init-1.mp4',
  mediaUri: 'v0/t$Time$.m4s',
  startNumber: 7,
  segments: [
    { time: 90_000, duration: 180_000 },
    { time: 270_000, duration: 180_000 },
    { time: 450_000, duration: 90_000 },
  ],
  earlyUs: 0,
};
const audio: MpdRepresentation = {
  ...video,
  id: 'a1',
  codecs: 'mp4a.40.2',
  width: 0,
  height: 0,
  frameRate: 0,
  sampleRate: 48_000,
  channels: 2,
  timescale: 48_000,
  presentationTimeOffset: 48_000,
  initializationUri: 'a1/init-1.mp4',
  mediaUri: 'a1/t$Time$.m4s',
  segments: [{ time: 48_000, duration: 240_000 }],
};

const mpdOf = (own: Partial<Mpd> = {}, picture = video, sound = audio): Mpd => ({
  availabilityStartUs: START_US,
  durationUs: Number.NaN,
  minimumUpdateUs: 1_000_000,
  timeShiftBufferUs: 10_000_000,
  presentationDelayUs: 6_000_000,
  minBufferUs: 2_000_000,
  maxSegmentUs: 5_000_000,
  timeUri: '/time',
  periods: [
    {
      id: '0',
      startUs: 0,
      durationUs: Number.NaN,
      sets: [
        { id: 0, kind: 'video', language: '', role: 'main', isAligned: true, representations: [picture] },
        { id: 1, kind: 'audio', language: 'de', role: 'main', isAligned: false, representations: [sound] },
      ],
    },
  ],
  ...own,
});
const textOf = (mpd: Mpd, base = '', location = '') =>
  joinMpd(serializeMpd(mpd), START_US + 9_000_000, base, location);

test('mpd: golden text', () => {
  assert.equal(
    textOf(mpdOf(), 'cam.cmaf/', 'cam.mpd?a=b&dash_ctx=x'),
    `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019" type="dynamic" availabilityStartTime="2026-01-02T03:04:05.678Z" publishTime="2026-01-02T03:04:14.678Z" minimumUpdatePeriod="PT1S" timeShiftBufferDepth="PT10S" suggestedPresentationDelay="PT6S" minBufferTime="PT2S" maxSegmentDuration="PT5S">
  <BaseURL>cam.cmaf/</BaseURL>
  <Location>cam.mpd?a=b&amp;dash_ctx=x</Location>
  <Period id="0" start="PT0S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" startWithSAP="1" segmentAlignment="true">
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="v0" bandwidth="1000001" codecs="avc1.64001f" width="1280" height="720" frameRate="25">
        <SegmentTemplate timescale="90000" presentationTimeOffset="90000" startNumber="7" initialization="v0/init-1.mp4" media="v0/t$Time$.m4s">
          <SegmentTimeline>
            <S t="90000" d="180000" r="1"/>
            <S d="90000"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" startWithSAP="1" lang="de">
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      <Representation id="a1" bandwidth="1000001" codecs="mp4a.40.2" audioSamplingRate="48000">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
        <SegmentTemplate timescale="48000" presentationTimeOffset="48000" startNumber="7" initialization="a1/init-1.mp4" media="a1/t$Time$.m4s">
          <SegmentTimeline>
            <S t="48000" d="240000"/>
          </SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>
</MPD>
`,
  );
});

test('mpd: every kind is valid', () => {
  const early = { ...video, earlyUs: 1_800_000 };
  const earlySound = { ...audio, earlyUs: 4_800_000 };
  const latency = { targetMs: 1500, minMs: 500, maxMs: 6000 };
  const low = checkMpd(textOf(mpdOf({ latency }, early, earlySound)), { lowLatency: true });
  assert.deepEqual(low.violations, []);
  assert.equal(low.latencyTarget, 1500);
  const [one] = low.periods[0]!.representations;
  assert.equal(one!.availabilityTimeOffset, 1.8);
  assert.equal(one!.availabilityTimeComplete, false);
  assert.equal(one!.referenceTimes[0]!.wallClockMs, START_US / 1000);
  const over = checkMpd(textOf(mpdOf({ durationUs: 5_000_000 })));
  assert.deepEqual(over.violations, []);
  assert.equal(over.isDynamic, false);
  assert.equal(over.duration, 5);
});

test('mpd: names that mean something in XML', () => {
  const odd = { ...video, initializationUri: `v0/'a'&"b".mp4`, mediaUri: 'v0/<$Time$>.m4s' };
  const { violations, periods } = checkMpd(textOf(mpdOf({}, odd)));
  assert.deepEqual(violations, []);
  const one = periods[0]!.representations[0]!;
  assert.equal(one.initialization, odd.initializationUri);
  assert.equal(expandTemplate(one.media, one, one.segments[0]), 'v0/<90000>.m4s');
});

test('mpd: a gap is a hole in the timeline', () => {
  const segments = [
    { time: 90_000, duration: 180_000 },
    { time: 450_000, duration: 180_000 },
    { time: 630_000, duration: 180_000 },
  ];
  const text = textOf(mpdOf({}, { ...video, segments }));
  assert.match(text, /<S t="90000" d="180000"\/>\n +<S t="450000" d="180000" r="1"\/>/);
});

const rates: readonly (readonly [number, string])[] = [
  [25, '25'],
  [30, '30'],
  [29.97, '30000/1001'],
  [30_000 / 1001, '30000/1001'],
  [24_000 / 1001, '24000/1001'],
  [60_000 / 1001, '60000/1001'],
  [12.5, '12500/1000'],
  [0.25, '250/1000'],
];
for (const [rate, expected] of rates) {
  test(`mpd: ${rate} pictures a second`, () => {
    assert.ok(textOf(mpdOf({}, { ...video, frameRate: rate })).includes(`frameRate="${expected}"`));
  });
}

const layouts: readonly (readonly [number, string])[] = [
  [1, '1'],
  [6, '6'],
  [7, '11'],
  [8, '12'],
];
for (const [channels, expected] of layouts) {
  test(`mpd: ${channels} channels`, () => {
    const text = textOf(mpdOf({}, video, { ...audio, channels }));
    assert.equal(/channel_configuration:2011" value="(\d+)"/.exec(text)?.[1], expected);
  });
}

test('mpd: what is not known is left out', () => {
  const text = textOf(
    mpdOf({}, { ...video, codecs: '', width: 0, frameRate: 0 }, { ...audio, sampleRate: 0, channels: 0 }),
  );
  assert.doesNotMatch(text, / width=| height=| frameRate=|avc1|audioSamplingRate|AudioChannel/);
});
