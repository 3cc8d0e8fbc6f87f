/** Server scope: what config.xml may hold. Sections of protocols and services stand beside these, in their folders. */
import type * as z from 'zod';
import { postSection } from '../protocol/http-publish/post-config.ts';
import { mpegtsSection } from '../protocol/mpegts/mpegts-config.ts';
import { rtmpPorts, rtmpSection } from '../protocol/rtmp/rtmp-config.ts';
import { rtpSection, rtspPorts, rtspSection } from '../protocol/rtsp/rtsp-config.ts';
import { srtSection } from '../protocol/srt/srt-config.ts';
import { webrtcSection } from '../protocol/webrtc/webrtc-config.ts';
import { httpSection } from '../runtime/http-config.ts';
import { demoSection } from '../service/demo/demo-config.ts';
import { recSection, s3Section } from '../service/record/record-config.ts';
import { ffmpegSection } from '../service/snapshot/snapshot-config.ts';
import { transcodeSection } from '../service/transcode/video-transcode-config.ts';
import { vodSection } from '../service/vod/vod-config.ts';
import { soundSection } from '../transcode/transcode-config.ts';
import { choice, duration, integer, publicAddress, section, size, text, toggle } from './setting.ts';

const logSection = section({
  name: 'log',
  text: 'What is logged, and where to.',
  fields: {
    level: choice(['error', 'warn', 'info', 'debug'], 'info', {
      text: 'Least important lines that are written.',
      reload: 'live',
    }),
    console: toggle(true, { text: 'Write to the console.', reload: 'restart' }),
    file: toggle(false, { text: 'Write to one file a day, named like 20261121.log.', reload: 'restart' }),
    dir: text(
      'log',
      {
        pattern: /^[^\0]+$/,
        phrase: 'is not the name of a folder',
        range: 'a folder, relative to the one of the executable',
      },
      { text: 'Folder of the files.', reload: 'restart' },
    ),
    maxSize: size(
      '10M',
      { min: '64K', max: '1G' },
      { text: 'A file that reaches this size is followed by another.', reload: 'restart' },
    ),
    keep: integer(
      10,
      { min: 1, max: 1000 },
      { text: 'Files kept; older ones are removed.', reload: 'restart' },
    ),
    json: toggle(false, { text: 'One JSON object a line instead of text.', reload: 'restart' }),
    progress: duration(
      '10s',
      { min: '0', max: '1h' },
      {
        text: 'Interval of the line that sums up streams, players and bitrates; 0 = none.',
        reload: 'restart',
      },
    ),
  },
});

const limitsSection = section({
  name: 'limits',
  text: 'What peers may ask for.',
  fields: {
    connections: integer(
      20_000,
      { min: 1, max: 1_000_000 },
      { text: 'Connections in total.', reload: 'live' },
    ),
    perAddress: integer(
      4000,
      { min: 0, max: 1_000_000 },
      { text: 'Connections from one address; 0 = no limit.', reload: 'live' },
    ),
    handshake: duration(
      '10s',
      { min: '1s', max: '5m' },
      {
        text: 'Time for a handshake (RTMP, TLS) and for the head of an HTTP request.',
        reload: 'restart',
      },
    ),
    message: size(
      '8M',
      { min: '64K', max: '256M' },
      { text: 'Largest RTMP message: one video frame must fit.', reload: 'new-sessions' },
    ),
    chunkStreams: integer(
      64,
      { min: 8, max: 1024 },
      { text: 'RTMP chunk streams in one connection.', reload: 'new-sessions' },
    ),
    amfDepth: integer(
      16,
      { min: 4, max: 64 },
      { text: 'Levels of nested values in an RTMP command.', reload: 'new-sessions' },
    ),
  },
});

const natSection = section({
  name: 'nat',
  text: 'Public addresses behind a router: what the banner, the pages and the API print.',
  fields: {
    rtmp: publicAddress({ text: 'Public address of RTMP.', reload: 'restart' }),
    rtmps: publicAddress({ text: 'Public address of RTMPS.', reload: 'restart' }),
    http: publicAddress({ text: 'Public address of HTTP.', reload: 'restart' }),
    https: publicAddress({ text: 'Public address of HTTPS.', reload: 'restart' }),
    rtsp: publicAddress({ text: 'Public address of RTSP.', reload: 'restart' }),
    rtsps: publicAddress({ text: 'Public address of RTSPS.', reload: 'restart' }),
    srt: publicAddress({ text: 'Public address of SRT.', reload: 'restart' }),
    webrtc: publicAddress({
      text: 'Public address of the media of WebRTC: the first that peers are told.',
      reload: 'restart',
    }),
    rtp: publicAddress({
      text: 'Public address of RTP, without port: told to players over UDP as the source of what they get.',
      reload: 'new-sessions',
    }),
  },
});

