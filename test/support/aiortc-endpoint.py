"""A server of WHIP and WHEP on aiortc (Debian's /usr/bin/python3 with python3-aiortc and python3-aiohttp).

    aiortc-endpoint.py [--codec H264|VP8] [--token T]

Writes {"port": N} when it listens on the loopback address. POST /whip takes a publisher and decodes what it sends,
POST /whep sends moving grey pictures and a tone; GET /counts tells what was decoded, DELETE of the Location ends.
"""

import argparse
import asyncio
import fractions
import json

import aioice.ice
import numpy
from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.codecs import CODECS
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

# Nothing leaves this machine.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []

parser = argparse.ArgumentParser()
parser.add_argument("--codec", default="VP8")
parser.add_argument("--token", default="")
args = parser.parse_args()

peers = {}
counts = {"video": 0, "audio": 0, "size": [0, 0], "rate": 0, "loudness": 0.0, "via": "", "deleted": 0}


class Pictures(VideoStreamTrack):
    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(160, 120, "yuv420p")
        for plane, level in zip(frame.planes, [pts // 3000 * 8 % 200 + 20, 128, 128]):
            plane.update(bytes([level]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    kind = "audio"
    rate = 48000
    samples = 960

    def __init__(self):
        super().__init__()
        self.at = 0
        self.began = None

    async def recv(self):
        now = asyncio.get_event_loop().time()
        if self.began is None:
            self.began = now
        await asyncio.sleep(max(0, self.began + self.at / self.rate - now))
        angles = (numpy.arange(self.samples) + self.at) * (2 * numpy.pi * 1000 / self.rate)
        tone = (numpy.sin(angles) * 8000).astype(numpy.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate = self.rate
        frame.pts, frame.time_base = self.at, fractions.Fraction(1, self.rate)
        self.at += self.samples
        return frame


async def decode(track):
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        counts[track.kind] += 1
        if track.kind == "video":
            counts["size"] = [frame.width, frame.height]
        else:
            counts["rate"] = frame.sample_rate
            counts["loudness"] = max(counts["loudness"], float(numpy.abs(frame.to_ndarray()).max()))


async def answer(request, publishes):
    if args.token and request.headers.get("Authorization") != "Bearer " + args.token:
        return web.Response(status=401, text="No token, no stream.")
    counts["via"] = request.headers.get("X-Sluice-Via", "")
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if publishes:
        peer.on("track", lambda track: asyncio.ensure_future(decode(track)))
    offer = RTCSessionDescription(sdp=await request.text(), type="offer")
    if publishes:
        await peer.setRemoteDescription(offer)
    else:
        # aiortc takes the first codec of the offer that it has.
        known = CODECS["video"]
        CODECS["video"] = [one for one in known if one.name == args.codec]
        await peer.setRemoteDescription(offer)
        CODECS["video"] = known
        peer.addTrack(Pictures())
        peer.addTrack(Tone())
    await peer.setLocalDescription(await peer.createAnswer())
    name = str(len(peers) + 1)
    peers[name] = peer
    # A relative address, as most servers write it.
    headers = {"Location": "/session/" + name}
    return web.Response(status=201, content_type="application/sdp", headers=headers, text=peer.localDescription.sdp)


async def take(request):
    return await answer(request, True)


async def give(request):
    return await answer(request, False)


async def tell(request):
    return web.json_response(counts)


async def end(request):
    peer = peers.pop(request.match_info["name"], None)
    if peer is None:
        return web.Response(status=404)
    counts["deleted"] += 1
    await peer.close()
    return web.Response()


async def main():
    app = web.Application()
    app.router.add_post("/whip", take)
    app.router.add_post("/whep", give)
    app.router.add_delete("/session/{name}", end)
    app.router.add_get("/counts", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
