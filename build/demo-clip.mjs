// Makes build/demo-clip.flv, the 20 second loop that the built-in test channel repeats.
//
//   node build/demo-clip.mjs            needs ffmpeg (with libx264) and the DejaVu fonts (Debian: fonts-dejavu-core)
//   FFMPEG=/path/to/ffmpeg FONT_DIR=/path node build/demo-clip.mjs
//
// The clip is checked in, so a build does not need ffmpeg; this file documents how it was made and makes it again.
// What the picture and the sound are for:
//   seconds.frames clock     two screens side by side show the delay between them
//   sweep under the clock    runs once a second: stutter and dropped frames are visible
//   bar at the bottom        fills once per loop: the loop point is visible
//   white square + 880 Hz    both start at each full second: lip sync can be heard and seen
//   no B-frames              every player takes it, WebRTC included
//   a key frame each 2 s     an instant start and HLS segments of usual length
// 20 s are 500 video frames but 937.5 AAC frames at 48 kHz. The sound is therefore silent at the end of every
// second, so that the 10.7 ms without an audio frame at the loop point cannot be heard.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FFMPEG = process.env.FFMPEG ?? 'ffmpeg';
const FONT_DIR = process.env.FONT_DIR ?? '/usr/share/fonts/truetype/dejavu';
const OUTPUT = fileURLToPath(new URL('./demo-clip.flv', import.meta.url));

const LOOP_S = 20;
const FPS = 25;
const GOP_S = 2;
const MAX_BYTES = 1_500_000;
const SAMPLE_RATE = 48_000;

function ffmpeg(args) {
  const result = spawnSync(FFMPEG, ['-hide_banner', '-loglevel', 'error', '-y', ...args], {
    stdio: 'inherit',
  });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`ffmpeg ended with ${result.status ?? result.signal}`);
}

const sans = join(FONT_DIR, 'DejaVuSans-Bold.ttf');
const mono = join(FONT_DIR, 'DejaVuSansMono-Bold.ttf');
const clockText = `%{eif\\:floor(n/${FPS})\\:d\\:2}.%{eif\\:mod(n\\,${FPS})\\:d\\:2}`;

// The panel is 640x300 at (320,170); the sweep runs along its lower edge, the loop bar along the picture's.
const picture = [
  `smptehdbars=s=1280x720:r=${FPS}:d=${LOOP_S},format=yuv420p,` +
    'drawbox=x=320:y=170:w=640:h=300:c=0x101418:t=fill,' +
    'drawbox=x=344:y=440:w=592:h=6:c=0x2A323B:t=fill,' +
    `drawtext=fontfile=${sans}:text='Sluice test channel':fontsize=40:fontcolor=0xE8EDF2:x=(w-tw)/2:y=200,` +
    `drawtext=fontfile=${mono}:text='${clockText}':fontsize=150:fontcolor=white:x=344:y=272[bars]`,
  `color=c=0x35B6A6:s=74x6:r=${FPS}:d=${LOOP_S}[sweep]`,
  `color=c=white:s=96x96:r=${FPS}:d=${LOOP_S}[flash]`,
  `color=c=0x35B6A6:s=1280x12:r=${FPS}:d=${LOOP_S}[progress]`,
  `[bars][sweep]overlay=x='344+floor(518*mod(n,${FPS})/${FPS - 1})':y=440:format=yuv420[a]`,
  `[a][flash]overlay=x=840:y=300:format=yuv420:enable='lt(mod(n,${FPS}),3)'[b]`,
  `[b][progress]overlay=x='-1280+floor(1280*(n+1)/${LOOP_S * FPS})':y=708:format=yuv420,` +
    'setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv[v]',
].join(';');

// Each second: an 880 Hz beep of 100 ms, a soft 440 Hz tone from 200 to 800 ms with 40 ms ramps, then silence.
const second = 'mod(t,1)';
const beep = `0.30*sin(2*PI*880*t)*between(${second},0,0.1)*min(1,(0.1-${second})/0.01)`;
const tone = `0.10*sin(2*PI*440*t)*clip(min((${second}-0.2)/0.04,(0.8-${second})/0.04),0,1)`;
const sound = `aevalsrc=exprs='${beep}+${tone}|${beep}+${tone}':s=${SAMPLE_RATE}:d=${LOOP_S * 3}`;

const folder = mkdtempSync(join(tmpdir(), 'demo-clip-'));
try {
  const video = join(folder, 'video.nut');
  const audioLong = join(folder, 'audio-long.nut');
  const audio = join(folder, 'audio.nut');
  const videoCodec = ['-c:v', 'libx264', '-profile:v', 'high', '-level:v', '3.1', '-preset', 'veryslow'];
  const videoRate = ['-crf', '24', '-maxrate', '500k', '-bufsize', '500k', '-bf', '0', '-threads', '1'];
  const videoGop = ['-g', `${FPS * GOP_S}`, '-keyint_min', `${FPS * GOP_S}`, '-sc_threshold', '0'];
  const colour = [
    '-color_primaries',
    'bt709',
    '-color_trc',
    'bt709',
    '-colorspace',
    'bt709',
    '-color_range',
    'tv',
  ];
  ffmpeg([
    ...['-filter_complex', picture, '-map', '[v]', '-frames:v', `${LOOP_S * FPS}`],
    ...videoCodec,
    ...videoRate,
    ...videoGop,
    ...colour,
    ...['-bsf:v', 'filter_units=remove_types=6', '-f', 'nut', video], // without the encoder's own SEI text
  ]);
  // Two loops (40 s) are exactly 1875 AAC frames, so the third loop starts on a frame boundary, and its first frame
  // overlaps with silence and not with the encoder's priming samples.
  ffmpeg([
    '-f',
    'lavfi',
    '-i',
    sound,
    '-c:a',
    'aac',
    '-profile:a',
    'aac_low',
    '-b:a',
    '96k',
    '-f',
    'nut',
    audioLong,
  ]);
  const start = `${LOOP_S * 2 - 0.001}`;
  const frames = `${Math.floor((LOOP_S * SAMPLE_RATE) / 1024)}`;
  ffmpeg(['-i', audioLong, '-ss', start, '-c', 'copy', '-frames:a', frames, '-f', 'nut', audio]);
  const streams = ['-i', video, '-i', audio, '-map', '0:v', '-map', '1:a', '-c', 'copy'];
  ffmpeg([
    ...streams,
    '-fflags',
    '+bitexact',
    '-map_metadata',
    '-1',
    '-flvflags',
    'no_sequence_end',
    '-f',
    'flv',
    OUTPUT,
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const { size } = statSync(OUTPUT);
if (size > MAX_BYTES) throw new Error(`${OUTPUT} has ${size} bytes, the limit is ${MAX_BYTES}`);
console.log(`${OUTPUT}: ${size} bytes`);
