import type { LabelSelector } from '../crds/beskar7Machine.ts';

/** Whether labels fit a label selector; no selector fits everything (as in the Kubernetes API). */
export function matchesSelector(
  selector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const has = labels ?? {};
  const wanted = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => has[key] === value);
  return wanted && (selector?.matchExpressions ?? []).every((expression) => matchesExpression(expression, has));
}

function matchesExpression(
  expression: NonNullable<LabelSelector['matchExpressions']>[number],
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[expression.key];
  const values = expression.values ?? [];
  switch (expression.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

/** A selector in the short form of kubectl, for messages. */
export function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map((expression) => {
    switch (expression.operator) {
      case 'In':
      case 'NotIn':
        return `${expression.key} ${expression.operator === 'In' ? 'in' : 'notin'} (${(expression.values ?? []).join(',')})`;
      case 'Exists':
        return expression.key;
      case 'DoesNotExist':
        return `!${expression.key}`;
    }
  });
  return [...labels, ...expressions].join(',') || 'any host';
}
