/**
 * A small ffmpeg, copying only, on FFmpeg 8's libraries (node-av), run as a child process:
 *   copy [-re] IN OUT FORMAT [NAME=VALUE...]   every packet of IN goes to OUT unchanged, with these options; SIGINT ends
 *                                 it in good order before the end of IN
 *   probe SECONDS URL...          what SECONDS of each track of these URLs hold, at once, as `all`: one result for each
 *   watch SECONDS LIMIT NAME=URL...   SECONDS of each track of several URLs at once, for no longer than LIMIT; digests
 *                                 of packets in one form (packet-form.mjs); of sound the packets themselves too (base64):
 *                                 G.711 in `bytes`, other codecs in `sound` with what a decoder needs
 * An rtsp(s) URL may end in #tcp or #udp.
 *   encode VIDEO AUDIO SECONDS OUT FORMAT   test pictures and a tone; `none` leaves one out
 * The last line of the output is JSON: { streams: [{ codec, packets: [sha1 of the data...], dts, pts, key }] }, that of
 * copy for what was sent; that of watch has one of these by NAME.
 */
import { createHash } from 'node:crypto';
import { Decoder, Demuxer, Encoder, FilterAPI, Log, Muxer } from 'node-av';
import {
  AV_CODEC_ID_AAC,
  AV_CODEC_ID_AV1,
  AV_CODEC_ID_H264,
  AV_CODEC_ID_HEVC,
  AV_CODEC_ID_MP3,
  AV_CODEC_ID_OPUS,
  AV_CODEC_ID_PCM_ALAW,
  AV_CODEC_ID_PCM_MULAW,
  AV_CODEC_ID_VP9,
  AV_LOG_ERROR,
  AVMEDIA_TYPE_VIDEO,
} from 'node-av/constants';
import { packetForm } from './packet-form.mjs';

const NO_TIME = -(2n ** 63n);
Log.setLevel(AV_LOG_ERROR);

const [action, ...args] = process.argv.slice(2);
let isInterrupted = false;
process.on('SIGINT', () => {
  isInterrupted = true;
});

function record(streams, packet, timeBase) {
  const seen = streams[packet.streamIndex];
  // FFmpeg knows no time of the first picture of an RTSP stream with B-frames.
  const seconds = (time) => (time === NO_TIME ? Number.NaN : (Number(time) * timeBase.num) / timeBase.den);
  const dts = packet.dts === NO_TIME ? packet.pts : packet.dts;
  seen.packets.push(createHash('sha1').update(packet.data).digest('base64url'));
  seen.dts.push(seconds(dts));
  seen.pts.push(seconds(packet.pts));
  seen.keys.push(packet.isKeyframe);
  return seconds(dts);
}

function describe(input) {
  const streams = [];
  for (const stream of input.streams) {
    const { codecpar } = stream;
    streams[stream.index] = {
      kind: codecpar.codecType === AVMEDIA_TYPE_VIDEO ? 'video' : 'audio',
      codecId: codecpar.codecId,
      extradata: codecpar.extradata === null ? '' : Buffer.from(codecpar.extradata).toString('hex'),
      packets: [],
      dts: [],
      pts: [],
      keys: [],
    };
  }
  return streams;
}

/** FFmpeg's options for an address, and the address without what only we know. */
function addressOf(url) {
  const options = {};
  if (/^(rtmps|https|rtsps):/.test(url)) options.tls_verify = '0';
  if (!/^rtsps?:/.test(url)) return { url, options };
  const [address, transport = 'tcp'] = url.split('#');
  return { url: address, options: { ...options, rtsp_transport: transport } };
}

async function copy(paced, from, to, format, ...pairs) {
  const input = await Demuxer.open(from);
  const streams = describe(input);
  for (const stream of input.streams) stream.codecpar.codecTag = 0;
  const target = addressOf(to);
  const options = { ...target.options, ...Object.fromEntries(pairs.map(splitPair)) };
  const output = await Muxer.open(target.url, { input, format, options });
  const index = new Map(input.streams.map((stream) => [stream.index, output.addStream(stream)]));
  const started = Date.now();
  // packets() asks again and again, without a pause, whether there is room for the next one.
  for (const packet of input.packetsSync()) {
    if (!packet || isInterrupted) break;
    const at = record(streams, packet, input.streams[packet.streamIndex].timeBase);
    const early = at * 1000 - (Date.now() - started);
    if (paced && early > 2) await new Promise((done) => setTimeout(done, early));
    await output.writePacket(packet, index.get(packet.streamIndex));
    packet.free();
  }
  await output.close();
  await input.close();
  return { streams };
}

