import { Agent, request } from 'undici';
import { architectureReport, NORMAL } from '../../simulator/hardware.ts';
import { NAMESPACE } from '../objects.ts';
import { pause } from '../waiting.ts';
import type { ArmedServer } from './armed.ts';

const CALL_MS = 15_000;

/** What one route did for all servers: seconds per answer, and how often each status came. */
export interface RouteLog {
  readonly seconds: number[];
  readonly statuses: Map<string, number>;
}

/**
 * Each server boots at a moment of its own inside the window: it fetches its script, then reports, once each, without a
 * repeat.
 */
export async function bootAll(
  servers: readonly ArmedServer[],
  urls: { readonly boot: string; readonly callback: string },
  window: { readonly ms: number; readonly signal: AbortSignal },
): Promise<{ script: RouteLog; report: RouteLog }> {
  const logs = { script: newLog(), report: newLog() };
  await Promise.all(
    servers.map(async (server, index) => {
      await pause((index / servers.length) * window.ms, window.signal);
      // A server of its own has a connection of its own.
      const agent = new Agent({ connections: 1 });
      try {
        await timed(logs.script, agent, `${urls.boot}/api/v1/boot/${NAMESPACE}/${server.name}/${server.nonce}`);
        await timed(logs.report, agent, `${urls.callback}/api/v1/inspection/${NAMESPACE}/${server.name}`, {
          token: server.token,
          body: reportOf(server),
        });
      } finally {
        await agent.close();
      }
    }),
  );
  return logs;
}

async function timed(
  log: RouteLog,
  dispatcher: Agent,
  url: string,
  post?: { readonly token: string; readonly body: string },
): Promise<void> {
  const startedMs = performance.now();
  let status: string;
  try {
    const answer = await request(url, {
      dispatcher,
      signal: AbortSignal.timeout(CALL_MS),
      ...(post === undefined
        ? {}
        : {
            method: 'POST' as const,
            body: post.body,
            headers: { authorization: `Bearer ${post.token}`, 'content-type': 'application/json' },
          }),
    });
    await answer.body.dump();
    status = String(answer.statusCode);
  } catch (error) {
    status = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
  }
  log.seconds.push((performance.now() - startedMs) / 1000);
  log.statuses.set(status, (log.statuses.get(status) ?? 0) + 1);
}

function reportOf({ name, mac }: ArmedServer): string {
  return JSON.stringify(
    architectureReport({ ...NORMAL, manufacturer: 'Bench', model: 'B1', serial: name.toUpperCase(), mac }),
  );
}

function newLog(): RouteLog {
  return { seconds: [], statuses: new Map() };
}
