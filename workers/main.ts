import { HelpPrinted, parseConfig, UsageError, type Config } from './config.ts';
import { ListenError as CallbackListenError, TlsError } from '../api/index.ts';
import { ListenError } from './health.ts';
import { Beskar7 } from './process.ts';
import { WebhookListenError } from '../webhooks/index.ts';
import { SHUTDOWN_MS } from '../model/deadlines.ts';

async function main(): Promise<void> {
  let config: Config;
  try {
    config = parseConfig(process.argv.slice(2));
  } catch (error) {
    if (error instanceof HelpPrinted) return;
    if (error instanceof UsageError) return exit(2, error.message);
    throw error;
  }
  let beskar7: Beskar7;
  try {
    beskar7 = new Beskar7(config);
    await beskar7.listen();
  } catch (error) {
    if (isPlain(error)) return exit(2, error.message);
    throw error;
  }
  const stop = (signal: string) => {
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    void beskar7.stop(signal).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  void beskar7.refused.then(async ({ message }) => {
    setTimeout(() => exit(2, message), SHUTDOWN_MS).unref();
    await beskar7.stop('refused').catch(() => undefined);
    exit(2, message);
  });
  try {
    await beskar7.run();
  } catch (error) {
    // What it waited for was given up: its parts still end in order, and then the process does.
    if (beskar7.isStopping) return;
    if (isPlain(error)) return exit(2, error.message);
    beskar7.logger.fatal({ err: error }, 'fatal error');
    process.exit(1);
  }
}

/** What the user can fix: one line, no stack. */
function isPlain(error: unknown): error is Error {
  return [UsageError, ListenError, CallbackListenError, TlsError, WebhookListenError].some(
    (kind) => error instanceof kind,
  );
}

function exit(code: number, message: string): void {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

await main();
