import { isSpanContextValid, trace, TraceFlags, type Context } from '@opentelemetry/api';
import {
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type Sampler,
  type SamplingResult,
} from '@opentelemetry/sdk-trace-node';
import { WORKFLOW_TYPES } from '../../contracts/names.ts';

/**
 * Spans that start a trace: the start of a run about one machine or host. Looks and signals on their own are no story.
 */
const BEGINNINGS: ReadonlySet<string> = new Set(
  Object.values(WORKFLOW_TYPES)
    .filter((type) => type !== WORKFLOW_TYPES.monitor)
    .map((type) => `StartWorkflow:${type}`),
);

/** Whether a span may stand at the head of a trace. */
export function beginsTrace(name: string): boolean {
  return BEGINNINGS.has(name);
}

/** The watch over a shard continues for ever: it is in no trace. */
export function isMonitoring(name: string): boolean {
  return name.endsWith(':monitorShard') || name.endsWith(':monitorHosts');
}

/** Follows the parent; of the beginnings it takes the share that is asked for, and nothing else starts a trace. */
export class RunSampler implements Sampler {
  readonly #ratio: TraceIdRatioBasedSampler;

  constructor(ratio: number) {
    this.#ratio = new TraceIdRatioBasedSampler(ratio);
  }

  shouldSample(context: Context, traceId: string, name: string): SamplingResult {
    if (isMonitoring(name)) return { decision: SamplingDecision.NOT_RECORD };
    const parent = trace.getSpanContext(context);
    if (parent !== undefined && isSpanContextValid(parent)) {
      const isSampled = (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
      return { decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
    }
    return beginsTrace(name) ? this.#ratio.shouldSample(context, traceId) : { decision: SamplingDecision.NOT_RECORD };
  }

  toString(): string {
    return `RunSampler{${this.#ratio.toString()}}`;
  }
}
