// What a connection measures, out of the browser's reports: rates over the last seconds, in place of sums since the
// beginning. Pure; a number that is not known is null.

/** Reports that are kept, one a second. */
const KEPT = 6;

export class LinkStatistics {
  #samples = [];

  /**
   * Takes one report (the values of an RTCStatsReport) and gives what is known now: what `readReport` finds in it, and
   * `{ kbps, lossPercent, delayMs }` of the last seconds; `delayMs` is what waits in this browser before it is shown.
   */
  add(entries) {
    const sample = readReport(entries);
    this.#samples.push(sample);
    if (this.#samples.length > KEPT) this.#samples.shift();
    const first = this.#samples[0];
    const since = (key) => difference(sample[key], first[key]);
    const seconds = (sample.timestamp - first.timestamp) / 1000;
    const lost = since('lost');
    const passed = since('packets');
    const measured = sample.fractionLost ?? share(lost, passed);
    return {
      ...sample,
      kbps: seconds > 0 ? (since('bytes') * 8) / 1000 / seconds : null,
      lossPercent: measured === null ? null : measured * 100,
      // Picture and sound are shown together, so the later one tells.
      delayMs: later(
        average(since('pictureS'), since('pictures')),
        average(since('soundS'), since('sounds')),
      ),
    };
  }
}

function readReport(entries) {
  const all = [...entries];
  const byId = new Map(all.map((entry) => [entry.id, entry]));
  const streams = all.filter(({ type }) => type === 'outbound-rtp' || type === 'inbound-rtp');
  const answers = all.filter(({ type }) => type === 'remote-inbound-rtp');
  const video = streams.find(({ kind }) => kind === 'video');
  const audio = streams.find(({ kind }) => kind === 'audio');
  const transport = all.find(({ type }) => type === 'transport');
  const pair =
    byId.get(transport?.selectedCandidatePairId) ??
    all.find((entry) => entry.type === 'candidate-pair' && entry.nominated && entry.state === 'succeeded');
  const isSender = streams.some(({ type }) => type === 'outbound-rtp');
  const codecOf = (stream) => byId.get(stream?.codecId)?.mimeType?.toLowerCase() ?? '';
  const answered = answers.map(({ roundTripTime }) => roundTripTime).filter(Number.isFinite);
  const losses = answers.map(({ fractionLost }) => fractionLost).filter(Number.isFinite);
  return {
    timestamp: Math.max(0, ...streams.map(({ timestamp }) => timestamp)),
    bytes: sum(streams, ({ bytesSent, bytesReceived }) => bytesSent ?? bytesReceived),
    packets: sum(streams, ({ packetsSent, packetsReceived }) => packetsSent ?? packetsReceived),
    lost: sum(isSender ? answers : streams, ({ packetsLost }) => packetsLost),
    // The server says what share of the last packets it missed; a receiver counts by itself.
    fractionLost: isSender ? (losses.length === 0 ? null : Math.max(...losses)) : null,
    rttMs: milliseconds(pair?.currentRoundTripTime ?? answered[0]),
    // From the first packet of a picture to the decoded picture, where the browser tells; else without decoding.
    pictureS: video?.totalProcessingDelay ?? video?.jitterBufferDelay ?? 0,
    pictures:
      (video?.totalProcessingDelay === undefined ? video?.jitterBufferEmittedCount : video.framesDecoded) ??
      0,
    soundS: audio?.jitterBufferDelay ?? 0,
    sounds: audio?.jitterBufferEmittedCount ?? 0,
    frames: video?.framesDecoded ?? video?.framesEncoded ?? 0,
    nacks: sum(streams, ({ nackCount }) => nackCount),
    plis: sum(streams, ({ pliCount, firCount }) => (pliCount ?? 0) + (firCount ?? 0)),
    fps: video?.framesPerSecond ?? null,
    width: video?.frameWidth ?? 0,
    height: video?.frameHeight ?? 0,
    videoCodec: codecOf(video),
    audioCodec: codecOf(audio),
    limitedBy: video?.qualityLimitationReason ?? 'none',
    roomKbps: Number.isFinite(pair?.availableOutgoingBitrate) ? pair.availableOutgoingBitrate / 1000 : null,
    overTcp: byId.get(pair?.localCandidateId)?.protocol === 'tcp',
  };
}

function sum(list, read) {
  return list.reduce((total, one) => total + (read(one) ?? 0), 0);
}

function difference(now, before) {
  return Math.max(0, now - before);
}

function share(lost, passed) {
  return lost + passed === 0 ? null : lost / (lost + passed);
}

function average(total, count) {
  return count === 0 ? null : (total / count) * 1000;
}

function later(one, other) {
  return one === null ? other : Math.max(one, other ?? 0);
}

function milliseconds(seconds) {
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** Without the sign: "0", "0.4", "12"; what is there is never shown as nothing. */
export function percent(value) {
  return value === 0 || value >= 9.95 ? String(Math.round(value)) : Math.max(0.1, value).toFixed(1);
}
