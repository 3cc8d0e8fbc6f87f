/** What publishers have in common whose port says which stream they are: nothing else tells anything of them. */
import { splitStreamText } from '../../media/stream-key.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import type { PublisherOrigin, PublisherSession } from '../../runtime/publisher-session.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';

type PortOrigin = Omit<PublisherOrigin, 'protocol' | 'remote' | 'format'>;

/** `stream` is `app/name`; `url` is where it listens, for lists. */
export function originOfPort(stream: string, url: string): PortOrigin {
  const { app, name } = splitStreamText(stream);
  return {
    host: '',
    app,
    stream: name,
    query: '',
    url,
    pageUrl: '',
    userAgent: '',
  };
}

/** Asks for admission and takes the name. False when the session is over, because it was refused or meanwhile. */
export async function startPublisher(context: ModuleContext, session: PublisherSession): Promise<boolean> {
  try {
    const key = await session.admit();
    if (session.ended) return false;
    session.begin(key);
    return true;
  } catch (error) {
    const isRefusal = error instanceof RejectedError || error instanceof ProtocolError;
    if (!isRefusal) context.onFault(error);
    const cause = (error as Error).message;
    context.log.counted('mpegts.refused', { remote: session.remote, where: session.url, cause });
    session.end({ kind: 'fault', reason: cause });
    return false;
  }
}
