/** The checker must find what is wrong: good manifests are broken in one place each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMpd, expandTemplate } from './mpd-checker.ts';
import { checkMpdAt, checkMpdUpdate } from './mpd-update-checker.ts';

const START = Date.parse('2026-01-01T00:00:00Z');

interface LiveOptions {
  /** First and last segment of two seconds, numbers from 1. */
  readonly first?: number;
  readonly last?: number;
  readonly publishMs?: number;
}

function live({ first = 10, last = 19, publishMs }: LiveOptions = {}): string {
  const published = new Date(publishMs ?? START + last * 2000 - 1500).toISOString();
  const rows = (scale: number) => `<S t="${(first - 1) * 2 * scale}" d="${2 * scale}" r="${last - first}"/>`;
  const template = (
    scale: number,
  ) => `<SegmentTemplate timescale="${scale}" startNumber="${first}" availabilityTimeOffset="1.5" availabilityTimeComplete="false" media="$RepresentationID$-$Time$.m4s" initialization="$RepresentationID$.mp4">
        <SegmentTimeline>${rows(scale)}</SegmentTimeline>
      </SegmentTemplate>`;
  const reference = (
    id: number,
    scale: number,
  ) => `<ProducerReferenceTime id="${id}" inband="true" type="captured" wallClockTime="2026-01-01T00:00:02.100Z" presentationTime="${2 * scale}">
        <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/>
      </ProducerReferenceTime>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019" type="dynamic" availabilityStartTime="2026-01-01T00:00:00Z" publishTime="${published}" minimumUpdatePeriod="PT2S" minBufferTime="PT1S" timeShiftBufferDepth="PT20S" suggestedPresentationDelay="PT3S" maxSegmentDuration="PT2S">
  <ProgramInformation><Title>cam</Title></ProgramInformation>
  <ServiceDescription id="0"><Latency target="2000" max="6000" min="500" referenceId="0"/><PlaybackRate max="1.04" min="0.96"/></ServiceDescription>
  <Period id="1" start="PT0S">
    <AdaptationSet id="0" contentType="video" mimeType="video/mp4" startWithSAP="1" segmentAlignment="true">
      ${reference(0, 90_000)}
      ${template(90_000)}
      <Representation id="v0" bandwidth="1000000" codecs="avc1.64001f" width="1280" height="720" frameRate="25"/>
      <Representation id="v1" bandwidth="500000" codecs="avc1.64001e" width="640" height="360" frameRate="30000/1001"/>
    </AdaptationSet>
    <AdaptationSet id="1" contentType="audio" mimeType="audio/mp4" startWithSAP="1" segmentAlignment="true" lang="en">
      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>
      ${template(48_000)}
      <Representation id="a0" bandwidth="128000" codecs="mp4a.40.2" audioSamplingRate="48000">
        <AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>
        ${reference(1, 48_000)}
      </Representation>
    </AdaptationSet>
  </Period>
  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/>
</MPD>
`;
}

const LIVE = live();
const STATIC = `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" mediaPresentationDuration="PT5.5S" minBufferTime="PT2S" maxSegmentDuration="PT2S">
  <Period id="0">
    <AdaptationSet contentType="video" mimeType="video/mp4" startWithSAP="1">
      <Representation id="v" bandwidth="100000" codecs="avc1.64001f" width="2" height="2">
        <SegmentTemplate timescale="1000" presentationTimeOffset="4000" media="$Number%05d$.m4s" initialization="init.mp4">
          <SegmentTimeline><S t="4000" d="2000" r="1"/><S d="1500"/></SegmentTimeline>
        </SegmentTemplate>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
`;
const lowLatency = true;

test('mpd checker: good manifests', () => {
  const mpd = checkMpd(LIVE, { lowLatency });
  assert.deepEqual(mpd.violations, []);
  const [video, , audio] = mpd.periods[0]!.representations;
  assert.deepEqual(video!.segments[0], { number: 10, time: 18 * 90_000, duration: 180_000 });
  assert.equal(video!.segments.length, 10);
  assert.equal(expandTemplate(audio!.media, audio!, audio!.segments[1]), `a0-${20 * 48_000}.m4s`);
  assert.equal(video!.availabilityTimeOffset, 1.5);
  assert.equal(mpd.latencyTarget, 2000);
  const vod = checkMpd(STATIC);
  assert.deepEqual(vod.violations, []);
  const one = vod.periods[0]!.representations[0]!;
  assert.deepEqual(
    one.segments.map((segment) => expandTemplate(one.media, one, segment)),
    ['00001.m4s', '00002.m4s', '00003.m4s'],
  );
});

