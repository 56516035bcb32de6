import type { InspectionReport } from '../../crds/inspectionReport.ts';
import { readArchitectureForm } from './architectureForm.ts';
import { Findings, show } from './findings.ts';
import { readFlatForm } from './flatForm.ts';
import { Reader, type Fields } from './reader.ts';

/** The report in the form in which it is stored, or the complete list of what is wrong with it. */
export type ParsedReport =
  | { readonly kind: 'report'; readonly report: InspectionReport }
  | { readonly kind: 'bad'; readonly problems: readonly string[] };

type Form = 'architecture' | 'flat';

const FORM_NAMES: Readonly<Record<Form, string>> = {
  architecture: 'version 1 (objects cpus, memory, system)',
  flat: 'version 4.2 (lists cpus, memory; flat manufacturer, model)',
};

/** Parses a report of either form (contract, "The report"), told apart by shape or `version`. Never throws. */
export function parseReport(value: unknown): ParsedReport {
  const findings = new Findings();
  const reader = new Reader(findings);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { kind: 'bad', problems: [`the report has to be an object, not ${show(value)}`] };
  }
  const fields = value as Fields;
  const form = formOf(fields);
  if (form.kind === 'bad') return { kind: 'bad', problems: [form.why] };
  const report = form.form === 'architecture' ? readArchitectureForm(fields, reader) : readFlatForm(fields, reader);
  const problems = findings.list();
  return problems.length > 0 ? { kind: 'bad', problems } : { kind: 'report', report };
}

function formOf(fields: Fields): { kind: 'form'; form: Form } | { kind: 'bad'; why: string } {
  const signs = signsOf(fields);
  const { version } = fields;
  const said = version === undefined || version === null ? undefined : formOfVersion(version);
  if (said === 'unknown') {
    return { kind: 'bad', why: `version: ${show(version)} is not known; known are 1 and 4.2` };
  }
  if (signs.architecture.length > 0 && signs.flat.length > 0) {
    const mixed = `${signs.architecture.join(', ')} as in ${FORM_NAMES.architecture}, ${signs.flat.join(', ')} as in ${FORM_NAMES.flat}`;
    return { kind: 'bad', why: `the report mixes two forms: ${mixed}` };
  }
  const seen = signs.architecture.length > 0 ? 'architecture' : signs.flat.length > 0 ? 'flat' : undefined;
  if (said !== undefined && seen !== undefined && said !== seen) {
    return {
      kind: 'bad',
      why: `version: ${show(version)} is said, but ${signs[seen].join(', ')} is as in ${FORM_NAMES[seen]}`,
    };
  }
  const form = said ?? seen;
  if (form !== undefined) return { kind: 'form', form };
  return {
    kind: 'bad',
    why: `the form of the report is unknown: it is neither ${FORM_NAMES.architecture} nor ${FORM_NAMES.flat}`,
  };
}

/** Keys whose shape only one of the forms has. */
function signsOf(fields: Fields): Record<Form, string[]> {
  const isObject = (key: string) =>
    typeof fields[key] === 'object' && fields[key] !== null && !Array.isArray(fields[key]);
  const isThere = (key: string) => fields[key] !== undefined && fields[key] !== null;
  const flatKeys = ['manufacturer', 'model', 'serialNumber', 'bootModeDetected', 'firmwareVersion'];
  return {
    architecture: ['cpus', 'memory', 'system'].filter(isObject),
    flat: [...['cpus', 'memory'].filter((key) => Array.isArray(fields[key])), ...flatKeys.filter(isThere)],
  };
}

function formOfVersion(version: unknown): Form | 'unknown' {
  const text = typeof version === 'number' ? String(version) : version;
  if (typeof text !== 'string' || text.length > 32) return 'unknown';
  if (/^v?1(\.\d+)*$/.test(text)) return 'architecture';
  if (/^v?4(\.\d+)*$/.test(text)) return 'flat';
  return 'unknown';
}
