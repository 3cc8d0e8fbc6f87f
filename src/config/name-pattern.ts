/** Names with `*` for any characters, as rules of policy.xml have them. */

export class NamePattern {
  readonly text: string;
  readonly isExact: boolean;
  /** How much of a name it fixes; of two patterns that fit, the one that fixes more wins. */
  readonly weight: number;
  private readonly parts: readonly string[];

  constructor(text: string) {
    this.text = text;
    this.parts = text.split('*');
    this.isExact = this.parts.length === 1;
    this.weight = text.length - (this.parts.length - 1) + (this.isExact ? EXACT_WEIGHT : 0);
  }

  matches(name: string): boolean {
    if (this.isExact) return name === this.text;
    const first = this.parts[0]!;
    const last = this.parts.at(-1)!;
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last))
      return false;
    // Leftmost places are always good enough for what stands between stars.
    let position = first.length;
    const end = name.length - last.length;
    for (let i = 1; i < this.parts.length - 1; i++) {
      const at = name.indexOf(this.parts[i]!, position);
      if (at < 0 || at + this.parts[i]!.length > end) return false;
      position = at + this.parts[i]!.length;
    }
    return true;
  }

  /** What each star stands for, the first ones as short as they can be; null when the name does not fit. */
  stars(name: string): string[] | null {
    if (!this.matches(name)) return null;
    const stars: string[] = [];
    const { parts } = this;
    let position = parts[0]!.length;
    for (let i = 1; i < parts.length; i++) {
      const part = parts[i]!;
      const at = i === parts.length - 1 ? name.length - part.length : name.indexOf(part, position);
      stars.push(name.slice(position, at));
      position = at + part.length;
    }
    return stars;
  }
}

/** More than any name is long. */
const EXACT_WEIGHT = 1000;
