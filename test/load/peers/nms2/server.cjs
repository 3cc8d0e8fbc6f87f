// Runs node-media-server 2.7 for the benchmark: RTMP and HTTP ports from the environment, loopback only.
const net = require('node:net');

// This version listens on every address and has no setting for it, so the address is put in here.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(port, ...rest) {
  return listen.call(this, Number(port), '127.0.0.1', ...rest.filter((value) => typeof value === 'function'));
};

const NodeMediaServer = require('node-media-server');
new NodeMediaServer({
  logType: 1,
  rtmp: {
    port: Number(process.env.RTMP_PORT),
    chunk_size: 60000,
    gop_cache: true,
    ping: 60,
    ping_timeout: 30,
  },
  http: {
    port: Number(process.env.HTTP_PORT),
    mediaroot: process.env.DATA_DIR,
    allow_origin: '*',
    api: false,
  },
}).run();
