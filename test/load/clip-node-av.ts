/**
 * Makes a benchmark clip with the FFmpeg libraries of the node-av package, for machines without an ffmpeg
 * program. Same pictures, sound and rates as the command line in clip.ts.
 */
import { Decoder, Demuxer, Encoder, FilterAPI, Muxer } from 'node-av/api';
import { FF_ENCODER_AAC, FF_ENCODER_LIBX264 } from 'node-av/constants';
import { AUDIO_SOURCE, type ClipRecipe } from './clip-recipe.ts';

/** Writes an FLV file. Decoders, filters and encoders end with the process: this runs once per clip. */
export async function encodeClip(recipe: ClipRecipe, seconds: number, path: string): Promise<void> {
  const rate = `${recipe.videoKbps}k`;
  const pictures = await Demuxer.open(`${recipe.video},trim=duration=${seconds}`, { format: 'lavfi' });
  const sound = await Demuxer.open(`${AUDIO_SOURCE},atrim=duration=${seconds}`, { format: 'lavfi' });
  const output = await Muxer.open(path, { format: 'flv' });
  const picture = pictures.video();
  const tone = sound.audio();
  if (picture === undefined || tone === undefined)
    throw new Error('the FFmpeg libraries have no test sources');
  const pictureDecoder = await Decoder.create(picture);
  const toneDecoder = await Decoder.create(tone);
  const pictureFormat = FilterAPI.create('format=yuv420p');
  const toneFormat = FilterAPI.create('aformat=sample_fmts=fltp:channel_layouts=stereo,asetnsamples=1024');
  const video = await Encoder.create(FF_ENCODER_LIBX264, {
    bitrate: rate,
    maxRate: rate,
    bufSize: rate,
    gopSize: 60,
    maxBFrames: 0,
    options: { preset: 'veryfast', profile: 'main', 'x264-params': 'keyint=60:min-keyint=60:scenecut=0' },
  });
  const audio = await Encoder.create(FF_ENCODER_AAC, { bitrate: `${recipe.audioKbps}k` });
  const videoIndex = output.addStream(video);
  const audioIndex = output.addStream(audio);
  // Side by side: the header is written when both encoders have given their first packet.
  await Promise.all([
    write(output, videoIndex, video.packets(pictureFormat.frames(pictureDecoder.frames(pictures.packets())))),
    write(output, audioIndex, audio.packets(toneFormat.frames(toneDecoder.frames(sound.packets())))),
  ]);
  await output.close();
  await Promise.all([pictures.close(), sound.close()]);
}

async function write(output: Muxer, stream: number, packets: ReturnType<Encoder['packets']>): Promise<void> {
  for await (const packet of packets) {
    if (packet === null) continue;
    await output.writePacket(packet, stream);
    packet.free();
  }
}
