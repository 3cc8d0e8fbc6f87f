// Chinese texts about connections by WebRTC; the keys are those of rtc.en.js.
export const dictionary = {
  'webrtc.network':
    '服务器有应答，但画面和声音无法通过。请在防火墙中放行端口 {port} 的 UDP 和 TCP；服务器在路由器后面时，请在 config.xml 的 webrtc/candidates 中填写公网地址。',
  'webrtc.nothing': '已连接，但没有收到画面和声音。',
  'webrtc.refused': '服务器拒绝了请求（HTTP {status}）。',
};
