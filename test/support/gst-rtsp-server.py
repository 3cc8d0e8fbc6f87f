"""
A camera to test against: gst-rtsp-server on free ports of 127.0.0.1. Prints `ports MAIN DIGEST BASIC` when it listens.
    gst-rtsp-server.py CLIP.flv
    /cam        H.264 and AAC over UDP and TCP       /tcp     the same over TCP alone
    /digest     name `user`, password `s:e@cret`     /basic   the same by Basic
    /ts         MPEG-TS in RTP                       /rec     takes ANNOUNCE and RECORD of H.264; prints frames
    /multicast  over a multicast group
"""
import sys

import gi

gi.require_version('Gst', '1.0')
gi.require_version('GstRtsp', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

Gst.init(None)
UDP = GstRtsp.RTSPLowerTrans.UDP
TCP = GstRtsp.RTSPLowerTrans.TCP
GROUP = GstRtsp.RTSPLowerTrans.UDP_MCAST
CLIP = '( filesrc location="%s" ! flvdemux name=d d.video ! queue ! h264parse ! ' % sys.argv[1]
PICTURES = CLIP + 'rtph264pay name=pay0 pt=96 d.audio ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )'
STREAM = CLIP + 'mpegtsmux name=m ! rtpmp2tpay name=pay0 pt=33 d.audio ! queue ! aacparse ! m. )'


def tell(text):
    print(text, flush=True)


def server():
    made = GstRtspServer.RTSPServer()
    made.set_address('127.0.0.1')
    made.set_service('0')
    return made


def factory(launch, protocols=UDP | TCP):
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(launch)
    made.set_protocols(protocols)
    return made


def add_login(to, method):
    login = GstRtspServer.RTSPAuth()
    login.set_supported_methods(method)
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', 'user')
    if method == GstRtsp.RTSPAuthMethod.BASIC:
        login.add_basic(GstRtspServer.RTSPAuth.make_basic('user', 's:e@cret'), token)
    else:
        login.add_digest('user', 's:e@cret', token)
    to.set_auth(login)


def allow(made):
    made.add_role_from_structure(Gst.Structure.new_from_string(
        'user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true'))
    return made


def on_record(_factory, media):
    sink = media.get_element().get_by_name('sink')
    counted = {'frames': 0, 'keys': 0}

    def on_frame(_sink, frame, _pad):
        counted['frames'] += 1
        if not frame.has_flags(Gst.BufferFlags.DELTA_UNIT):
            counted['keys'] += 1
        tell('recorded %d %d' % (counted['frames'], counted['keys']))

    sink.connect('handoff', on_frame)


main = server()
mounts = main.get_mount_points()
mounts.add_factory('/cam', factory(PICTURES))
mounts.add_factory('/tcp', factory(PICTURES, TCP))
mounts.add_factory('/ts', factory(STREAM))
group = factory(PICTURES, GROUP)
pool = GstRtspServer.RTSPAddressPool()
pool.add_range('239.255.77.1', '239.255.77.1', 20100, 20140, 1)
group.set_address_pool(pool)
mounts.add_factory('/multicast', group)
record = factory('( rtph264depay name=depay0 ! h264parse ! fakesink name=sink signal-handoffs=true sync=false )')
record.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
record.connect('media-configure', on_record)
mounts.add_factory('/rec', record)
main.attach(None)
ports = [main.get_bound_port()]
for name, method in (('/digest', GstRtsp.RTSPAuthMethod.DIGEST), ('/basic', GstRtsp.RTSPAuthMethod.BASIC)):
    locked = server()
    add_login(locked, method)
    locked.get_mount_points().add_factory(name, allow(factory(PICTURES)))
    locked.attach(None)
    ports.append(locked.get_bound_port())
tell('ports %d %d %d' % tuple(ports))
GLib.MainLoop().run()
