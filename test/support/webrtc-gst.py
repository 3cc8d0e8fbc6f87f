#!/usr/bin/python3
"""WHIP publisher and WHEP player on GStreamer's webrtcbin (Debian: gstreamer1.0-nice, gstreamer1.0-plugins-bad,
gir1.2-gst-plugins-bad-1.0, python3-gi).
  webrtc-gst.py whip URL SECONDS     a test picture as VP8 and a tone as Opus
  webrtc-gst.py whep URL SECONDS     receives H.264 and Opus, counts frames
Prints one line of JSON. Only loopback is used."""
import ctypes
import json
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC

Gst.init(None)
MODE, URL, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
PUBLISH = (
    "webrtcbin name=w bundle-policy=max-bundle "
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 ! "
    "vp8enc deadline=1 keyframe-max-dist=50 target-bitrate=400000 ! rtpvp8pay picture-id-mode=2 ! "
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! w. "
    "audiotestsrc is-live=true freq=660 ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay pt=111 ! "
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! w."
)
H264 = (
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f"
)
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
CHAINS = {"video": "rtph264depay ! h264parse ! avdec_h264", "audio": "rtpopusdepay ! opusdec"}
result = {"status": 0, "video": 0, "audio": 0}
state = {"resource": "", "offered": False}
loop = GLib.MainLoop()
if MODE == "whip":
    pipeline = Gst.parse_launch(PUBLISH)
else:
    pipeline = Gst.Pipeline()
    pipeline.add(Gst.parse_launch("webrtcbin name=w bundle-policy=max-bundle"))
webrtc = pipeline.get_by_name("w")

# libnice leaves loopback out unless it is told to use it.
ice = webrtc.get_property("ice-agent")
agent = ice.get_property("agent")
nice = ctypes.CDLL("libnice.so.10")
nice.nice_address_new.restype = ctypes.c_void_p
address = ctypes.c_void_p(nice.nice_address_new())
nice.nice_address_set_from_string(address, b"127.0.0.1")
nice.nice_agent_add_local_address(ctypes.c_void_p(hash(agent)), address)


def post():
    if state["offered"]:
        return
    state["offered"] = True
    offer = webrtc.get_property("local-description").sdp.as_text()
    request = urllib.request.Request(URL, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
    try:
        response = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        result.update(status=error.code, body=error.read().decode())
        loop.quit()
        return
    result["status"] = response.status
    state["resource"] = urllib.parse.urljoin(URL, response.headers["Location"])
    _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
    description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
    webrtc.emit("set-remote-description", description, Gst.Promise.new())


def on_offer(promise, *_):
    promise.wait()
    # Kept: what Python lets go of is gone for GStreamer too.
    state["reply"] = promise.get_reply()
    state["offer"] = state["reply"]["offer"]
    webrtc.emit("set-local-description", state["offer"], Gst.Promise.new())


def on_negotiation(element):
    element.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer, None))


def on_gathering(element, _):
    if element.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        GLib.idle_add(post)


def on_pad(_, pad):
    if pad.direction != Gst.PadDirection.SRC:
        return
    kind = pad.get_current_caps().get_structure(0).get_string("media")
    text = f"queue ! {CHAINS[kind]} ! fakesink name=s signal-handoffs=true sync=false"
    decoder = Gst.parse_bin_from_description(text, True)
    pipeline.add(decoder)
    decoder.get_by_name("s").connect(
        "handoff", lambda *_: result.__setitem__(kind, result[kind] + 1)
    )
    decoder.sync_state_with_parent()
    pad.link(decoder.get_static_pad("sink"))


webrtc.connect("on-negotiation-needed", on_negotiation)
webrtc.connect("notify::ice-gathering-state", on_gathering)
if MODE == "whep":
    webrtc.connect("pad-added", on_pad)
    for caps in (H264, OPUS):
        direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
else:
    for index in (0, 1):
        transceiver = webrtc.emit("get-transceiver", index)
        if transceiver:
            transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect(
    "message::error", lambda _, message: (result.update(error=str(message.parse_error()[0])), loop.quit())
)
pipeline.set_state(Gst.State.PLAYING)
GLib.timeout_add(int(SECONDS * 1000), loop.quit)
loop.run()
result["state"] = webrtc.get_property("connection-state").value_nick
if state["resource"]:
    request = urllib.request.Request(state["resource"], method="DELETE")
    result["deleted"] = urllib.request.urlopen(request).status
pipeline.set_state(Gst.State.NULL)
print(json.dumps(result))
