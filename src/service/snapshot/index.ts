/**
 * The last key frame of a stream as a picture. `/live/cam.keyframe.mp4` is an MP4 of that one frame: every browser
 * shows it, and no decoder is needed here. `/live/cam.jpg` is a JPEG by the machine's ffmpeg, where there is one.
 */
import { CODECS } from '../../codec/codec-id.ts';
import type { Frame } from '../../media/frame.ts';
import type { Stream } from '../../media/stream.ts';
import { defaultTrack } from '../../media/track.ts';
import { findProgram } from '../../runtime/find-program.ts';
import { type HttpRequest, sendText } from '../../runtime/http-listener.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { keyFrameMp4 } from '../../wire/mp4/key-frame-file.ts';
import { JpegMaker } from './jpeg-maker.ts';
import { PictureCache } from './picture-cache.ts';

const MP4_SUFFIX = '.keyframe.mp4';
const JPEG_SUFFIX = '.jpg';
/** What others answer. */
const FOREIGN_FOLDERS = ['/vod/', '/docs/', '/api/'];
const NOT_IMPLEMENTED = 501;
const BAD_GATEWAY = 502;

export const snapshotModule: ServerModule = { name: 'snapshot', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const pictures = new Snapshots(context);
  const route = (name: string, suffix: string, handle: (request: HttpRequest) => Promise<void>) => {
    context.http.route({
      name,
      accepts: (method, path) =>
        (method === 'GET' || method === 'HEAD') &&
        path.endsWith(suffix) &&
        !FOREIGN_FOLDERS.some((folder) => path.startsWith(folder)),
      handle,
    });
  };
  route('snapshot', MP4_SUFFIX, (request) => pictures.answerMp4(request));
  route('snapshot-jpeg', JPEG_SUFFIX, (request) => pictures.answerJpeg(request));
  return { reload: () => [], stop: () => pictures.close() };
}

class Snapshots {
  private readonly context: ModuleContext;
  private readonly maker = new JpegMaker();
  private readonly cache: PictureCache;

  constructor(context: ModuleContext) {
    this.context = context;
    this.cache = new PictureCache(context.clock);
  }

  async answerMp4(request: HttpRequest): Promise<void> {
    const stream = await this.streamOf(request, MP4_SUFFIX);
    send(request, 'video/mp4', mp4Of(lastKeyFrame(stream)));
  }

  async answerJpeg(request: HttpRequest): Promise<void> {
    const stream = await this.streamOf(request, JPEG_SUFFIX);
    const frame = lastKeyFrame(stream);
    const { ffmpeg } = this.context.configuration().server;
    const program = await findProgram(ffmpeg.path || 'ffmpeg', this.context.pathBeside);
    if (program === '') {
      sendText(request.response, NOT_IMPLEMENTED, missingText(ffmpeg.path, request.path));
      return;
    }
    const { text } = stream.key;
    let picture: Buffer;
    try {
      const make = () => this.maker.make(program, mp4Of(frame));
      picture = await this.cache.get(text, `${frame.arrival}/${frame.dts}`, make);
    } catch (error) {
      if (error instanceof RejectedError || !(error instanceof Error)) throw error;
      this.context.log.counted('snapshot.ffmpeg-failed', { stream: text, cause: error.message });
      sendText(request.response, BAD_GATEWAY, `ffmpeg could make no picture of ${text}; the log says more.`);
      return;
    }
    send(request, 'image/jpeg', picture);
  }

  private async streamOf(request: HttpRequest, suffix: string): Promise<Stream> {
    const { app, stream: name } = splitStreamPath(request.path, suffix);
    const key = await this.context.admission.check({
      action: 'play',
      protocol: 'snapshot',
      host: request.host,
      app,
      stream: name,
      query: request.rawQuery,
      remote: request.remote,
      sessionId: '',
    });
    const stream = this.context.hub.find(key.text);
    if (stream === undefined) throw new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
    return stream;
  }

  close(): Promise<void> {
    return this.maker.close();
  }
}

function missingText(path: string, asked: string): string {
  const missing =
    path === '' ? 'ffmpeg is not installed on the server' : `there is no program at ${path} (config.xml)`;
  const instead = asked.slice(0, -JPEG_SUFFIX.length) + MP4_SUFFIX;
  return `JPEG pictures are made by ffmpeg, and ${missing}: install it, or say in config.xml where it is (<ffmpeg path="..."/>). The same picture for a video element, without ffmpeg: ${instead}`;
}

function send({ response, method }: HttpRequest, type: string, bytes: Buffer): void {
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-cache',
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

function lastKeyFrame(stream: Stream): Frame {
  const track = defaultTrack(stream.tracks, 'video');
  if (track === undefined) throw new RejectedError('unsupported', 'This stream has no video.');
  const frame = stream.cachedFrames().find((one) => one.trackId === track.id);
  if (frame === undefined)
    throw new RejectedError('not-found', 'There is no key frame that could be shown yet.');
  return frame;
}

function mp4Of(frame: Frame): Buffer {
  const picture = keyFrameMp4(frame.config, frame.payload);
  if (picture === null) {
    const { label } = CODECS[frame.config.codec];
    throw new RejectedError('unsupported', `A picture of ${label} cannot be put into an MP4 file.`);
  }
  return picture;
}
