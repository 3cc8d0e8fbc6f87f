/** Settings of RTSP: ports by the word in ssl, secrets that are never printed, ranges that are checked. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { diffConfiguration, loadConfiguration } from '../../../../src/config/configuration.ts';

function load(config: string, policy = '', environment = {}) {
  return loadConfiguration(
    {
      configText: `<config>${config}</config>`,
      configName: 'config.xml',
      policyText: `<policy>${policy}</policy>`,
      policyName: 'policy.xml',
    },
    environment,
  );
}

describe('ports', () => {
  for (const [ssl, port, sport] of [
    ['both', 8554, 8322],
    ['on', -1, 8554],
    ['true', -1, 8554],
    ['off', 8554, -1],
  ] as const) {
    test(`ssl ${ssl}`, () => {
      const { rtsp } = load(`<rtsp><ssl>${ssl}</ssl></rtsp>`).server;
      assert.deepEqual([rtsp.port, rtsp.sport], [port, sport]);
    });
  }

  test('come from the environment too', () => {
    assert.equal(load('', '', { SLUICE_RTSP_PORT: '554' }).server.rtsp.port, 554);
  });

  test('may not be those of another protocol', () => {
    assert.throws(() => load('<rtsp><port>1935</port></rtsp>'), /port 1935 is taken twice/);
  });

  test('of RTP need room for a pair', () => {
    assert.throws(() => load('<rtp><min>40000</min><max>40000</max></rtp>'), /<rtp>.*two ports/);
    const { rtp } = load('<rtp min="40000" max="40001" que="20000"/>').server;
    assert.deepEqual([rtp.min, rtp.max], [40_000, 40_001]);
  });
});

test('max-idle of smart_rtmpd is the idle time of publishers', () => {
  const { resolver } = load('<rtsp><max-idle>25</max-idle></rtsp>');
  assert.equal(resolver.resolve('', 'live', 'cam').publish.idleMs, 25_000);
});

describe('logins', () => {
  const policy = (password: string) =>
    `<application name="live"><login play-user="eve" play-password="${password}"/></application>`;

  test('belong to streams', () => {
    const { resolver } = load('', policy('xyzzy'));
    assert.equal(resolver.resolve('', 'live', 'cam').login.playPassword, 'xyzzy');
    assert.equal(resolver.resolve('', 'rec', 'cam').login.playUser, '');
  });

  test('are neither printed nor logged', () => {
    const before = load('', policy('xyzzy'));
    assert.doesNotMatch(before.print(), /xyzzy/);
    assert.match(before.print(), /play-password="\(hidden\)"/);
    const changes = diffConfiguration(before, load('', policy('other')));
    assert.deepEqual(
      changes.map(({ name, before: was, after: is }) => [name, was, is]),
      [['application live login.play-password', '(hidden)', '(hidden)']],
    );
  });
});

describe('multicast', () => {
  for (const range of ['10.0.0.0/8', '239.1.1.1', '239.1.1.300/24', '239.0.0.0/4']) {
    test(`${range} is refused`, () => {
      assert.throws(
        () => load('', `<application name="live"><multicast range="${range}"/></application>`),
        /is not a range of multicast addresses/,
      );
    });
  }
});
