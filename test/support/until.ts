/** Waiting for something that another party does, with a time limit that says what was waited for. */

export async function until(what: string, test: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!test()) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** What an action is refused with; fails when it is not refused. */
export async function refusal(action: Promise<unknown>): Promise<string> {
  const outcome = await action.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (outcome === null) throw new Error('this was not refused');
  return outcome;
}
