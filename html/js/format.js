// Numbers as a person reads them. A number that is not known is shown as nothing, never as zero.

/** Kilobits per second: "850 kbit/s", "2.4 Mbit/s", "" when nothing was measured. */
export function bitrate(kbps) {
  if (!Number.isFinite(kbps) || kbps <= 0) return '';
  if (kbps < 1000) return `${Math.round(kbps)} kbit/s`;
  if (kbps < 1e6) return `${oneDecimal(kbps / 1000)} Mbit/s`;
  return `${oneDecimal(kbps / 1e6)} Gbit/s`;
}

function oneDecimal(value) {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** Of a publisher, as people write it. */
export function protocolName(protocol) {
  return protocol === 'webrtc' ? 'WebRTC' : protocol.toUpperCase();
}

/** Seconds in the words of `t`, at most two units: "42 s", "5 min", "3 h 20 min", "4 d 2 h". */
export function duration(seconds, t) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return t('unit.second', { n: whole });
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return t('unit.minute', { n: minutes });
  if (hours < 24) return twoUnits(t('unit.hour', { n: hours }), minutes % 60, 'unit.minute', t);
  return twoUnits(t('unit.day', { n: Math.floor(hours / 24) }), hours % 24, 'unit.hour', t);
}

function twoUnits(large, rest, restUnit, t) {
  return rest === 0 ? large : `${large} ${t(restUnit, { n: rest })}`;
}

/** A frame rate without a tail of digits: 30, 29.97, '' when unknown. */
export function frameRate(fps) {
  if (!Number.isFinite(fps) || fps <= 0) return '';
  return `${Math.round(fps * 100) / 100} fps`;
}

/** '' when unknown. */
export function resolution(width, height) {
  return width > 0 && height > 0 ? `${width}×${height}` : '';
}

/** One line about a track: "H.264 1280×720 30 fps", or detailed "AAC LC · 44.1 kHz · 2 ch". */
export function trackFacts(track, detailed) {
  const facts = [track.label];
  if (detailed && track.profile) facts[0] += ` ${track.profile}`;
  if (detailed && track.level) facts[0] += ` ${track.level}`;
  if (track.kind === 'video') facts.push(resolution(track.width, track.height), frameRate(track.fps));
  if (track.kind === 'audio' && track.sample_rate > 0) facts.push(`${track.sample_rate / 1000} kHz`);
  if (detailed && track.channels > 0) facts.push(`${track.channels} ch`);
  if (track.language) facts.push(track.language);
  return facts.filter((fact) => fact !== '').join(detailed ? ' · ' : ' ');
}

/** The codecs of a stream in one line; '' when nothing is known yet. */
export function streamFacts(stream) {
  return stream.tracks
    .filter((track) => track.kind !== 'data')
    .sort((a, b) => Number(b.kind === 'video') - Number(a.kind === 'video'))
    .map((track) => trackFacts(track, false))
    .join(' · ');
}
