/**
 * FFmpeg's AAC encoder and decoder on FFmpeg 8's libraries (node-av), run as a child process: jobs as JSON on the
 * standard input, answers as JSON in the file of the first argument.
 *   { rate, channels, bitRate, options, pcm }   encodes (pcm: base64 of f32, channels one behind the other per frame of
 *                                               1024) and decodes what came of it
 *   { config, packets }                         decodes alone (hex, base64)
 * Answer per job: { config, packets, rate, channels, frames: [base64 of f32 planar, '' = no sound] }.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Codec, CodecContext, Dictionary, Frame, Log, Packet } from 'node-av';
import {
  AV_CHANNEL_LAYOUT_5POINT1,
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_CODEC_ID_AAC,
  AV_LOG_QUIET,
  AV_SAMPLE_FMT_FLTP,
} from 'node-av/constants';

Log.setLevel(AV_LOG_QUIET);
const LAYOUTS = { 1: AV_CHANNEL_LAYOUT_MONO, 2: AV_CHANNEL_LAYOUT_STEREO, 6: AV_CHANNEL_LAYOUT_5POINT1 };

function check(code, what) {
  if (code < 0) throw new Error(`${what}: ${code}`);
}

async function encode({ rate, channels, bitRate, options, pcm }) {
  const codec = Codec.findEncoder(AV_CODEC_ID_AAC);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.sampleRate = rate;
  context.channelLayout = LAYOUTS[channels];
  context.sampleFormat = AV_SAMPLE_FMT_FLTP;
  context.bitRate = BigInt(bitRate);
  context.timeBase = { num: 1, den: rate };
  context.flags |= 1 << 22; // the configuration apart from the packets
  check(await context.open2(codec, Dictionary.fromObject(options)), 'open');
  const sound = Buffer.from(pcm, 'base64');
  const size = 1024 * channels * 4;
  const packets = [];
  const packet = new Packet();
  packet.alloc();
  for (let at = 0, n = 0; ; at += size, n++) {
    const isEnd = at + size > sound.length;
    const frame = isEnd
      ? null
      : Frame.fromAudioBuffer(Buffer.from(sound.subarray(at, at + size)), {
          nbSamples: 1024,
          format: AV_SAMPLE_FMT_FLTP,
          sampleRate: rate,
          channelLayout: LAYOUTS[channels],
          timeBase: { num: 1, den: rate },
          pts: BigInt(n * 1024),
        });
    check(await context.sendFrame(frame), 'send');
    frame?.free();
    while ((await context.receivePacket(packet)) >= 0) {
      packets.push(Buffer.from(packet.data).toString('base64'));
      packet.unref();
    }
    if (isEnd) break;
  }
  return { config: Buffer.from(context.extraData).toString('hex'), packets };
}

async function decode({ config, packets }) {
  const codec = Codec.findDecoder(AV_CODEC_ID_AAC);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.extraData = Buffer.from(config, 'hex');
  check(await context.open2(codec, null), 'open');
  const answer = { config, packets, rate: 0, channels: 0, frames: [] };
  for (const data of packets) {
    const packet = new Packet();
    packet.alloc();
    packet.data = Buffer.from(data, 'base64');
    const frame = new Frame();
    frame.alloc();
    const sent = await context.sendPacket(packet);
    if (sent >= 0 && (await context.receiveFrame(frame)) >= 0) {
      answer.rate = frame.sampleRate;
      answer.channels = frame.channels;
      const planes = frame.data
        .slice(0, frame.channels)
        .map((plane) => plane.subarray(0, frame.nbSamples * 4));
      answer.frames.push(Buffer.concat(planes).toString('base64'));
    } else {
      answer.frames.push('');
    }
    frame.free();
    packet.free();
  }
  return answer;
}

const answers = [];
for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  answers.push(await decode(job.pcm === undefined ? job : await encode(job)));
}
writeFileSync(process.argv[2], JSON.stringify(answers));
process.exit(0);