function fileName(text: string, unused = '') {
  return [
    '',
    {
      pattern: /^[^\0]*$/,
      phrase: 'is not a file name',
      range: 'a PEM file, relative to the folder of the configuration',
    },
    { text, reload: 'restart', ...(unused === '' ? {} : { unused }) },
  ] as const;
}

const NO_CLIENT_FILES =
  'forwards over TLS identify themselves by no certificate and use the certificate authorities of the runtime';

const sslSection = section({
  name: 'ssl',
  text: 'Certificates. Files are watched and reloaded when they change.',
  fields: {
    serverkey: text(
      ...fileName(
        'Private key; empty = server.key if it is there, else a self-signed pair is made at the first start.',
      ),
    ),
    servercert: text(...fileName('Certificate with its chain; empty = server.crt.')),
    serverca: text(...fileName('Certificate authorities for the certificates of peers.')),
    clientkey: text(...fileName('Private key of this server when it forwards by rtmps.', NO_CLIENT_FILES)),
    clientcert: text(...fileName('Certificate of this server when it forwards by rtmps.', NO_CLIENT_FILES)),
    clientca: text(
      ...fileName('Certificate authorities for the targets of rtmps forwards.', NO_CLIENT_FILES),
    ),
  },
  aliases: { ca: 'serverca' },
});

const SYSTEM_BUFFERS = 'the system sizes the buffers of TCP connections by itself';

const sockSection = section({
  name: 'sock',
  text: 'Buffers of sockets.',
  fields: {
    recvbuffer: integer(
      0,
      { min: 0, max: 1_048_576 },
      { text: 'Receive buffer in KB; 0 = as the system has it.', reload: 'restart', unused: SYSTEM_BUFFERS },
    ),
    sendbuffer: integer(
      0,
      { min: 0, max: 1_048_576 },
      { text: 'Send buffer in KB; 0 = as the system has it.', reload: 'restart', unused: SYSTEM_BUFFERS },
    ),
  },
});

const apiSection = section({
  name: 'api',
  text: 'The HTTP API below /api/, which also the pages use.',
  fields: {
    enable: toggle(true, {
      text: 'Whether it answers. Without it the list of streams stays empty.',
      reload: 'restart',
    }),
    control: choice(['local', 'all', 'off'], 'local', {
      text: 'Who may add and stop pulls and switch publishers by it: programs on this machine, all, nobody.',
      reload: 'live',
    }),
  },
});

/** In the order of the shipped file. */
export const SERVER_SECTIONS = {
  rtmp: rtmpSection,
  http: httpSection,
  rtsp: rtspSection,
  rtp: rtpSection,
  srt: srtSection,
  webrtc: webrtcSection,
  mpegts: mpegtsSection,
  post: postSection,
  nat: natSection,
  ssl: sslSection,
  log: logSection,
  limits: limitsSection,
  demo: demoSection,
  api: apiSection,
  rec: recSection,
  s3: s3Section,
  vod: vodSection,
  sound: soundSection,
  ffmpeg: ffmpegSection,
  transcode: transcodeSection,
  sock: sockSection,
} as const;

type ServerSectionName = keyof typeof SERVER_SECTIONS;

type ServerValues = { -readonly [K in ServerSectionName]: z.output<(typeof SERVER_SECTIONS)[K]['schema']> };

type DeepReadonly<T> = T extends (...args: never) => unknown
  ? T
  : T extends readonly (infer E)[]
    ? readonly E[]
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T;

/** Times in milliseconds, sizes in bytes; a port of -1 is not opened. */
export type ServerConfig = DeepReadonly<ServerValues>;

export type SettingTexts = { readonly [K in ServerSectionName]?: Readonly<Record<string, string>> };

/** From checked texts to values, defaults filled in. */
export function makeServerConfig(texts: SettingTexts): ServerConfig {
  const parse = <K extends ServerSectionName>(name: K) =>
    SERVER_SECTIONS[name].schema.parse(texts[name] ?? {}) as ServerValues[K];
  const rtmp = parse('rtmp');
  const rtsp = parse('rtsp');
  return {
    rtmp: { ...rtmp, ...rtmpPorts(rtmp) },
    http: parse('http'),
    rtsp: { ...rtsp, ...rtspPorts(rtsp) },
    rtp: parse('rtp'),
    srt: parse('srt'),
    webrtc: parse('webrtc'),
    mpegts: parse('mpegts'),
    post: parse('post'),
    nat: parse('nat'),
    ssl: parse('ssl'),
    log: parse('log'),
    limits: parse('limits'),
    demo: parse('demo'),
    api: parse('api'),
    rec: parse('rec'),
    s3: parse('s3'),
    vod: parse('vod'),
    sound: parse('sound'),
    ffmpeg: parse('ffmpeg'),
    transcode: parse('transcode'),
    sock: parse('sock'),
  };
}
