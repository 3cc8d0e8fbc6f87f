/** What a person sees first: where to publish, where to watch, on addresses that others can type. */
import { lanAddresses } from '../runtime/endpoints.ts';
import type { ModuleContext } from '../runtime/module.ts';

const EXAMPLE_STREAM = 'stream';
const MAX_HOSTS = 3;

export function banner(context: ModuleContext, language: 'en' | 'zh'): string {
  const t = TEXTS[language];
  const { endpoints, http, version } = context;
  const hosts = shownHosts(context);
  const lines = ['', `  Sluice ${version}`, ''];
  const list = endpoints.all();
  lines.push(`  ${t.publish}`);
  for (const host of hosts) {
    for (const endpoint of list.filter((one) => one.direction !== 'play')) {
      lines.push(
        `    ${endpoint.type.padEnd(9)} ${endpoints.base(endpoint, host)}${endpoint.path ?? `${endpoint.prefix ?? '/'}live/${EXAMPLE_STREAM}${endpoint.suffix}`}`,
      );
      if (endpoint.publicAddress !== '') break;
    }
  }
  lines.push('', `  ${t.watch}`);
  for (const { type, url } of endpoints.playUrls(hosts[0]!, 'live', EXAMPLE_STREAM))
    lines.push(`    ${type.padEnd(9)} ${url}`);
  lines.push('', `  ${t.pages}`);
  const pageHosts = ['localhost', ...hosts.filter((host) => host !== 'localhost')];
  if (http.port >= 0) for (const host of pageHosts) lines.push(`    http://${bracketed(host)}:${http.port}/`);
  else if (http.tlsPort >= 0)
    for (const host of pageHosts) lines.push(`    https://${bracketed(host)}:${http.tlsPort}/`);
  const { demo } = context.configuration().server;
  if (demo.enable) lines.push('', `  ${t.demo} ${demo.name}`);
  lines.push('');
  return lines.join('\n');
}

/** Where others reach us: the addresses that we listen on, else those of this machine. */
function shownHosts(context: ModuleContext): string[] {
  const { rtmp, http } = context.configuration().server;
  const bound = [...new Set([...rtmp.ip, ...http.ip])].filter((ip) => ip !== '0.0.0.0' && ip !== '::');
  const hosts = (bound.length > 0 ? bound : lanAddresses()).slice(0, MAX_HOSTS);
  return hosts.length > 0 ? hosts : ['localhost'];
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

const TEXTS = {
  en: {
    publish: 'Publish to (any stream name; OBS: server up to /live, the name is the stream key)',
    watch: 'Watch at',
    pages: 'Pages',
    demo: 'Test channel, always there:',
  },
  zh: {
    publish: '推流地址（流名任意；OBS：服务器填到 /live，流名填在串流密钥）',
    watch: '播放地址',
    pages: '网页',
    demo: '内置测试频道：',
  },
} as const;

/** Chinese where the system's language is Chinese. */
export function consoleLanguage(): 'en' | 'zh' {
  const locale =
    process.env['LC_ALL'] ??
    process.env['LC_MESSAGES'] ??
    process.env['LANG'] ??
    Intl.DateTimeFormat().resolvedOptions().locale;
  return /^zh/i.test(locale) ? 'zh' : 'en';
}
