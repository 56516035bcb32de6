import { Type, type Static } from 'typebox';
import { TemplateMeta } from './schema.ts';
import { clusterSpecFields } from './beskar7Cluster.ts';
import type { KubeObject } from './object.ts';

/** `spec.template`, as the InfraClusterTemplate contract of Cluster API has it. */
export const Beskar7ClusterTemplateSpec = Type.Object({
  template: Type.Object({
    metadata: Type.Optional(TemplateMeta),
    spec: Type.Object(clusterSpecFields),
  }),
});

/** What a ClusterClass makes Beskar7Clusters from. */
export type Beskar7ClusterTemplate = KubeObject<Static<typeof Beskar7ClusterTemplateSpec>>;
