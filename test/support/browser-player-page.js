/**
 * Runs in the browser, for browser-player.ts: plays one address with one player and measures. `playAndReport` is the
 * only thing that is called from outside.
 */
const SAMPLE_MS = 50;
/** Standing still for this long is a stall. */
const STALL_MS = 300;
/** Moving further than the time that has passed by this much is a jump, seconds. */
const JUMP_SECONDS = 0.5;
const media = document.querySelector('video');
const errors = [];
const state = { latency: () => Number.NaN, wallClock: () => Number.NaN, tracks: () => [], stop: () => {} };

const fail = (text) => errors.push(String(text).slice(0, 300));
const secondsSince = (date) => (date ? (Date.now() - Number(date)) / 1000 : Number.NaN);

const PLAYERS = {
  'hls.js': ({ url, lowLatency, config }) => {
    // While its worker is starting, hls.js 1.7.4 forgets which parts of the first segment it has when a playlist comes
    // in between, and leaves a hole there: seen on busy machines.
    const player = new Hls({ lowLatencyMode: lowLatency, enableWorker: !lowLatency, ...config });
    player.on(Hls.Events.ERROR, (_, { fatal, type, details, error }) =>
      fail(`${fatal ? 'FATAL ' : ''}${type} ${details} ${error?.message ?? ''}`),
    );
    player.loadSource(url);
    player.attachMedia(media);
    state.latency = () => player.latency;
    state.wallClock = () => secondsSince(player.playingDate);
    state.tracks = () =>
      player.levels.map(({ videoCodec, audioCodec }) => `${videoCodec ?? ''} ${audioCodec ?? ''}`);
    state.stop = () => player.destroy();
  },
  'mpegts.js': ({ url, type, config }) => {
    const source = { type, isLive: true, url, ...(config.source ?? {}) };
    const player = mpegts.createPlayer(source, { enableWorker: false, lazyLoad: false, ...config });
    player.on(mpegts.Events.ERROR, (kind, detail, info) =>
      fail(`FATAL ${kind} ${detail} ${info?.msg ?? ''}`),
    );
    player.attachMediaElement(media);
    player.load();
    state.tracks = () => [`${player.mediaInfo?.videoCodec ?? ''} ${player.mediaInfo?.audioCodec ?? ''}`];
    state.stop = () => player.destroy();
  },
  'dash.js': ({ url, config }) => {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({ debug: { logLevel: 1 }, ...config });
    player.initialize(media, url, true);
    player.on('error', ({ error }) => fail(`FATAL ${error?.code ?? ''} ${error?.message ?? error}`));
    state.latency = () => player.getCurrentLiveLatency();
    state.wallClock = () => player.getCurrentLiveLatency();
    state.tracks = () =>
      ['video', 'audio'].flatMap((kind) => player.getTracksFor(kind).map(({ codec }) => codec));
    state.stop = () => player.destroy();
  },
  shaka: ({ url, lowLatency, config }) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.addEventListener('error', ({ detail }) => fail(`FATAL ${detail.code} ${detail.message}`));
    player.configure({ streaming: { lowLatencyMode: lowLatency }, ...config });
    player
      .attach(media)
      .then(() => player.load(url))
      .catch((error) => fail(`FATAL load ${error.code} ${error.message}`));
    state.latency = () => player.getStats().liveLatency;
    // Shaka 5.2.12 takes the time of a ProducerReferenceTime without the offset of its Period.
    state.wallClock = () =>
      url.includes('.mpd') ? Number.NaN : secondsSince(player.getPlayheadTimeAsDate());
    state.tracks = () =>
      player.getVariantTracks().map(({ videoCodec, audioCodec }) => `${videoCodec} ${audioCodec}`);
    state.stop = () => player.destroy();
  },
  native: ({ url }) => {
    media.src = url;
    state.wallClock = () => secondsSince(media.getStartDate?.()) - media.currentTime;
  },
  mse: ({ url }) => playBySourceBuffer(url),
};

