/** Types of clients: SRS's own where it has one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveSession, SessionRole } from '../../../../src/access/session-registry.ts';
import { srsClientType } from '../../../../src/service/api/stream-view.ts';

const CASES: readonly (readonly [string, SessionRole, string])[] = [
  ['rtmp', 'publisher', 'fmle-publish'],
  ['rtmps', 'publisher', 'fmle-publish'],
  ['rtmps', 'player', 'rtmp-play'],
  ['rtsps', 'publisher', 'rtsp-publish'],
  ['rtsp', 'player', 'rtsp-play'],
  ['wss-flv', 'player', 'flv-play'],
  ['http-ts', 'player', 'ts-play'],
  ['https-fmp4', 'player', 'fmp4-play'],
  ['http-flv', 'publisher', 'flv-publish'],
  ['udp-ts', 'publisher', 'ts-publish'],
  ['hls', 'player', 'hls-play'],
  ['dash', 'player', 'dash-play'],
  ['srt', 'publisher', 'srt-publish'],
  ['http', 'control', 'Unknown'],
];

for (const [protocol, role, expected] of CASES)
  test(`client type: ${protocol} as ${role} is ${expected}`, () => {
    assert.equal(srsClientType({ protocol, role } as LiveSession), expected);
  });
