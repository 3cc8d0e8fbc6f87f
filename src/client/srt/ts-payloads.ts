/**
 * Bytes of the shared `ts` feed to the payloads of SRT: seven transport packets each, what fits into a packet of 1316
 * bytes. All players at one place of a feed get the same bytes, and so the same payloads.
 */
export const PAYLOAD_BYTES = 7 * 188;

export class TsPayloads {
  private bytes: Uint8Array | null = null;
  private parts: readonly Uint8Array[] = [];

  /** Views of `bytes`; the very same ones when called again for it. Hot path. */
  of(bytes: Uint8Array): readonly Uint8Array[] {
    if (bytes === this.bytes) return this.parts;
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += PAYLOAD_BYTES)
      parts.push(bytes.subarray(at, Math.min(at + PAYLOAD_BYTES, bytes.length)));
    this.bytes = bytes;
    this.parts = parts;
    return parts;
  }
}
