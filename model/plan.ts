import { JSON_BOUNDS, tryParseJson } from '../untrusted/json.ts';
import type { Beskar7Machine, Beskar7MachineSpec } from '../crds/beskar7Machine.ts';
import { canonicalJson, identityOf, isOf, specHash, type ObjectIdentity } from './handled.ts';
import { ANNOTATION_PLAN } from '../crds/names.ts';

/** What the annotation `beskar7.io/plan` holds: the spec that a run goes by, and whose it is. */
interface WrittenPlan {
  readonly of: ObjectIdentity;
  readonly spec: Beskar7MachineSpec;
}

/** The text of the annotation: the fields that a person writes (not providerID), always in the same order. */
export function planText(machine: Beskar7Machine, spec: Beskar7MachineSpec): string {
  const { providerID: _written, ...asked } = spec;
  return canonicalJson({ of: identityOf(machine), spec: asked } satisfies WrittenPlan);
}

/**
 * The spec that a run goes by, out of the annotation `beskar7.io/plan`: an edit during the run counts for the next one
 * (rule 9). Undefined when there is none that can be read, or when it came with a copied manifest (it is of a machine
 * of another name or namespace, see `handledOf`). It stands on the machine and not in the run, since URLs of images may
 * hold what no history may.
 */
export function plannedSpec(machine: Pick<Beskar7Machine, 'metadata'>): Beskar7MachineSpec | undefined {
  const text = machine.metadata.annotations?.[ANNOTATION_PLAN];
  if (text === undefined) return undefined;
  const { of, spec } = (tryParseJson(text, JSON_BOUNDS.annotation) ?? {}) as Partial<WrittenPlan>;
  return isOf(machine, of) && isSpec(spec) ? spec : undefined;
}

/** The API server does not check what stands in an annotation: what a run decides by has to have its type. */
function isSpec(value: unknown): value is Beskar7MachineSpec {
  if (typeof value !== 'object' || value === null) return false;
  const { targetOSImage, attempts = 1, hardwareRequirements = {} } = value as Record<string, unknown>;
  if (typeof targetOSImage !== 'string' || !Number.isSafeInteger(attempts)) return false;
  if (typeof hardwareRequirements !== 'object' || hardwareRequirements === null) return false;
  return Object.values(hardwareRequirements).every((least) => Number.isSafeInteger(least));
}

/**
 * The spec with this hash: what was planned, or what the user asks for now. The hash proves it, also of a machine out
 * of a cache.
 */
export function specWithHash(machine: Beskar7Machine, hash: string): Beskar7MachineSpec | undefined {
  return [plannedSpec(machine), machine.spec].find((spec) => spec !== undefined && specHash(spec) === hash);
}
