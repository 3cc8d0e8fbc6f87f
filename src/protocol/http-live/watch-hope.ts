/** Looks after players that have got nothing yet: a format may have no place for any track of the stream. */
import type { PlayerSession } from '../../runtime/player-session.ts';
import type { TickWheel } from '../../util/tick-wheel.ts';

const LOOK_EVERY_MS = 500;

export function watchHope(tick: TickWheel, session: PlayerSession): void {
  if (session.checkHope()) tick.after(LOOK_EVERY_MS, () => watchHope(tick, session));
}
