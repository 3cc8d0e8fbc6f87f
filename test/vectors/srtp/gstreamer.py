import gi, json, sys
gi.require_version('Gst','1.0')
from gi.repository import Gst, GLib
Gst.init(None)
def rtp(seq, ssrc, ts, payload, first=0x80, extra=b''):
    return bytes([first,96])+seq.to_bytes(2,'big')+ts.to_bytes(4,'big')+ssrc.to_bytes(4,'big')+extra+payload
S=0x12345678
packets=[rtp(65533,S,1000,bytes(range(100))), rtp(65534,S,1000,b''), rtp(65535,S,2000,bytes(range(37))),
 rtp(0,S,3000,bytes([7]*1188)), rtp(1,S,3000,bytes(range(5)),0x91, bytes.fromhex('01020304')+bytes.fromhex('bede000110aa0000')), rtp(0,0xfeedbeef,9,b'other source')]
rr=lambda n: bytes.fromhex('80c90001')+(S).to_bytes(4,'big')+bytes.fromhex('81ca0004')+S.to_bytes(4,'big')+bytes.fromhex('0106736c75696365')+bytes([0,0,0,n])
rtcps=[rr(1),rr(2)]
def run(name,cipher,auth,key,rtcpauth=None):
    p=Gst.parse_launch('appsrc name=a caps=application/x-rtp format=time ! srtpenc name=e random-key=false ! appsink name=s sync=false emit-signals=false async=false')
    e=p.get_by_name('e')
    e.set_property('key',Gst.Buffer.new_wrapped(key))
    for k,v in (('rtp-cipher',cipher),('rtcp-cipher',cipher),('rtp-auth',auth),('rtcp-auth',rtcpauth or auth)): e.set_property(k,v)
    out=[]
    def drive(pl,appname,src,pkts):
        a=pl.get_by_name(appname); s=pl.get_by_name(src); r=[]
        for x in pkts:
            a.emit('push-buffer',Gst.Buffer.new_wrapped(x))
            smp=s.emit('try-pull-sample',2*Gst.SECOND)
            b=smp.get_buffer(); ok,m=b.map(Gst.MapFlags.READ); r.append(bytes(m.data).hex()); b.unmap(m)
        return r
    p.set_state(Gst.State.PLAYING)
    r=drive(p,'a','s',packets); p.set_state(Gst.State.NULL)
    p=Gst.parse_launch('appsrc name=a caps=application/x-rtcp format=time ! e.rtcp_sink_0 srtpenc name=e random-key=false e.rtcp_src_0 ! appsink name=s sync=false async=false')
    e=p.get_by_name('e'); e.set_property('key',Gst.Buffer.new_wrapped(key))
    for k,v in (('rtp-cipher',cipher),('rtcp-cipher',cipher),('rtp-auth',auth),('rtcp-auth',rtcpauth or auth)): e.set_property(k,v)
    p.set_state(Gst.State.PLAYING)
    c=drive(p,'a','s',rtcps); p.set_state(Gst.State.NULL)
    return {'profile':name,'key':key.hex(),'rtp':r,'rtcp':c}
k16=bytes(range(0x10,0x20)); k32=bytes(range(0x10,0x30)); s14=bytes(range(0xa0,0xae)); s12=s14[:12]
res={'plainRtp':[x.hex() for x in packets],'plainRtcp':[x.hex() for x in rtcps],'protected':[
 run('AES_CM_128_HMAC_SHA1_80','aes-128-icm','hmac-sha1-80',k16+s14),
 run('AES_CM_128_HMAC_SHA1_32','aes-128-icm','hmac-sha1-32',k16+s14,'hmac-sha1-80'),
 run('AEAD_AES_128_GCM','aes-128-gcm','null',k16+s12),
 run('AEAD_AES_256_GCM','aes-256-gcm','null',k32+s12)]}
json.dump(res,open(sys.argv[1],'w'),indent=1)
