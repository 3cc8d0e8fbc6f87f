/** Lets a transport stream through, and says of anything else what it is. SRT itself carries whatever it is given. */
import { sniffContainer } from '../../packaging/media-ingest.ts';
import { RejectedError } from '../../util/errors.ts';

const OTHERS: Readonly<Record<string, string>> = { flv: 'FLV', mp4: 'MP4', '': 'something else' };

export class TsGate {
  private isOpen = false;
  private head: Buffer | null = null;

  /** What is to be read now, null while it is not known what comes. Throws RejectedError('unsupported'). Hot path. */
  pass(payload: Uint8Array): Uint8Array | null {
    if (this.isOpen) return payload;
    const head = this.head === null ? Buffer.from(payload) : Buffer.concat([this.head, payload]);
    const format = sniffContainer(head);
    this.head = head;
    if (format === null) return null;
    this.head = null;
    if (format !== 'ts')
      throw new RejectedError('unsupported', `SRT carries MPEG-TS here, and this is ${OTHERS[format]}`);
    this.isOpen = true;
    return head;
  }
}
