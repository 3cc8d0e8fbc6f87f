// smart_rtmpd's page for WebRTC lived at /webrtc.html; bookmarks of it lead to ours: with a stream to play it, else to
// publish.
const query = new URLSearchParams(location.search);
const plays = query.has('stream');
if (plays) query.set('way', 'webrtc');
location.replace(`${plays ? '/player.html' : '/publish.html'}?${query}`);
