/** Whatever stands in the files, the only error is ConfigurationError, and what is accepted can be printed and loaded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigurationError, diffConfiguration, loadConfiguration } from '../../src/config/configuration.ts';

const TIME_MS = Number(process.env['FUZZ_SECONDS'] ?? 1) * 1000;

const CONFIG = `<?xml version="1.0"?>\r\n<config>
  <authurl timeout="3000">http://10.0.0.5/</authurl><rtp min="20000" max="20999" que="3"/><nat><rtmp>a:1</rtmp><rtsp/></nat>
  <rtmp ip="127.0.0.1,::1"><port>1935</port><chunk_size>4096</chunk_size><max_idle>5</max_idle></rtmp>
  <!-- c --><http cors="*" ssl="on"/><log max-size="10M" progress="0"/><vhosts><vhost name="rtmp://h/live"><hashls>true</hashls></vhost></vhosts>
</config>`;
const POLICY = `<policy><application name="live"><gop frames="5" size="1M"/><play latency="low" merge="45ms"/>
  <stream name="a*"><hls count="2"/><forward enable="off"/></stream><forward rewrite="rtmps://x/y">[::1]:1</forward></application>
  <vhosts><vhost name="rtmp://*.h/live"><forward>a</forward></vhost></vhosts><urls><url name="rtmp://h/live/s"><time atc="on"/></url></urls></policy>`;

const SNIPPETS = [
  '<',
  '>',
  '/>',
  '</',
  '"',
  "'",
  '&',
  '&amp;',
  '&#0;',
  '&#x41;',
  '<!--',
  '-->',
  '<![CDATA[',
  ']]>',
  '<!DOCTYPE a>',
  '<?',
  '\0',
  '\r',
  '\uFEFF',
  '\uD800',
  '*',
  '-',
  '__proto__',
  'constructor',
  'toString',
  '<gop/>',
  '<forward>',
  ' name=""',
  '9'.repeat(30),
  'NaN',
  '-1',
  '1e9',
  '[',
  ']:',
  '::',
];

type Edit = readonly [position: number, remove: number, insert: string];

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.tuple(
    fc.nat(2000),
    fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(12)),
    fc.oneof(
      fc.constantFrom(...SNIPPETS),
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom(...`${CONFIG}${POLICY}`.match(/[\w-]+/g)!),
    ),
  ),
  { maxLength: 4 },
);

function mutate(text: string, list: readonly Edit[]): string {
  let result = text;
  for (const [position, remove, insert] of list) {
    const at = position % (result.length + 1);
    result = result.slice(0, at) + insert + result.slice(at + remove);
  }
  return result;
}

const files = (configText: string, policyText: string) => ({
  configText,
  policyText,
  configName: 'conf/config.xml',
  policyName: 'conf/policy.xml',
});

/** True when the texts were accepted. */
function tryLoad(configText: string, policyText: string): boolean {
  try {
    const before = loadConfiguration(files(configText, policyText));
    before.resolver.resolve('h', 'live', 'a');
    const printed = before.print();
    const half = printed.indexOf('<!-- conf/policy.xml -->');
    const after = loadConfiguration(files(printed.slice(0, half), printed.slice(half)));
    assert.deepEqual(diffConfiguration(before, after), []);
    return true;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const one of error.errors)
      assert.match(one.message, /^(conf\/(config|policy)\.xml(:\d+:\d+)?: .|… and )/);
    return false;
  }
}

test('fuzz configuration: mutated files', () => {
  assert.ok(tryLoad(CONFIG, POLICY), 'the files that are mutated load');
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(edits, edits, (configEdits, policyEdits) => {
      if (tryLoad(mutate(CONFIG, configEdits), mutate(POLICY, policyEdits))) accepted++;
      else refused++;
    }),
    { seed: 20261121, numRuns: 1_000_000, interruptAfterTimeLimit: TIME_MS, markInterruptAsFailure: false },
  );
  assert.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`);
});

test('fuzz configuration: any text, in files and environment', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      tryLoad(text, text);
      tryLoad(
        `<config><http port="1">${text}</http></config>`,
        `<policy><application name="live">${text}</application></policy>`,
      );
      try {
        loadConfiguration(files('', ''), { SLUICE_RTMP_PORT: text, [`SLUICE_HTTP_${text}`]: text });
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
      }
    }),
    {
      seed: 20261121,
      numRuns: 1_000_000,
      interruptAfterTimeLimit: TIME_MS / 2,
      markInterruptAsFailure: false,
    },
  );
});
