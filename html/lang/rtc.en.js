// English texts about connections by WebRTC, for playing and publishing; the keys are those of rtc.zh.js.
export const dictionary = {
  'webrtc.network':
    'The server answered, but no picture or sound gets through. Open its port {port} in the firewall for UDP and TCP; behind a router, name the public address in config.xml (webrtc, candidates).',
  'webrtc.nothing': 'Connected, but neither picture nor sound has come.',
  'webrtc.refused': 'The server refused (HTTP {status}).',
};
