/** Channels of the policy: started with the server, kept in step with it at every reload. */
import { streamKeyOf } from '../../media/stream-key.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { Channel } from './channel.ts';
import type { ChannelRule } from './channel-config.ts';

export const channelModule: ServerModule = { name: 'channel', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const running = new Map<string, Channel>();
  const apply = (rules: readonly ChannelRule[]) => {
    for (const [stream, channel] of running) {
      if (rules.some((rule) => rule.stream === stream && isSame(rule, channel.rule))) continue;
      channel.stop();
      running.delete(stream);
    }
    for (const rule of rules) {
      if (running.has(rule.stream)) continue;
      const channel = open(context, rule);
      if (channel === null) continue;
      running.set(rule.stream, channel);
      channel.start();
    }
  };
  apply(context.configuration().channels);
  return {
    reload: () => {
      apply(context.configuration().channels);
      return [];
    },
    stop: async () => apply([]),
  };
}

/** Null when no stream can have this name. */
function open(context: ModuleContext, rule: ChannelRule): Channel | null {
  try {
    return new Channel(context, streamKeyOf(rule.stream), rule);
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    context.log.error('channel.refused', { cause: error.message, where: rule.where });
    return null;
  }
}

function isSame(a: ChannelRule, b: ChannelRule): boolean {
  return a.file === b.file && a.loop === b.loop && a.onDemand === b.onDemand;
}
