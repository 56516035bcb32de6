import fc, { type Arbitrary } from 'fast-check';
import type { TSchema } from 'typebox';

/** Values that fit a schema of `api/contract/`: with bounds kept small, since it is about their kinds. */
export function valuesOf(schema: TSchema): Arbitrary<unknown> {
  const { anyOf, enum: words, const: constant, type } = schema as TSchema & Json;
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(valuesOf));
  if (words !== undefined) return fc.constantFrom(...words);
  if (constant !== undefined) return fc.constant(constant);
  switch (type) {
    case 'object':
      return objects(schema as TSchema & Json);
    case 'array': {
      const { items, minItems = 0, maxItems = 3 } = schema as TSchema & Json;
      return fc.array(valuesOf(items as TSchema), { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) });
    }
    case 'integer': {
      const { minimum = 0, maximum = 100 } = schema as TSchema & Json;
      return fc.oneof(
        fc.integer({ min: minimum, max: Math.min(maximum, 2 ** 31 - 1) }),
        fc.constantFrom(minimum, maximum),
      );
    }
    case 'boolean':
      return fc.boolean();
    default:
      return texts(schema as TSchema & Json);
  }
}

interface Json {
  readonly type?: string;
  readonly anyOf?: TSchema[];
  readonly enum?: unknown[];
  readonly const?: unknown;
  readonly items?: TSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Record<string, TSchema>;
  readonly required?: string[];
  readonly pattern?: string;
  readonly format?: string;
  readonly maxLength?: number;
}

function objects({ properties = {}, required = [] }: Json): Arbitrary<unknown> {
  const fields = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, valuesOf(value)]));
  return fc.record(fields, { requiredKeys: required }).map((value) => ({ ...value }));
}

function texts({ pattern, format, maxLength = 300 }: Json): Arbitrary<string> {
  if (format === 'date-time') {
    const range = { min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true };
    return fc.date(range).map((date) => date.toISOString());
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern)).filter((text) => text.length <= maxLength);
  return fc.oneof(fc.string({ unit: 'binary-ascii', maxLength: 20 }), fc.string({ minLength: maxLength, maxLength }));
}