/** fMP4 that comes without end, over HTTP or WebSocket, into one SourceBuffer. */
function playBySourceBuffer(url) {
  const source = new MediaSource();
  const waiting = [];
  const scanner = new BoxScanner();
  let buffer = null;
  let type = '';
  media.src = URL.createObjectURL(source);
  const pump = () => {
    if (buffer === null) {
      if (source.readyState !== 'open' || scanner.codecs.length === 0) return;
      type = `${scanner.hasVideo ? 'video' : 'audio'}/mp4; codecs="${scanner.codecs.join(', ')}"`;
      if (!MediaSource.isTypeSupported(type)) {
        fail(`FATAL ${type} cannot be played`);
        scanner.codecs = [];
        return;
      }
      buffer = source.addSourceBuffer(type);
      buffer.addEventListener('updateend', pump);
      buffer.addEventListener('error', () => fail('FATAL the bytes were refused'));
    }
    if (buffer.updating || source.readyState !== 'open') return;
    const { buffered, currentTime } = media;
    if (buffered.length > 0) {
      const end = buffered.end(buffered.length - 1);
      if (currentTime < buffered.start(0) || end - currentTime > 5)
        media.currentTime = Math.max(buffered.start(0), end - 1);
      if (currentTime - buffered.start(0) > 30) {
        buffer.remove(0, currentTime - 10);
        return;
      }
    }
    const bytes = waiting.shift();
    if (bytes !== undefined) buffer.appendBuffer(bytes);
  };
  source.addEventListener('sourceopen', pump);
  const take = (bytes) => {
    scanner.take(bytes);
    waiting.push(bytes);
    pump();
  };
  state.tracks = () => [type];
  state.wallClock = () => scanner.wallClockAt(media.currentTime);
  if (/^wss?:/.test(url)) {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => typeof data !== 'string' && take(new Uint8Array(data));
    socket.onerror = () => fail('FATAL the WebSocket failed');
    socket.onclose = ({ code, reason }) => fail(`the WebSocket was closed: ${code} ${reason}`);
    state.stop = () => socket.close();
    return;
  }
  const abort = new AbortController();
  state.stop = () => abort.abort();
  fetch(url, { signal: abort.signal })
    .then(async (response) => {
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const reader = response.body.getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) take(piece.value);
      fail('the stream ended');
    })
    .catch((error) => abort.signal.aborted || fail(`FATAL ${error.message}`));
}

/** Reads the boxes of a stream as they pass: what its tracks are, and the producer's clock. */
class BoxScanner {
  codecs = [];
  hasVideo = false;
  timescales = new Map();
  clock = null;
  pending = new Uint8Array(0);
  skip = 0;

  take(bytes) {
    let rest = bytes;
    if (this.skip > 0) {
      const skipped = Math.min(this.skip, rest.length);
      this.skip -= skipped;
      rest = rest.subarray(skipped);
    }
    const joined = new Uint8Array(this.pending.length + rest.length);
    joined.set(this.pending);
    joined.set(rest, this.pending.length);
    let at = 0;
    while (joined.length - at >= 8) {
      const view = new DataView(joined.buffer, at);
      const size = view.getUint32(0);
      const type = String.fromCharCode(...joined.subarray(at + 4, at + 8));
      const isWanted = type === 'moov' || type === 'prft';
      if (size < 8 || (isWanted && joined.length - at < size)) break;
      if (type === 'moov') this.movie(joined.slice(at, at + size));
      if (type === 'prft') this.producerTime(joined.slice(at, at + size));
      this.skip = Math.max(0, at + size - joined.length);
      at = Math.min(joined.length, at + size);
    }
    this.pending = joined.slice(at);
  }

  movie(bytes) {
    const text = String.fromCharCode(...bytes);
    const view = new DataView(bytes.buffer);
    this.codecs = [];
    for (const track of text.split('trak').slice(1)) {
      const start = text.indexOf(track);
      const header = start + track.indexOf('tkhd') + 4;
      const mediaHeader = start + track.indexOf('mdhd') + 4;
      const wide = (at) => (bytes[at] === 1 ? 8 : 0);
      this.timescales.set(
        view.getUint32(header + 12 + wide(header)),
        view.getUint32(mediaHeader + 12 + wide(mediaHeader)),
      );
      const config = (type) => bytes.subarray(start + track.indexOf(type) + 4);
      const hex = (byte) => byte.toString(16).padStart(2, '0');
      if (track.includes('vide')) this.hasVideo = true;
      if (track.includes('avcC'))
        this.codecs.push(`avc1.${[...config('avcC').subarray(1, 4)].map(hex).join('')}`);
      else if (track.includes('hvcC')) this.codecs.push('hvc1.1.6.L93.B0');
      else if (track.includes('av1C')) {
        const [, first, second] = config('av1C');
        const depth = (second & 0x40) === 0 ? '08' : '10';
        const level = String(first & 31).padStart(2, '0');
        this.codecs.push(`av01.${first >> 5}.${level}${second >> 7 ? 'H' : 'M'}.${depth}`);
      } else if (track.includes('vpcC')) {
        const [, , , , profile, level, depth] = config('vpcC');
        const two = (value) => String(value).padStart(2, '0');
        this.codecs.push(`vp09.${two(profile)}.${two(level)}.${two(depth >> 4)}`);
      } else if (track.includes('dOps')) this.codecs.push('opus');
      else if (track.includes('dfLa')) this.codecs.push('flac');
      else if (track.includes('dac3')) this.codecs.push('ac-3');
      else if (track.includes('dec3')) this.codecs.push('ec-3');
      else if (track.includes('esds')) this.codecs.push(audioCodec(config('esds')));
    }
  }

  producerTime(bytes) {
    const view = new DataView(bytes.buffer);
    const timescale = this.timescales.get(view.getUint32(12));
    const ms = (view.getUint32(16) - 2_208_988_800) * 1000 + (view.getUint32(20) / 2 ** 32) * 1000;
    const time = bytes[8] === 1 ? Number(view.getBigUint64(24)) : view.getUint32(24);
    if (timescale) this.clock = { ms, seconds: time / timescale };
  }

