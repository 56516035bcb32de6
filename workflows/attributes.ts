import { workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { SEARCH_ATTRIBUTES } from '../contracts/names.ts';

/** Search attribute `Beskar7Phase`: the phase of the machine. */
export const phaseKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.phase, SearchAttributeType.KEYWORD);
/** Search attribute `Beskar7Host`: the name of the host that the run works on. */
export const hostKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.host, SearchAttributeType.KEYWORD);
/** Search attribute `Beskar7Namespace`, set at the start: its presence shows that attributes are registered. */
const namespaceKey = defineSearchAttributeKey(SEARCH_ATTRIBUTES.namespace, SearchAttributeType.KEYWORD);

/**
 * An unregistered search attribute blocks a run for ever: they are used only where this run was started with them (rule
 * 18).
 */
export function hasAttributes(): boolean {
  return workflowInfo().typedSearchAttributes.get(namespaceKey) !== undefined;
}
