/** Names that users and other programs see: they are a contract and never change within v1beta1. */

/** API group of all kinds: the one that Cluster API has for infrastructure providers. */
export const GROUP = 'infrastructure.cluster.x-k8s.io';
/** The version that is stored, for good. */
export const VERSION = 'v1beta1';
/** `apiVersion` of our objects. */
export const API_VERSION = `${GROUP}/${VERSION}`;

/**
 * On a claimed host: the uid of the machine that claimed it. Release and adoption find claims by it, in a live list.
 */
export const LABEL_CONSUMER_UID = 'beskar7.io/consumer-uid';
/** On a boot Secret: the claim that its token belongs to. */
export const LABEL_CLAIM = 'beskar7.io/claim-id';
/** On a host: its failure domain (well-known label of Kubernetes). */
export const LABEL_ZONE = 'topology.kubernetes.io/zone';
/** The region of a host, for the meta-data of its machine's OS. */
export const LABEL_REGION = 'topology.kubernetes.io/region';
/** On machines and clusters of Cluster API: the name of the Cluster. */
export const LABEL_CLUSTER_NAME = 'cluster.x-k8s.io/cluster-name';
/** With `--watch-filter`: whose objects these are. */
export const LABEL_WATCH_FILTER = 'cluster.x-k8s.io/watch-filter';
/**
 * clusterctl move takes an object with it along, whoever owns it; on a CustomResourceDefinition: all objects of the
 * kind.
 */
export const LABEL_MOVE = 'clusterctl.cluster.x-k8s.io/move';
/** On a machine of the control plane, with any value. */
export const LABEL_CONTROL_PLANE = 'cluster.x-k8s.io/control-plane';

/** On a host: the claim, see `claim.ts`. Metadata, because it has to survive a lost status. */
export const ANNOTATION_CLAIM = 'beskar7.io/claim';
/** On a host: until when something may still arrive at its BMC (RFC 3339), see `callsUntil.ts`. */
export const ANNOTATION_CALLS_UNTIL = 'beskar7.io/calls-until';
/**
 * On a host: which server it stands for, see `serverIdentity.ts`. Metadata, because a lost status must not end the
 * comparison.
 */
export const ANNOTATION_SERVER = 'beskar7.io/server';
/**
 * On a host: set by a person, the UUID or serial number of the server that answers now and is to be taken for the
 * host's.
 */
export const ANNOTATION_ACCEPT_SERVER = 'beskar7.io/accept-server';
/** On a machine: what the last finished run was about, see `handled.ts`. */
export const ANNOTATION_HANDLED = 'beskar7.io/handled';
/**
 * On a machine: what its run provisions, whatever becomes of the spec meanwhile, see `plan.ts`. From before the claim
 * until the outcome.
 */
export const ANNOTATION_PLAN = 'beskar7.io/plan';
/** On a machine: set by a person, any new value asks for a new run. */
export const ANNOTATION_RETRY = 'beskar7.io/retry';
/** On a host: set by a person, its value is the reason; ends a release that cannot reach the BMC. */
export const ANNOTATION_FORCE_RELEASE = 'beskar7.io/force-release';
/** On a host: set by a person; the host is not claimed while it is there. */
export const ANNOTATION_UNSCHEDULABLE = 'beskar7.io/unschedulable';
/**
 * By which people ask for something. Every other annotation under `beskar7.io/` is written by Beskar7 alone: it decides
 * about servers (deploy/manifests/claims.yaml).
 */
export const REQUEST_ANNOTATIONS: readonly string[] = [
  ANNOTATION_RETRY,
  ANNOTATION_FORCE_RELEASE,
  ANNOTATION_UNSCHEDULABLE,
  ANNOTATION_ACCEPT_SERVER,
];
/** Cluster API's: nothing new is begun for an object that has it, whatever its value (rule 16). */
export const ANNOTATION_PAUSED = 'cluster.x-k8s.io/paused';
/** Cluster API's: on a Beskar7Cluster that another controller writes; we write nothing to it. */
export const ANNOTATION_MANAGED_BY = 'cluster.x-k8s.io/managed-by';
/** clusterctl move waits while it is there. */
export const ANNOTATION_BLOCK_MOVE = 'clusterctl.cluster.x-k8s.io/block-move';
/** clusterctl move is about to delete the source object: it gets no BMC call and no workflow. */
export const ANNOTATION_DELETE_FOR_MOVE = 'clusterctl.cluster.x-k8s.io/delete-for-move';

/** Keeps a deleted machine until its hosts are released. */
export const FINALIZER_MACHINE = 'beskar7.io/machine';
/** Keeps a deleted host until power-off of its server is confirmed, or it is let go without that. */
export const FINALIZER_HOST = 'beskar7.io/host';
/** Keeps a Secret that a host connects to its BMC with (rule 17). */
export const FINALIZER_SECRET = 'beskar7.io/in-use';
