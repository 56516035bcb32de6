import { Type, type Static } from 'typebox';
import { TemplateMeta } from './schema.ts';
import { clusterSpecFields } from './beskar7Cluster.ts';
import type { KubeObject } from './object.ts';

export const Beskar7ClusterTemplateSpec = Type.Object({
  template: Type.Object({
    metadata: Type.Optional(TemplateMeta),
    spec: Type.Object(clusterSpecFields),
  }),
});

export type Beskar7ClusterTemplate = KubeObject<Static<typeof Beskar7ClusterTemplateSpec>>;
