/**
 * Wall clock time in sender reports: NTP timestamps of 32.32 bits since 1900 (RFC 5905 section 6, RFC 3550 section 4).
 * Seconds wrap in 2036, so a time is only known near another one.
 */
import { serialDifference } from '../../util/serial-number.ts';

const SECONDS_1900_TO_1970 = 2_208_988_800;
const MODULUS_US = 0x1_0000_0000 * 1_000_000;

/** Microseconds since 1970 to the whole seconds of an NTP timestamp. */
export function ntpSeconds(wallUs: number): number {
  return (Math.floor(wallUs / 1_000_000) + SECONDS_1900_TO_1970) % 0x1_0000_0000;
}

/** Microseconds since 1970 to the fraction of an NTP timestamp, in 2^-32 s. */
export function ntpFraction(wallUs: number): number {
  const us = wallUs - Math.floor(wallUs / 1_000_000) * 1_000_000;
  return Math.floor((us * 0x1_0000_0000) / 1_000_000);
}

/** Microseconds since 1900, or since 2036: below 2^32 s. */
export function ntpToUs(seconds: number, fraction: number): number {
  return seconds * 1_000_000 + Math.round((fraction * 1_000_000) / 0x1_0000_0000);
}

/** How far one result of `ntpToUs` is ahead of another, microseconds. */
export function ntpDifferenceUs(later: number, earlier: number): number {
  return serialDifference(later, earlier, MODULUS_US);
}

/** A result of `ntpToUs` as microseconds since 1970, the one that is nearest to `nearWallUs`. */
export function wallUsOfNtp(ntpUs: number, nearWallUs: number): number {
  const near = ntpSeconds(nearWallUs) * 1_000_000 + (nearWallUs % 1_000_000);
  return nearWallUs + ntpDifferenceUs(ntpUs, near);
}
