/**
 * Sound by FFmpeg 8's codecs (node-av), run as a child process:
 *   decode NAME EXTRADATA RATE CHANNELS   packets on stdin (4 bytes length, little endian, before each), samples out
 *   encode NAME BITRATE RATE CHANNELS   samples on stdin, one line of JSON out:
 *                                         { extradata, packets: [{ pts, data }] }, bytes in base64, pts in samples
 * EXTRADATA is hexadecimal, `-` for none. Samples are 32-bit floats, channels interleaved.
 */
import { readFileSync } from 'node:fs';
import { Codec, CodecContext, Frame, Log, Packet, Rational } from 'node-av';
import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_CHANNEL_LAYOUT_STEREO,
  AV_LOG_ERROR,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
  AV_SAMPLE_FMT_S16P,
} from 'node-av/constants';

Log.setLevel(AV_LOG_ERROR);
const [action, name, given, rateText, channelsText] = process.argv.slice(2);
const rate = Number(rateText);
const channels = Number(channelsText);
const input = readFileSync(0);

function open(codec, prepare) {
  const context = new CodecContext();
  context.allocContext3(codec);
  context.sampleRate = rate;
  context.channelLayout = channels === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
  prepare(context);
  const result = context.open2Sync(codec);
  if (result < 0) throw new Error(`no ${name}: ${result}`);
  return context;
}

function interleave(frame) {
  const count = frame.channels;
  const samples = new Float32Array(frame.nbSamples * count);
  const isPlanar = frame.format === AV_SAMPLE_FMT_FLTP || frame.format === AV_SAMPLE_FMT_S16P;
  const isFloat = frame.format === AV_SAMPLE_FMT_FLTP || frame.format === AV_SAMPLE_FMT_FLT;
  if (!isFloat && frame.format !== AV_SAMPLE_FMT_S16 && frame.format !== AV_SAMPLE_FMT_S16P)
    throw new Error(`sample format ${frame.format}`);
  for (let i = 0; i < samples.length; i++) {
    const plane = frame.data[isPlanar ? i % count : 0];
    const at = isPlanar ? Math.floor(i / count) : i;
    samples[i] = isFloat ? plane.readFloatLE(at * 4) : plane.readInt16LE(at * 2) / 32_768;
  }
  return Buffer.from(samples.buffer);
}

if (action === 'decode') {
  const context = open(Codec.findDecoderByName(name), (made) => {
    if (given !== '-') made.extraData = Buffer.from(given, 'hex');
  });
  const frame = new Frame();
  frame.alloc();
  const out = [];
  const receive = () => {
    while (context.receiveFrameSync(frame) >= 0) out.push(interleave(frame));
  };
  for (let at = 0; at + 4 <= input.length; ) {
    const size = input.readUInt32LE(at);
    const packet = new Packet();
    packet.alloc();
    packet.data = input.subarray(at + 4, at + 4 + size);
    context.sendPacketSync(packet);
    receive();
    packet.free();
    at += 4 + size;
  }
  context.sendPacketSync(null);
  receive();
  process.stdout.write(Buffer.concat(out));
} else {
  const codec = Codec.findEncoderByName(name);
  const formats = { g722: AV_SAMPLE_FMT_S16, libopus: AV_SAMPLE_FMT_FLT };
  const format = formats[name] ?? AV_SAMPLE_FMT_FLTP;
  const context = open(codec, (made) => {
    made.sampleFormat = format;
    made.bitRate = BigInt(given);
    made.timeBase = new Rational(1, rate);
  });
  const size = context.frameSize;
  const total = input.length / 4 / channels;
  const packets = [];
  const packet = new Packet();
  packet.alloc();
  const receive = () => {
    while (context.receivePacketSync(packet) >= 0) {
      packets.push({ pts: Number(packet.pts), data: Buffer.from(packet.data).toString('base64') });
      packet.unref();
    }
  };
  for (let from = 0; from + size <= total; from += size) {
    const frame = new Frame();
    frame.alloc();
    frame.format = format;
    frame.sampleRate = rate;
    frame.channelLayout = channels === 1 ? AV_CHANNEL_LAYOUT_MONO : AV_CHANNEL_LAYOUT_STEREO;
    frame.nbSamples = size;
    frame.getBuffer();
    frame.pts = BigInt(from);
    for (let i = 0; i < size * channels; i++) {
      const sample = input.readFloatLE((from * channels + i) * 4);
      if (format === AV_SAMPLE_FMT_FLTP) {
        frame.data[i % channels].writeFloatLE(sample, Math.floor(i / channels) * 4);
      } else if (format === AV_SAMPLE_FMT_S16) {
        frame.data[0].writeInt16LE(Math.round(sample * 32_767), i * 2);
      } else frame.data[0].writeFloatLE(sample, i * 4);
    }
    context.sendFrameSync(frame);
    receive();
    frame.free();
  }
  context.sendFrameSync(null);
  receive();
  const extradata = context.extraData === null ? '' : Buffer.from(context.extraData).toString('base64');
  console.log(JSON.stringify({ extradata, packets }));
}
