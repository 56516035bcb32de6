import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { Logger } from 'pino';

type Done = Parameters<SpanExporter['export']>[1];
/** `ExportResultCode.SUCCESS`. */
const SUCCESS = 0;

/** Tells the log when spans start to be lost and when they arrive again: one line each, however long it lasts. */
export class ToldDelivery implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #endpoint: string;
  readonly #logger: Pick<Logger, 'info' | 'warn'>;
  #lost = 0;

  constructor(exporter: SpanExporter, endpoint: string, logger: Pick<Logger, 'info' | 'warn'>) {
    this.#exporter = exporter;
    this.#endpoint = endpoint;
    this.#logger = logger;
  }

  export(spans: ReadableSpan[], done: Done): void {
    this.#exporter.export(spans, (result) => {
      if (result.code === SUCCESS) this.#arrived();
      else this.#failed(spans.length, result.error);
      done({ code: SUCCESS });
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #arrived(): void {
    if (this.#lost === 0) return;
    this.#logger.info({ endpoint: this.#endpoint, lostSpans: this.#lost }, 'traces are delivered again');
    this.#lost = 0;
  }

  #failed(count: number, error: Error | undefined): void {
    const isFirst = this.#lost === 0;
    this.#lost += count;
    if (!isFirst) return;
    this.#logger.warn(
      { endpoint: this.#endpoint, why: error?.message ?? 'no answer' },
      'traces cannot be delivered; dropping them until the collector answers',
    );
  }
}
