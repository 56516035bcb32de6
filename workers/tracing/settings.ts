/** What the standard environment variables of OpenTelemetry say about traces. */
export interface TraceSettings {
  /** Where they go, without userinfo and query: for messages. */
  readonly endpoint: string;
  /** Share of provisionings that are traced, 0 to 1. */
  readonly ratio: number;
  /** What is asked for and not there: a line for the operator each. */
  readonly warnings: readonly string[];
}

const SAMPLERS: Readonly<Record<string, (argument: number) => number>> = {
  always_on: () => 1,
  always_off: () => 0,
  traceidratio: (argument) => argument,
};

/**
 * Undefined: no traces. They are made when OTEL_EXPORTER_OTLP_ENDPOINT (or its form for traces alone) is set, unless
 * OTEL_SDK_DISABLED is `true` or OTEL_TRACES_EXPORTER is `none`.
 */
export function traceSettings(env: NodeJS.ProcessEnv): TraceSettings | undefined {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint || isTrue(env.OTEL_SDK_DISABLED) || env.OTEL_TRACES_EXPORTER === 'none') return undefined;
  const warnings: string[] = [];
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/json';
  if (!protocol.startsWith('http/'))
    warnings.push(`OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}, but traces go out as OTLP by HTTP (JSON) only`);
  const exporter = env.OTEL_TRACES_EXPORTER || 'otlp';
  if (exporter !== 'otlp') warnings.push(`OTEL_TRACES_EXPORTER is ${exporter}, but there is otlp and none only`);
  return { endpoint: shownUrl(endpoint), ratio: ratioOf(env, warnings), warnings };
}

/** The decision of a parent always counts, so that `parentbased_x` is the same as `x`. */
function ratioOf(env: NodeJS.ProcessEnv, warnings: string[]): number {
  const name = env.OTEL_TRACES_SAMPLER || 'always_on';
  const sampler = SAMPLERS[name.replace(/^parentbased_/, '')];
  if (sampler === undefined) {
    warnings.push(`OTEL_TRACES_SAMPLER is ${name}, which is not known: every provisioning is traced`);
    return 1;
  }
  const argument = Number(env.OTEL_TRACES_SAMPLER_ARG || '1');
  if (argument >= 0 && argument <= 1) return sampler(argument);
  warnings.push(`OTEL_TRACES_SAMPLER_ARG is ${env.OTEL_TRACES_SAMPLER_ARG}, no number from 0 to 1: 1 is taken`);
  return sampler(1);
}

function shownUrl(text: string): string {
  if (!URL.canParse(text)) return 'an address that is no URL';
  const { origin, pathname } = new URL(text);
  return origin + pathname;
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true';
}
