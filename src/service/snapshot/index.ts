/**
 * The last key frame of a stream as a one-picture MP4 (`/live/cam.keyframe.mp4`): every browser shows it, and no
 * decoder is needed here. The pages use it as the picture of a stream's card.
 */
import type { Stream } from '../../media/stream.ts';
import { defaultTrack } from '../../media/track.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { keyFrameMp4 } from '../../wire/mp4/key-frame-file.ts';

const SUFFIX = '.keyframe.mp4';

export const snapshotModule: ServerModule = { name: 'snapshot', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  context.http.route({
    name: 'snapshot',
    accepts: (method, path) => (method === 'GET' || method === 'HEAD') && path.endsWith(SUFFIX),
    handle: (request) => answer(context, request),
  });
  return { reload: () => [], stop: async () => undefined };
}

async function answer(context: ModuleContext, request: HttpRequest): Promise<void> {
  const { app, stream: name } = splitStreamPath(request.path, SUFFIX);
  const key = await context.admission.check({
    action: 'play',
    protocol: 'snapshot',
    host: request.host,
    app,
    stream: name,
    query: request.rawQuery,
    remote: request.remote,
    sessionId: '',
  });
  const stream = context.hub.find(key.text);
  if (stream === undefined) throw new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
  const picture = lastKeyFrame(stream);
  request.response.writeHead(200, {
    'Content-Type': 'video/mp4',
    'Content-Length': picture.length,
    'Cache-Control': 'no-cache',
  });
  request.response.end(request.method === 'HEAD' ? undefined : picture);
}

function lastKeyFrame(stream: Stream): Buffer {
  const track = defaultTrack(stream.tracks, 'video');
  if (track === undefined) throw new RejectedError('unsupported', 'This stream has no video.');
  const frame = stream.cachedFrames().find((one) => one.trackId === track.id);
  const picture = frame === undefined ? null : keyFrameMp4(frame.config, frame.payload);
  if (picture === null)
    throw new RejectedError('not-found', 'There is no key frame that could be shown yet.');
  return picture;
}
