import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';

/** Pieces of the current details of a run: Markdown, which the Web UI shows. Its links stay within the Web UI. */

/** The current details of a run: what it does now, and below it a note that stays. */
export class CurrentDetails {
  #text = '';
  #note: string | undefined;

  show(text: string): void {
    this.#text = text;
    setCurrentDetails(paragraphs(text, this.#note));
  }

  note(note: string): void {
    this.#note = note;
    this.show(this.#text);
  }
}

/** A link to the newest run of a workflow id. */
export function runLink(workflowId: string): string {
  return `[${workflowId}](${workflowsPage()}/${encodeURIComponent(workflowId)})`;
}

/** A link to all runs that were about a host. */
export function hostLink({ namespace, host }: { readonly namespace: string; readonly host: string }): string {
  const query = `Beskar7Namespace="${namespace}" AND Beskar7Host="${host}"`;
  return `[${namespace}/${host}](${workflowsPage()}?query=${encodeURIComponent(query)})`;
}

/** A line of the temporal command line, for this Temporal namespace. */
export function temporalLine(command: string, workflowId: string): string {
  return `\`temporal workflow ${command} -n ${workflowInfo().namespace} -w ${workflowId}\``;
}

/** Parts that are there, as paragraphs. */
export function paragraphs(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join('\n\n');
}

function workflowsPage(): string {
  return `/namespaces/${encodeURIComponent(workflowInfo().namespace)}/workflows`;
}