test('mpd checker: at an instant', () => {
  const mpd = checkMpd(LIVE);
  const edge = START + 38_000;
  assert.deepEqual(checkMpdAt(mpd, edge), []);
  assert.deepEqual(checkMpdAt(mpd, edge - 1500), []);
  assert.match(checkMpdAt(mpd, edge - 1700).join(), /v0: segment 19 is listed 0.200 s too early/);
  assert.match(checkMpdAt(mpd, edge + 8000).join(), /ended 8.000 s ago/);
  assert.match(checkMpdAt(mpd, edge - 5000).join(), /published in the future/);
});

const breaks: [string, RegExp, string, string, string][] = [
  ['no declaration', /no XML declaration/, LIVE, '<?xml version="1.0" encoding="UTF-8"?>\n', ''],
  ['no XML', /well-formed/, LIVE, '</Period>', ''],
  ['another root', /root element is FOO/, '<?xml version="1.0"?><FOO/>', '', ''],
  ['namespace', /namespace is urn:x/, LIVE, 'urn:mpeg:dash:schema:mpd:2011', 'urn:x'],
  ['no profiles', /MPD has no profiles/, STATIC, 'profiles="urn:mpeg:dash:profile:isoff-live:2011" ', ''],
  ['no minBufferTime', /MPD has no minBufferTime/, LIVE, 'minBufferTime="PT1S" ', ''],
  ['minBufferTime 0', /minBufferTime is 0/, LIVE, 'minBufferTime="PT1S"', 'minBufferTime="PT0S"'],
  [
    'a duration',
    /MPD@minimumUpdatePeriod is '2'/,
    LIVE,
    'minimumUpdatePeriod="PT2S"',
    'minimumUpdatePeriod="2"',
  ],
  ['an unknown attribute', /MPD has an attribute foo/, LIVE, 'type="dynamic"', 'type="dynamic" foo="1"'],
  ['an unknown element', /MPD has a child Foo/, LIVE, '<Period ', '<Foo/><Period '],
  [
    'the order of elements',
    /ServiceDescription stands too late/,
    LIVE,
    '  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/>\n</MPD>',
    '<ServiceDescription id="1"/></MPD>',
  ],
  [
    'the order in a set',
    /ProducerReferenceTime stands too late in AdaptationSet/,
    LIVE,
    '<Representation id="v0"',
    '<ProducerReferenceTime id="7" wallClockTime="2026-01-01T00:00:00Z" presentationTime="0"/><Representation id="v0"',
  ],
  [
    'the order in a Representation',
    /stands too late in Representation/,
    LIVE,
    '<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="2"/>\n',
    '<BaseURL>x/</BaseURL>\n',
  ],
  [
    'two templates',
    /AdaptationSet has 2 SegmentTemplate/,
    LIVE,
    '<Representation id="v0"',
    '<SegmentTemplate media="$Time$" initialization="i" duration="1"/><Representation id="v0"',
  ],
  ['no Period', /MPD has no Period/, STATIC, /<Period.*<\/Period>/s.exec(STATIC)![0], ''],
  [
    'text',
    /holds the text 'hello'/,
    LIVE,
    '<Period id="1" start="PT0S">',
    '<Period id="1" start="PT0S">hello',
  ],
  ['no bandwidth', /Representation has no bandwidth/, LIVE, ' bandwidth="128000"', ''],
  ['frame rate', /frameRate is '29.97'/, LIVE, '30000/1001', '29.97'],
  ['language', /lang is 'en_US'/, LIVE, 'lang="en"', 'lang="en_US"'],
  ['no start', /no availabilityStartTime/, LIVE, 'availabilityStartTime="2026-01-01T00:00:00Z" ', ''],
  [
    'no time zone',
    /no time zone/,
    LIVE,
    'StartTime="2026-01-01T00:00:00Z"',
    'StartTime="2026-01-01T00:00:00"',
  ],
  ['no publishTime', /no publishTime/, LIVE, /publishTime="[^"]*" /.exec(LIVE)![0], ''],
  ['no update period', /neither minimumUpdatePeriod/, LIVE, 'minimumUpdatePeriod="PT2S" ', ''],
  [
    'no UTCTiming',
    /no UTCTiming/,
    LIVE,
    '  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/>\n</MPD>',
    '</MPD>',
  ],
  [
    'static with updates',
    /static MPD has minimumUpdatePeriod/,
    STATIC,
    'type="static"',
    'type="static" minimumUpdatePeriod="PT2S"',
  ],
  [
    'static without length',
    /no mediaPresentationDuration/,
    STATIC,
    'mediaPresentationDuration="PT5.5S" ',
    '',
  ],
  ['Period without id', /has no id/, LIVE, '<Period id="1"', '<Period'],
  ['first Period without start', /first Period has no start/, LIVE, ' start="PT0S"', ''],
  [
    'a Period twice',
    /Period '0' twice/,
    STATIC,
    '</MPD>',
    `${/<Period.*<\/Period>/s.exec(STATIC)![0]}</MPD>`,
  ],
  ['no set', /has no AdaptationSet/, STATIC, /<Adapt.*Set>/s.exec(STATIC)![0], ''],
  ['a set twice', /AdaptationSet 0 twice/, LIVE, '<AdaptationSet id="1"', '<AdaptationSet id="0"'],
  ['a Representation twice', /Representation v0 twice/, LIVE, 'id="v1"', 'id="v0"'],
  ['mixed types', /mixes types/, LIVE, 'codecs="avc1.64001e"', 'mimeType="audio/mp4" codecs="avc1.64001e"'],
  ['no mimeType', /no mimeType/, STATIC, ' mimeType="video/mp4"', ''],
  ['contentType', /contentType audio of video/, STATIC, 'contentType="video"', 'contentType="audio"'],
  ['no codecs', /no codecs/, LIVE, ' codecs="mp4a.40.2"', ''],
  ['width alone', /width without height/, LIVE, ' height="360"', ''],
  ['no template', /no SegmentTemplate/, STATIC, /<SegmentTemplate.*Template>/s.exec(STATIC)![0], ''],
  ['no media', /no media template/, STATIC, 'media="$Number%05d$.m4s" ', ''],
  ['media without segment', /neither \$Number\$ nor/, STATIC, '$Number%05d$', 'x'],
  ['number and time', /has \$Number\$ and \$Time\$/, STATIC, '$Number%05d$', '$Number$-$Time$'],
  ['lonely dollar', /lonely/, STATIC, '$Number%05d$', '$Number%05d$-$Foo$'],
  ['init names a segment', /names a segment/, STATIC, 'init.mp4', '$Number$.mp4'],
  [
    'one init for all',
    /is the same for all/,
    LIVE,
    'initialization="$RepresentationID$.mp4"',
    'initialization="i.mp4"',
  ],
  [
    'duration beside timeline',
    /a duration beside/,
    STATIC,
    'timescale="1000"',
    'timescale="1000" duration="2000"',
  ],
  [
    'neither timeline nor duration',
    /neither SegmentTimeline/,
    STATIC,
    /<SegmentTimeline>.*Timeline>/s.exec(STATIC)![0],
    '',
  ],
  ['timescale 0', /timescale is 0/, STATIC, 'timescale="1000"', 'timescale="0"'],
  ['overlap', /S@t 7000 is before 8000/, STATIC, '<S d="1500"/>', '<S t="7000" d="1500"/>'],
  ['gap', /gap from 8000 to 9000/, STATIC, '<S d="1500"/>', '<S t="9000" d="500"/>'],
  ['S of no length', /S@d is 0/, STATIC, '<S d="1500"/>', '<S d="0"/>'],
  ['S without d', /S has no d/, STATIC, '<S d="1500"/>', '<S t="8000"/>'],
  ['endless repeat', /r is -1 in a Period/, STATIC, '<S d="1500"/>', '<S d="1500" r="-1"/>'],
  ['negative repeat', /S@r is -2/, STATIC, '<S d="1500"/>', '<S d="1500" r="-2"/>'],
  [
    'longer than said',
    /a segment lasts 2 s, maxSegmentDuration is 1 s/,
    STATIC,
    'maxSegmentDuration="PT2S"',
    'maxSegmentDuration="PT1S"',
  ],
  [
    'begins before its Period',
    /begins 6.000 s before its Period/,
    STATIC,
    'presentationTimeOffset="4000"',
    'presentationTimeOffset="10000"',
  ],
  ['over its Period', /over its Period/, STATIC, '<Period id="0">', '<Period id="0" duration="PT2S">'],
  [
    'too much listed',
    /20.0 s are listed, timeShiftBufferDepth is 10/,
    LIVE,
    'Depth="PT20S"',
    'Depth="PT10S"',
  ],
  ['tracks of different length', /a0 ends 4.000 s before v0/, LIVE, 'd="96000" r="9"', 'd="96000" r="7"'],
  ['offset without chunks', /not complete, but no/, LIVE, 'availabilityTimeOffset="1.5" ', ''],
  [
    'offset of a segment',
    /is not below the 2 s/,
    LIVE,
    'availabilityTimeOffset="1.5"',
    'availabilityTimeOffset="2.0"',
  ],
  [
    'form of the offset',
    /availabilityTimeOffset is '-1'/,
    LIVE,
    'availabilityTimeOffset="1.5"',
    'availabilityTimeOffset="-1"',
  ],
  ['latency bounds', /Latency from 500 over 2000 to 1000/, LIVE, 'max="6000"', 'max="1000"'],
  ['latency reference', /refers to 5/, LIVE, 'referenceId="0"', 'referenceId="5"'],
  ['reference time', /28 s off the availability time line/, LIVE, '00:00:02.100Z', '00:00:30.100Z'],
  ['reference without date', /wallClockTime is no date/, LIVE, '2026-01-01T00:00:02.100Z', 'now'],
  [
    'no latency target',
    /no ServiceDescription/,
    LIVE,
    /<ServiceDescription.*Description>/s.exec(LIVE)![0],
    '',
  ],
  ['no chunks', /v0: availabilityTimeComplete is not false/, LIVE, ' availabilityTimeComplete="false"', ''],
  [
    'no reference',
    /a0: no ProducerReferenceTime/,
    LIVE,
    /<ProducerReferenceTime id="1".*?Time>/s.exec(LIVE)![0],
    '',
  ],
];

