#!/usr/bin/python3
"""WHIP publisher and WHEP player on aiortc (Debian: python3-aiortc, python3-aiohttp).
  webrtc-aiortc.py whip URL CODEC SECONDS     a moving picture of its own and silence
  webrtc-aiortc.py whep URL CODEC SECONDS     decodes, counts
Prints one line of JSON. Candidates are loopback only, and no STUN server is asked."""
import asyncio
import json
import sys
from urllib.parse import urljoin

import aiohttp
import aioice.ice
import numpy
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import VideoFrame

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []
WIDTH, HEIGHT = 320, 180


class Picture(VideoStreamTrack):
    count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        self.count += 1
        image = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
        image[:, (self.count * 4) % WIDTH :, 1] = 200
        frame = VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


async def exchange(peer, url):
    await peer.setLocalDescription(await peer.createOffer())
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=peer.localDescription.sdp, headers=headers) as response:
            body = await response.text()
            if response.status != 201:
                raise SystemExit(json.dumps({"status": response.status, "body": body}))
            await peer.setRemoteDescription(RTCSessionDescription(sdp=body, type="answer"))
            return urljoin(url, response.headers["Location"])


def prefer(peer, codec):
    for transceiver in peer.getTransceivers():
        if transceiver.kind == "video":
            capabilities = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([one for one in capabilities if one.name.upper() == codec.upper()])


async def main(mode, url, codec, seconds):
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    counts = {"video": 0, "audio": 0, "backward": 0, "level": 0}
    tasks = []

    async def count(track):
        last = None
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            counts[track.kind] += 1
            counts["backward"] += last is not None and frame.pts < last
            last = frame.pts
            if track.kind == "audio":
                counts["level"] = max(counts["level"], int(numpy.abs(frame.to_ndarray()).max()))

    peer.on("track", lambda track: tasks.append(asyncio.ensure_future(count(track))))
    if mode == "whip":
        peer.addTransceiver(Picture(), direction="sendonly")
        peer.addTransceiver(AudioStreamTrack(), direction="sendonly")
    else:
        peer.addTransceiver("video", direction="recvonly")
        peer.addTransceiver("audio", direction="recvonly")
    prefer(peer, codec)
    resource = await exchange(peer, url)
    await asyncio.sleep(float(seconds))
    state = peer.connectionState
    async with aiohttp.ClientSession() as http:
        async with http.delete(resource) as response:
            deleted = response.status
    await peer.close()
    print(json.dumps({"status": 201, "state": state, "deleted": deleted, **counts}))


asyncio.run(main(*sys.argv[1:5]))