  wallClockAt(currentTime) {
    if (this.clock === null) return Number.NaN;
    return (Date.now() - this.clock.ms) / 1000 + this.clock.seconds - currentTime;
  }
}

function audioCodec(esds) {
  const at = esds.findIndex(
    (byte, i) => i > 4 && byte === 4 && [0x40, 0x6b, 0x69].includes(esds[i + 2 + lengthBytes(esds, i)]),
  );
  const object = esds[at + 2 + lengthBytes(esds, at)];
  if (object !== 0x40) return 'mp3';
  const specific = esds.findIndex((byte, i) => i > at + 13 && byte === 5);
  return `mp4a.40.${esds[specific + 2 + lengthBytes(esds, specific)] >> 3}`;
}

/** Bytes of a descriptor's length beside the last. */
function lengthBytes(bytes, at) {
  let count = 0;
  while (bytes[at + 1 + count] >= 0x80) count++;
  return count;
}

function median(values) {
  const known = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  return known.length === 0 ? null : known[known.length >> 1];
}

globalThis.canPlay = (type) => MediaSource.isTypeSupported(type);

/** Plays for `seconds` after the start, or gives up after `startLimitSeconds`. */
globalThis.playAndReport = async (request) => {
  const began = performance.now();
  media.addEventListener('error', () => fail(`FATAL media ${media.error?.code} ${media.error?.message}`));
  PLAYERS[request.player](request);
  const play = () =>
    media.play().catch((error) => error.name === 'AbortError' || fail(`play: ${error.message}`));
  // The others begin by themselves, or as soon as there is something to show.
  if (request.player !== 'dash.js' && request.player !== 'shaka') play();
  const seen = { startMs: -1, currentTimes: [], stalls: 0, longestStallMs: 0, jumps: 0 };
  const latencies = [];
  const wallClocks = [];
  let last = media.currentTime;
  let lastAt = began;
  /** When the run of samples began that all moved on; 0 = it stands. */
  let movesSince = 0;
  let movesFrom = 0;
  let stoodSince = 0;
  let isStall = false;
  for (let tick = 0; ; tick++) {
    await new Promise((done) => setTimeout(done, SAMPLE_MS));
    const now = performance.now();
    const { currentTime } = media;
    const moved = currentTime - last;
    const passed = (now - lastAt) / 1000;
    const isJump = moved < 0 || moved > passed * 1.5 + JUMP_SECONDS;
    if (media.paused && !media.ended && media.readyState >= 2) play();
    if (seen.startMs < 0) {
      if (moved === 0 || isJump || media.seeking) movesSince = 0;
      else if (movesSince === 0) {
        movesSince = lastAt;
        movesFrom = last;
      }
      // Players seek about before they begin: only what goes on moving has started.
      if (movesSince > 0 && now - movesSince >= STALL_MS) {
        seen.startMs = Math.round(movesSince - began);
        seen.startTime = movesFrom;
      }
    } else if (moved !== 0) {
      if (isJump) seen.jumps++;
      stoodSince = 0;
      isStall = false;
    } else {
      if (stoodSince === 0) stoodSince = lastAt;
      if (now - stoodSince >= STALL_MS) {
        if (!isStall) seen.stalls++;
        isStall = true;
        seen.longestStallMs = Math.max(seen.longestStallMs, Math.round(now - stoodSince));
      }
    }
    last = currentTime;
    lastAt = now;
    if (tick % 10 === 0 && seen.startMs >= 0) {
      seen.currentTimes.push(Math.round(currentTime * 1000) / 1000);
      latencies.push(state.latency());
      wallClocks.push(state.wallClock());
    }
    const started = seen.startMs >= 0;
    const elapsed = now - began;
    if (started && elapsed - seen.startMs >= request.seconds * 1000) break;
    if (!started && elapsed >= request.startLimitSeconds * 1000) break;
    if (!started && errors.some((error) => error.startsWith('FATAL')) && elapsed > 2000) break;
    if (media.ended) break;
  }
  const quality = media.getVideoPlaybackQuality();
  const ranges = Array.from({ length: media.buffered.length }, (_, i) => [
    media.buffered.start(i),
    media.buffered.end(i),
  ]);
  const report = {
    startMs: seen.startMs,
    playedSeconds: seen.startMs < 0 ? 0 : media.currentTime - seen.startTime,
    currentTimes: seen.currentTimes,
    stalls: seen.stalls,
    longestStallMs: seen.longestStallMs,
    jumps: seen.jumps,
    ended: media.ended,
    duration: Number.isFinite(media.duration) ? media.duration : -1,
    decodedFrames: quality.totalVideoFrames,
    droppedFrames: quality.droppedVideoFrames,
    audioBytes: media.webkitAudioDecodedByteCount ?? -1,
    videoWidth: media.videoWidth,
    videoHeight: media.videoHeight,
    latencySeconds: median(latencies),
    wallClockLatencySeconds: median(wallClocks),
    buffered: ranges,
    tracks: state.tracks(),
    errors,
  };
  state.stop();
  return report;
};
