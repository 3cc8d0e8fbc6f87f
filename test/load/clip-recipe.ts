/** What the two test clips show and at which rates. */
export type ClipName = 'lo' | 'hi';

export interface ClipRecipe {
  /** Source of the pictures as a filter description. */
  readonly video: string;
  readonly videoKbps: number;
  readonly audioKbps: number;
}

export const FRAME_RATE = 30;
export const AUDIO_SOURCE = 'sine=f=440:r=44100';

export const RECIPES: Readonly<Record<ClipName, ClipRecipe>> = {
  lo: { video: `testsrc2=s=640x360:r=${FRAME_RATE}`, videoKbps: 200, audioKbps: 48 },
  hi: { video: `testsrc2=s=1280x720:r=${FRAME_RATE},noise=alls=6:allf=t`, videoKbps: 1000, audioKbps: 128 },
};
