import { isSpanContextValid, trace, TraceFlags, type SpanContext } from '@opentelemetry/api';
import type { WorkflowClientInterceptor, WorkflowStartInput } from '@temporalio/client';
import { workflowId } from '../../contracts/names.ts';

const MAX_KNOWN = 20_000;

/** Fields of a log line that name a trace; the names are those of OpenTelemetry. */
export interface TraceFields {
  readonly trace_id?: string;
  readonly span_id?: string;
}

/** The trace of a machine as its host's claim has it: finds those that another process started. */
export type TraceOfMachine = (namespace: string, machine: string) => string | undefined;

const NONE: TraceFields = {};

/** Which trace belongs to which run; the newest 20,000. */
export class TraceIds {
  readonly #byWorkflow = new Map<string, string>();
  #ofMachine: TraceOfMachine = () => undefined;

  /** For the client: notes the trace of each run that it starts. Stands behind the interceptor that makes the span. */
  readonly interceptor: WorkflowClientInterceptor = {
    start: (input, next) => this.#noted(input, next),
    startWithDetails: (input, next) => this.#noted(input, next),
  };

  /** Asked for machines whose run this process has not started. */
  set ofMachine(ask: TraceOfMachine) {
    this.#ofMachine = ask;
  }

  note(workflow: string, traceId: string): void {
    this.#byWorkflow.delete(workflow);
    this.#byWorkflow.set(workflow, traceId);
    if (this.#byWorkflow.size <= MAX_KNOWN) return;
    const [oldest] = this.#byWorkflow.keys();
    if (oldest !== undefined) this.#byWorkflow.delete(oldest);
  }

  /**
   * What a log line with these fields gets: the span it is written in, else the trace of the run or machine that it
   * names.
   */
  fieldsOf(fields: Readonly<Record<string, unknown>>): TraceFields {
    const active = trace.getActiveSpan()?.spanContext();
    if (isRecorded(active)) return { trace_id: active.traceId, span_id: active.spanId };
    const traceId = this.#traceOf(fields);
    return traceId === undefined ? NONE : { trace_id: traceId };
  }

  #traceOf(fields: Readonly<Record<string, unknown>>): string | undefined {
    const { workflow, workflowId: id, queue, key, namespace, machine, name } = fields;
    for (const text of [workflow, id]) if (typeof text === 'string') return this.#ofWorkflow(text);
    if (queue === 'machines' && typeof key === 'string') return this.#ofWorkflow(`provision/${key}`);
    const about = machine ?? name;
    if (typeof namespace !== 'string' || typeof about !== 'string') return undefined;
    return this.#ofWorkflow(workflowId('provision', { namespace, name: about }));
  }

  #ofWorkflow(id: string): string | undefined {
    const known = this.#byWorkflow.get(id);
    if (known !== undefined) return known;
    const [kind, namespace = '', name = ''] = id.split('/');
    return kind === 'provision' ? this.#ofMachine(namespace, name) : undefined;
  }

  async #noted<Result>(
    input: WorkflowStartInput,
    next: (input: WorkflowStartInput) => Promise<Result>,
  ): Promise<Result> {
    const active = trace.getActiveSpan()?.spanContext();
    const result = await next(input);
    if (isRecorded(active)) this.note(input.options.workflowId, active.traceId);
    return result;
  }
}

function isRecorded(context: SpanContext | undefined): context is SpanContext {
  return context !== undefined && isSpanContextValid(context) && (context.traceFlags & TraceFlags.SAMPLED) !== 0;
}
