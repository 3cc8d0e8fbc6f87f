// Runs node-media-server 4.4 for the benchmark: RTMP and HTTP ports from the environment, loopback only,
// recording and console off.
const NodeMediaServer = require('node-media-server');

new NodeMediaServer({
  bind: '127.0.0.1',
  rtmp: { port: Number(process.env.RTMP_PORT) },
  http: { port: Number(process.env.HTTP_PORT) },
  record: { auto: false, path: process.env.DATA_DIR },
  store: { path: process.env.DATA_DIR },
  webadmin: { enable: false },
}).run();