for (const [name, expected, text, from, to] of breaks) {
  test(`mpd checker: finds ${name}`, () => {
    assert.ok(text.includes(from));
    const broken = text.replace(from, () => to);
    assert.match(checkMpd(broken, { lowLatency: text === LIVE }).violations.join('\n'), expected);
  });
}

const step = (before: string, after: string) => checkMpdUpdate(checkMpd(before), checkMpd(after)).join('\n');
const NEXT = live({ first: 11, last: 20 });

test('mpd checker: good steps', () => {
  assert.equal(step(LIVE, LIVE), '');
  assert.equal(step(LIVE, NEXT), '');
  assert.equal(
    step(LIVE, NEXT.replace('<Period id="1"', '<Period id="2"').replace('</MPD>', '</MPD>')).includes(
      'no Period',
    ),
    true,
  );
});

const steps: [string, RegExp, string, string][] = [
  [
    'availabilityStartTime changes',
    /availabilityStartTime changes/,
    'StartTime="2026-01-01T00:00:00Z"',
    'StartTime="2026-01-01T00:00:01Z"',
  ],
  [
    'publishTime goes back',
    /publishTime goes back/,
    /publishTime="[^"]*"/.exec(NEXT)![0],
    'publishTime="2026-01-01T00:00:01Z"',
  ],
  [
    'publishTime stays',
    /publishTime does not/,
    /publishTime="[^"]*"/.exec(NEXT)![0],
    /publishTime="[^"]*"/.exec(LIVE)![0],
  ],
  ['a Representation goes', /Representation v1 is gone/, 'id="v1"', 'id="v2"'],
  ['the clock changes', /timescale of Representation/, 'timescale="90000"', 'timescale="90001"'],
  ['a template changes', /media of Representation/, '$RepresentationID$-$Time$', '$RepresentationID$_$Time$'],
  ['numbers change', /segment 11 of v0 becomes 10/, 'startNumber="11"', 'startNumber="10"'],
  [
    'a segment changes',
    /lasts 90000 instead of 180000/,
    'd="180000" r="9"',
    'd="90000"/><S d="90000"/><S d="180000" r="8"',
  ],
  ['times change', /is gone/, 't="1800000"', 't="1800001"'],
  ['the newest goes', /newest segment of v0 is gone/, 'd="180000" r="9"', 'd="180000" r="7"'],
  ['the Period moves', /start of Period '1' changes/, 'start="PT0S"', 'start="PT1S"'],
  [
    'a Period comes before',
    /comes before those/,
    '<Period id="1"',
    '<Period id="0" start="PT0S" duration="PT1S"><AdaptationSet/></Period><Period id="1"',
  ],
];
for (const [name, expected, from, to] of steps) {
  test(`mpd checker: finds a step where ${name}`, () => {
    assert.ok(NEXT.includes(from));
    assert.match(
      step(
        LIVE,
        NEXT.replace(from, () => to),
      ),
      expected,
    );
  });
}

test('mpd checker: only the segment that is being made may change its length', () => {
  const longer = LIVE.replaceAll('d="180000" r="9"', 'd="180000" r="8"/><S d="190000"').replace(
    /publishTime="[^"]*"/,
    'publishTime="2026-01-01T01:00:00Z"',
  );
  assert.equal(step(LIVE, longer), '');
  const whole = (text: string) =>
    text.replaceAll(' availabilityTimeOffset="1.5" availabilityTimeComplete="false"', '');
  assert.match(step(whole(LIVE), whole(longer)), /segment 19 of v0 lasts 190000 instead of 180000/);
});

test('mpd checker: finds that all segments went at once, and that a static one changes', () => {
  assert.match(step(LIVE, live({ first: 30, last: 39 })), /all segments of v0 are gone at once/);
  assert.match(step(STATIC, STATIC), /is not updated/);
});
