import { Type, type Static } from 'typebox';
import { map, TemplateMeta, text } from './schema.ts';
import { machineSpecFields, machineSpecRules } from './beskar7Machine.ts';
import type { KubeObject } from './object.ts';

/** `spec.template`, as the InfraMachineTemplate contract of Cluster API has it. */
export const Beskar7MachineTemplateSpec = Type.Object({
  template: Type.Object({
    metadata: Type.Optional(TemplateMeta),
    spec: Type.Object(machineSpecFields, { 'x-kubernetes-validations': machineSpecRules }),
  }),
});

/** `capacity` by resource name (`cpu`, `memory`), as scaling from zero reads it. */
export const Beskar7MachineTemplateStatus = Type.Object({
  capacity: Type.Optional(
    map(text(64), 32, { description: 'What one machine of this template offers, for the cluster autoscaler.' }),
  ),
});

/** What Cluster API makes Beskar7Machines from. */
export type Beskar7MachineTemplate = KubeObject<
  Static<typeof Beskar7MachineTemplateSpec>,
  Static<typeof Beskar7MachineTemplateStatus>
>;
