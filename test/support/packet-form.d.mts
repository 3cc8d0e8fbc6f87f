export function packetForm(codec: string, extradata: Uint8Array | null): (data: Buffer) => Buffer;
