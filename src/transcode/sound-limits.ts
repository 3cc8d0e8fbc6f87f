/** Longest payload that a frame of sound can have; longer ones count as damaged. */
export const MAX_SOUND_BYTES = 65_536;
