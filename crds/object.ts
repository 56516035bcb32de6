/** Metadata of a Kubernetes object, as far as Beskar7 reads it. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
}

/** metav1.OwnerReference. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Metadata of an object that was read from the API server: a namespaced one has all of these. */
export interface ReadMeta extends ObjectMeta {
  namespace: string;
  uid: string;
  resourceVersion: string;
}

/** An object as it is sent to the API server for the first time: it has no uid and no version yet. */
export type New<T extends { metadata: ObjectMeta }> = Omit<T, 'metadata'> & { metadata: ObjectMeta };

/** An object as the API server gives it. */
export interface KubeObject<Spec = unknown, Status = unknown> {
  apiVersion?: string;
  kind?: string;
  metadata: ReadMeta;
  spec: Spec;
  status?: Status;
}