/** At the first `=`: an address has some of its own. */
function splitPair(pair) {
  return pair.split(/=(.*)/s, 2);
}

function openInput(from) {
  const { url, options } = addressOf(from);
  if (!/^rtsps?:/.test(url)) options.rw_timeout = '8000000';
  if (/^rtmps?:/.test(url)) options.rtmp_enhanced_codecs = 'avc1,hvc1,av01,vp09,mp4a,Opus,.mp3';
  return Demuxer.open(url, { options });
}

async function probe(from, seconds) {
  const input = await openInput(from);
  const streams = describe(input);
  const begins = input.streams.map(() => null);
  const spans = input.streams.map(() => 0);
  for await (const packet of input.packets()) {
    if (!packet) break;
    const { streamIndex } = packet;
    const at = record(streams, packet, input.streams[streamIndex].timeBase);
    packet.free();
    if (Number.isNaN(at)) continue;
    begins[streamIndex] ??= at;
    spans[streamIndex] = at - begins[streamIndex];
    // Tracks need not begin together, nor come at the same speed.
    if (spans.every((span) => span > seconds)) break;
  }
  await input.close();
  return { streams };
}

const CODECS = new Map([
  [AV_CODEC_ID_H264, 'h264'],
  [AV_CODEC_ID_HEVC, 'h265'],
  [AV_CODEC_ID_AV1, 'av1'],
  [AV_CODEC_ID_VP9, 'vp9'],
  [AV_CODEC_ID_AAC, 'aac'],
  [AV_CODEC_ID_OPUS, 'opus'],
  [AV_CODEC_ID_MP3, 'mp3'],
  [AV_CODEC_ID_PCM_ALAW, 'g711a'],
  [AV_CODEC_ID_PCM_MULAW, 'g711u'],
]);

/** Fills `seen` while it goes, so that something is there when the time is over. */
async function watchOne(url, seconds, seen) {
  const input = await openInput(url);
  const tracks = input.streams.map(({ codecpar, timeBase }) => {
    const codec = CODECS.get(codecpar.codecId) ?? `codec ${codecpar.codecId}`;
    const stream = { codec, packets: [], dts: [], pts: [], keys: [], bytes: '' };
    if (codecpar.codecType !== AVMEDIA_TYPE_VIDEO && !codec.startsWith('g711'))
      stream.sound = {
        extradata: codecpar.extradata?.toString('hex') ?? '',
        rate: codecpar.sampleRate,
        channels: codecpar.channels,
        packets: [],
      };
    seen.streams.push(stream);
    return { stream, form: packetForm(codec, codecpar.extradata), raw: [], timeBase, first: null, span: 0 };
  });
  for await (const packet of input.packets()) {
    if (!packet) break;
    const track = tracks[packet.streamIndex];
    const { stream, form, raw, timeBase } = track;
    const secondsOf = (time) => (time === NO_TIME ? null : (Number(time) * timeBase.num) / timeBase.den);
    const data = Buffer.from(packet.data);
    stream.packets.push(createHash('sha1').update(form(data)).digest('base64url').slice(0, 12));
    if (stream.codec.startsWith('g711')) raw.push(data);
    stream.sound?.packets.push(data.toString('base64'));
    stream.dts.push(secondsOf(packet.dts));
    stream.pts.push(secondsOf(packet.pts));
    stream.keys.push(packet.isKeyframe);
    const at = stream.dts.at(-1) ?? stream.pts.at(-1);
    packet.free();
    if (at === null) continue;
    track.first ??= at;
    track.span = at - track.first;
    if (tracks.every(({ span }) => span > seconds)) break;
  }
  for (const { stream, raw } of tracks) stream.bytes = Buffer.concat(raw).toString('base64');
  seen.error = undefined;
  await input.close();
}

