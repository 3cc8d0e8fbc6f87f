// Timers of the page, in the form in which PlaySession, PublishSession and connectPeer want them.

export const PAGE_TIMERS = {
  set: (run, ms) => setTimeout(run, ms),
  clear: (handle) => clearTimeout(handle),
};
