/**
 * FFmpeg's HLS muxer (node-av), run as a child process: `IN OUT.m3u8 [NAME=VALUE...]` copies every packet of IN into
 * segments with these options of the muxer. Prints an error and exits with 1 when it fails.
 */
import { Demuxer, Log, Muxer } from 'node-av';
import { AV_LOG_ERROR } from 'node-av/constants';

Log.setLevel(AV_LOG_ERROR);
const [from, to, ...pairs] = process.argv.slice(2);
try {
  const input = await Demuxer.open(from);
  for (const stream of input.streams) stream.codecpar.codecTag = 0;
  const options = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s, 2)));
  const output = await Muxer.open(to, { input, format: 'hls', options });
  const index = new Map(input.streams.map((stream) => [stream.index, output.addStream(stream)]));
  for await (const packet of input.packets()) {
    if (!packet) break;
    await output.writePacket(packet, index.get(packet.streamIndex));
    packet.free();
  }
  await output.close();
  await input.close();
  process.exit(0);
} catch (error) {
  process.stderr.write(`${String(error?.message ?? error)}\n`, () => process.exit(1));
}
