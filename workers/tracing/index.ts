import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResourcesSync, envDetectorSync, Resource } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { WorkerOptions } from '@temporalio/worker';
import type { Logger } from 'pino';
import { VERSION } from '../version.ts';
import { ToldDelivery } from './delivery.ts';
import { RunSampler } from './sampler.ts';
import type { TraceSettings } from './settings.ts';
import { SpanGate } from './spans.ts';
import { TraceIds } from './traceIds.ts';

/** How long the last spans may take to leave at the end of the process. */
const STOP_MS = 3_000;

/** Traces, running. This module and what it imports are loaded only when they are on. */
export interface Tracing {
  readonly ids: TraceIds;
  readonly clientInterceptors: WorkflowClientInterceptor[];
  /** For every worker; that of workflows also needs the bundle with the interceptors of workflows. */
  readonly worker: Pick<WorkerOptions, 'interceptors' | 'sinks'>;
  /** Sends what is left, for at most 3 s. Never throws. */
  stop(): Promise<void>;
}

/**
 * Starts to trace runs, to the OTLP/HTTP endpoint of the environment (OTEL_EXPORTER_OTLP_*: the exporter reads them;
 * OTEL_BSP_*: the bounds of the queue, 2048 spans, beyond which spans are dropped).
 */
export function startTracing(settings: TraceSettings, logger: Logger): Tracing {
  for (const warning of settings.warnings) logger.warn(warning);
  const resource = new Resource({ 'service.name': 'beskar7', 'service.version': VERSION }).merge(
    detectResourcesSync({ detectors: [envDetectorSync] }),
  );
  const exporter = new ToldDelivery(new OTLPTraceExporter(), settings.endpoint, logger);
  const processor = new SpanGate(new BatchSpanProcessor(exporter));
  const provider = new NodeTracerProvider({
    resource,
    sampler: new RunSampler(settings.ratio),
    spanProcessors: [processor],
  });
  provider.register();
  const ids = new TraceIds();
  logger.info({ endpoint: settings.endpoint, ratio: settings.ratio }, 'tracing on');
  return {
    ids,
    clientInterceptors: [new OpenTelemetryWorkflowClientInterceptor(), ids.interceptor],
    worker: {
      interceptors: {
        activity: [
          (context) => ({
            inbound: new OpenTelemetryActivityInboundInterceptor(context),
            outbound: new OpenTelemetryActivityOutboundInterceptor(context),
          }),
        ],
      },
      sinks: { exporter: makeWorkflowExporter(processor, resource) },
    },
    stop: () => withinLimit(provider.shutdown()),
  };
}

async function withinLimit(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_MS)));
  await Promise.race([work.catch(() => undefined), limit]);
  clearTimeout(timer);
}
