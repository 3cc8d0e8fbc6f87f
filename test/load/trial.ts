/**
 * A trial is a case of the benchmark that measures the product in its own way and with its own table: ways to watch by
 * lists of segments, and recording. Cases of `cases.ts` compare servers by one table instead.
 */

export interface TrialGoal {
  readonly text: string;
  readonly value: number;
  readonly limit: number;
}

export interface TrialResult {
  readonly name: string;
  readonly title: string;
  /** The first row names the columns. */
  readonly rows: readonly (readonly string[])[];
  readonly goals: readonly TrialGoal[];
  /** What makes the figures doubtful, and what else happened. */
  readonly notes: readonly string[];
}

export interface TrialOptions {
  /** Of one measurement. */
  readonly windowMs: number;
  readonly isQuick: boolean;
  /** Connections or publishers instead of the trial's own number. */
  readonly count: number | undefined;
  readonly executable: string | undefined;
}

export interface Trial {
  readonly name: string;
  readonly title: string;
  /** Why it cannot run here; '' when it can. */
  missing(): string;
  run(options: TrialOptions): Promise<Pick<TrialResult, 'rows' | 'goals' | 'notes'>>;
}
