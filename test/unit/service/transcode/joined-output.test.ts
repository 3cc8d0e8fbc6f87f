/** Sound and pictures in one order: sound waits for pictures, for a second at most, and nothing makes the clock jump. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { Frame } from '../../../../src/media/frame.ts';
import { JoinedOutput, MAX_BEHIND_US, MAX_HOLD_US } from '../../../../src/service/transcode/joined-output.ts';

const CONFIG = makeCodecConfig('aac', new Uint8Array(0), '');

function sound(us: number): Frame {
  return new Frame(1, 0, us, us, 20_000, new Uint8Array(1), CONFIG, 0, Number.NaN);
}

class Rig {
  readonly out: string[] = [];
  readonly joined = new JoinedOutput((frame) => this.out.push(`s${frame.dts}`));

  sound(us: number, nowUs = us): void {
    this.joined.sound(sound(us), nowUs);
  }

  picture(us: number): void {
    if (this.joined.picture(us)) this.out.push(`p${us}`);
  }
}

test('sound from before the first picture is dropped, later sound goes out with the picture of its time', () => {
  const rig = new Rig();
  rig.sound(0);
  rig.sound(20_000);
  rig.sound(40_000);
  rig.sound(60_000);
  assert.deepEqual(rig.out, []);
  rig.picture(40_000);
  assert.deepEqual(rig.out, ['s40000', 'p40000']);
  rig.picture(80_000);
  assert.deepEqual(rig.out, ['s40000', 'p40000', 's60000', 'p80000']);
});

test('when no picture comes, sound goes on a second later', () => {
  const rig = new Rig();
  rig.picture(0);
  rig.sound(20_000);
  rig.sound(40_000);
  rig.sound(20_000 + MAX_HOLD_US - 1);
  assert.deepEqual(rig.out, ['p0']);
  rig.sound(20_000 + MAX_HOLD_US);
  assert.deepEqual(rig.out, ['p0', 's20000']);
});

test('before the first picture sound waits without end, and within its bound', () => {
  const rig = new Rig();
  for (let i = 0; i < 3000; i++) rig.sound(i * 20_000);
  rig.picture(0);
  assert.equal(rig.out.length, 1);
  rig.picture(60_000_000);
  assert.equal(rig.out.length, 2048 + 2);
});

test('a picture that would look like a jump of the clock is left out', () => {
  const rig = new Rig();
  rig.picture(0);
  rig.sound(1_000_000, 0);
  rig.sound(1_020_000, MAX_HOLD_US);
  assert.deepEqual(rig.out, ['p0', 's1000000']);
  rig.picture(1_000_000 - MAX_BEHIND_US - 1);
  assert.equal(rig.joined.latePictures, 1);
  rig.picture(1_000_000 - MAX_BEHIND_US);
  assert.deepEqual(rig.out, ['p0', 's1000000', `p${1_000_000 - MAX_BEHIND_US}`]);
});
