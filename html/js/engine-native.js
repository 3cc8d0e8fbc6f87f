// What the browser plays by itself: files, and sound that comes without end (AAC, MP3).

const NOT_FOUND = 404;

export async function openNative(video, choice, events, signal) {
  video.addEventListener('error', () => fail(video, choice, events), { signal });
  video.src = choice.url;
  return {
    timeline: () => {
      const { duration, currentTime } = video;
      if (choice.way !== 'file' || !Number.isFinite(duration)) return null;
      return { start: 0, end: duration, position: currentTime, live: false };
    },
    seek: (seconds) => {
      video.currentTime = seconds;
    },
    close: () => undefined,
  };
}

// The element does not say whether the file is missing or cannot be decoded; the server does.
async function fail(video, choice, events) {
  const code = video.error?.code;
  if (choice.way !== 'file' || code !== MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) {
    events.failed({});
    return;
  }
  const status = await fetch(choice.url, { method: 'HEAD' }).then(
    (response) => response.status,
    () => 0,
  );
  if (status === NOT_FOUND || status === 0) events.failed({ status });
  else events.failed({ impossible: true, reason: 'why.unplayable' });
}
