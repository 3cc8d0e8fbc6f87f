"""
A camera with SRTP: gst-rtsp-server over TLS on a free port of 127.0.0.1, profile RTP/SAVP alone (keys by MIKEY). Prints
`port N` when it listens, and `recorded FRAMES` for what it takes.
    gst-rtsps-server.py CLIP.flv CERTIFICATE.pem KEY.pem
    /cam   H.264 and AAC over UDP and TCP      /rec   takes ANNOUNCE and RECORD of H.264
"""
import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstRtsp', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
CLIP = '( filesrc location="%s" ! flvdemux name=d d.video ! queue ! h264parse ! ' % sys.argv[1]
PICTURES = CLIP + 'rtph264pay name=pay0 pt=96 d.audio ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )'
RECORD = '( rtph264depay name=depay0 ! h264parse ! fakesink name=sink signal-handoffs=true sync=false )'


def tell(text):
    print(text, flush=True)


def factory(launch):
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(launch)
    made.set_profiles(GstRtsp.RTSPProfile.SAVP)
    made.add_role_from_structure(Gst.Structure.new_from_string(
        'all, media.factory.access=(boolean)true, media.factory.construct=(boolean)true'))
    return made


def on_record(_factory, media):
    counted = [0]

    def on_frame(_sink, _frame, _pad):
        counted[0] += 1
        tell('recorded %d' % counted[0])

    media.get_element().get_by_name('sink').connect('handoff', on_frame)


server = GstRtspServer.RTSPServer()
server.set_address('127.0.0.1')
server.set_service('0')
access = GstRtspServer.RTSPAuth()
access.set_tls_certificate(Gio.TlsCertificate.new_from_files(sys.argv[2], sys.argv[3]))
everybody = GstRtspServer.RTSPToken()
everybody.set_string('media.factory.role', 'all')
access.set_default_token(everybody)
server.set_auth(access)
mounts = server.get_mount_points()
mounts.add_factory('/cam', factory(PICTURES))
record = factory(RECORD)
record.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
record.connect('media-configure', on_record)
mounts.add_factory('/rec', record)
server.attach(None)
tell('port %d' % server.get_bound_port())
GLib.MainLoop().run()
