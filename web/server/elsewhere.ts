import { ANNOTATION_FORCE_RELEASE, ANNOTATION_RETRY } from '../../crds/names.ts';
import { workflowId } from '../../contracts/names.ts';
import type { CommandLine, ObjectName, WorkflowLink } from '../shared/api.ts';
import type { WebOptions } from './dependencies.ts';

type Places = Pick<WebOptions, 'kubectl' | 'temporalCli' | 'temporalNamespace' | 'temporalUiUrl'>;

/** The same in other tools: lines to copy for a host. */
export function hostLines({ kubectl }: Places, { namespace, name }: ObjectName): CommandLine[] {
  const on = `${kubectl} -n ${namespace}`;
  return [
    { what: 'Conditions and events', line: `${on} describe physicalhost ${name}` },
    { what: 'The report', line: `${on} get physicalhost ${name} -o jsonpath='{.status.inspectionReport}'` },
    { what: 'Earlier reports', line: `${on} get configmap ${name}.beskar7-reports -o yaml` },
    {
      what: 'Force release (only when the server is off)',
      line: `${on} annotate physicalhost ${name} ${ANNOTATION_FORCE_RELEASE}='why'`,
    },
  ];
}

/** Lines to copy for a machine. */
export function machineLines(places: Places, machine: ObjectName): CommandLine[] {
  const { namespace, name } = machine;
  const on = `${places.kubectl} -n ${namespace}`;
  const id = workflowId('provision', machine);
  const temporal = (words: string) => `${places.temporalCli} workflow ${words} -n ${places.temporalNamespace} -w ${id}`;
  return [
    { what: 'Conditions and events', line: `${on} describe beskar7machine ${name}` },
    { what: 'History of the run', line: temporal('show') },
    { what: 'Progress of the run', line: `${temporal('query')} --name progress` },
    { what: 'Retry', line: `${on} annotate beskar7machine ${name} ${ANNOTATION_RETRY}="$(date +%s)" --overwrite` },
    { what: 'Cancel', line: temporal('cancel') },
  ];
}

/** Links into Temporal's Web UI. */
export function workflowLinks(
  places: Places,
  kinds: readonly (readonly [Parameters<typeof workflowId>[0], string])[],
  object: ObjectName,
): WorkflowLink[] {
  const { temporalUiUrl, temporalNamespace } = places;
  return kinds.map(([kind, text]) => {
    const id = workflowId(kind, object);
    if (temporalUiUrl === undefined) return { text, workflowId: id };
    const page = `${temporalUiUrl}/namespaces/${encodeURIComponent(temporalNamespace)}/workflows`;
    return { text, workflowId: id, url: `${page}/${encodeURIComponent(id)}` };
  });
}