async function watch(seconds, limitSeconds, pairs) {
  const seen = {};
  const watching = pairs.map(async (pair) => {
    const [name, url] = splitPair(pair);
    seen[name] = { streams: [], error: 'it did not come to its end' };
    try {
      await watchOne(url, seconds, seen[name]);
    } catch (error) {
      seen[name].error = String(error?.message ?? error);
    }
  });
  const isOver = new Promise((resolve) => setTimeout(resolve, limitSeconds * 1000));
  await Promise.race([Promise.all(watching), isOver]);
  return seen;
}

const VIDEO_OPTIONS = {
  libx264: { preset: 'veryfast', 'x264-params': 'keyint=25:min-keyint=25:scenecut=0:bframes=2' },
  // For WebRTC.
  'libx264+plain': { preset: 'veryfast', 'x264-params': 'keyint=25:min-keyint=25:scenecut=0:bframes=0' },
  // What x265 says of itself would stand in the decoder's configuration, and FFmpeg puts that in front of key frames.
  libx265: {
    preset: 'ultrafast',
    'x265-params': 'keyint=25:min-keyint=25:bframes=2:info=0:log-level=none',
  },
  libsvtav1: { preset: '12' },
  'libvpx-vp9': { deadline: 'realtime', 'cpu-used': '8' },
};

async function encode(video, audio, seconds, to, format) {
  // The encoder of one track may be seconds ahead of the other's: without a limit the muxer waits for both.
  const output = await Muxer.open(to, { format, options: { max_interleave_delta: '0' } });
  const parts = [];
  if (video !== 'none') {
    const input = await Demuxer.open(`testsrc2=s=320x180:r=25,trim=duration=${seconds}`, { format: 'lavfi' });
    const decoder = await Decoder.create(input.video());
    const filter = FilterAPI.create('format=yuv420p');
    const encoder = await Encoder.create(video.replace(/\+.*/, ''), {
      bitrate: '200k',
      gopSize: 25,
      options: VIDEO_OPTIONS[video],
    });
    parts.push([input, encoder, filter.frames(decoder.frames(input.packets()))]);
  }
  if (audio !== 'none') {
    const isG711 = audio === 'pcm_alaw' || audio === 'pcm_mulaw';
    const rate = isG711 ? 8000 : audio === 'libmp3lame' ? 44100 : 48000;
    // It rises without end: no two packets are the same, as those of an even tone may be.
    const tone = `aevalsrc=0.3*sin(2*PI*(440+20*t)*t):s=${rate}`;
    const input = await Demuxer.open(`${tone},atrim=duration=${seconds}`, { format: 'lavfi' });
    const decoder = await Decoder.create(input.audio());
    const size = audio === 'libopus' ? 960 : audio === 'libmp3lame' ? 1152 : isG711 ? 320 : 1024;
    const samples = audio === 'libmp3lame' ? 'fltp' : audio === 'aac' ? 'fltp' : 's16';
    const layout = isG711 ? 'mono' : 'stereo';
    const filter = FilterAPI.create(
      `aformat=sample_fmts=${samples}:channel_layouts=${layout},asetnsamples=${size}`,
    );
    const encoder = await Encoder.create(audio, isG711 ? {} : { bitrate: '64k' });
    parts.push([input, encoder, filter.frames(decoder.frames(input.packets()))]);
  }
  const indexes = parts.map(([, encoder]) => output.addStream(encoder));
  await Promise.all(
    parts.map(async ([input, encoder, frames], i) => {
      for await (const packet of encoder.packets(frames)) {
        if (!packet) break;
        await output.writePacket(packet, indexes[i]);
        packet.free();
      }
      await input.close();
    }),
  );
  await output.close();
}

/** A pipe takes long answers in pieces: what is not taken yet would be lost at the exit. */
function answer(seen, code) {
  process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(code));
}

const failure = (error) => ({ error: String(error?.message ?? error), streams: [] });

try {
  if (action === 'watch') answer(await watch(Number(args[0]), Number(args[1]), args.slice(2)), 0);
  else if (action === 'copy')
    answer(await copy(args[0] === '-re', ...args.slice(args[0] === '-re' ? 1 : 0)), 0);
  else if (action === 'probe') {
    const [seconds, ...urls] = args;
    answer({ all: await Promise.all(urls.map((url) => probe(url, Number(seconds)).catch(failure))) }, 0);
  } else {
    await encode(args[0], args[1], Number(args[2]), args[3], args[4]);
    answer({ streams: [] }, 0);
  }
} catch (error) {
  answer(failure(error), 1);
}
