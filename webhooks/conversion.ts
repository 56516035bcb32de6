import type { Beskar7Cluster } from '../crds/beskar7Cluster.ts';
import { VERSION_V1BETA2, type Beskar7ClusterV1beta2 } from '../crds/beskar7ClusterV1beta2.ts';
import { API_VERSION, GROUP } from '../crds/names.ts';

const API_VERSION_V1BETA2 = `${GROUP}/${VERSION_V1BETA2}`;

/** apiextensions.k8s.io/v1 ConversionReview, as far as it is read. */
interface Review {
  apiVersion: string;
  kind: string;
  request: { uid: string; desiredAPIVersion: string; objects: unknown[] };
}

type ReviewResponse =
  | { uid: string; result: { status: 'Success' }; convertedObjects: unknown[] }
  | { uid: string; result: { status: 'Failure'; message: string } };

/** An object that cannot be converted: what and why, for the client of the API server. */
class ConversionError extends Error {}

/**
 * Answers a ConversionReview of the API server; an object that cannot be converted makes the whole answer a failure
 * that names it. Throws for what is no review.
 */
export function answerReview(body: unknown): { apiVersion: string; kind: string; response: ReviewResponse } {
  if (!isReview(body)) throw new ConversionError('the body is no ConversionReview of apiextensions.k8s.io/v1');
  const { apiVersion, kind, request } = body;
  const { uid, desiredAPIVersion, objects } = request;
  try {
    const convertedObjects = objects.map((object) => convert(object, desiredAPIVersion));
    return { apiVersion, kind, response: { uid, result: { status: 'Success' }, convertedObjects } };
  } catch (error) {
    if (!(error instanceof ConversionError)) throw error;
    return { apiVersion, kind, response: { uid, result: { status: 'Failure', message: error.message } } };
  }
}

/** A Beskar7Cluster in another version. Nothing is lost in either direction, but the order of the list. */
export function convert(object: unknown, desired: string): unknown {
  const { kind, apiVersion } = object as { kind?: string; apiVersion?: string };
  if (kind !== 'Beskar7Cluster') throw new ConversionError(`beskar7: ${String(kind)} is not converted by this webhook`);
  if (apiVersion === desired) return object;
  if (apiVersion === API_VERSION && desired === API_VERSION_V1BETA2) return toV1beta2(object as Beskar7Cluster);
  if (apiVersion === API_VERSION_V1BETA2 && desired === API_VERSION) return toV1beta1(object as Beskar7ClusterV1beta2);
  throw new ConversionError(`beskar7: Beskar7Cluster is not converted from ${String(apiVersion)} to ${desired}`);
}

/** failureDomains: a map by name becomes a list, sorted by name. */
function toV1beta2(cluster: Beskar7Cluster): Beskar7ClusterV1beta2 {
  const { status, ...rest } = cluster;
  const moved = { ...rest, apiVersion: API_VERSION_V1BETA2 };
  if (status === undefined) return moved;
  const { failureDomains, ...others } = status;
  if (failureDomains === undefined) return { ...moved, status: others };
  const list = Object.entries(failureDomains)
    .map(([name, domain]) => ({ name, ...domain }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...moved, status: { ...others, failureDomains: list } };
}

function toV1beta1(cluster: Beskar7ClusterV1beta2): Beskar7Cluster {
  const { status, ...rest } = cluster;
  const moved = { ...rest, apiVersion: API_VERSION };
  if (status === undefined) return moved;
  const { failureDomains, ...others } = status;
  if (failureDomains === undefined) return { ...moved, status: others };
  const entries = failureDomains.map(({ name, ...domain }) => [name, domain] as const);
  return { ...moved, status: { ...others, failureDomains: Object.fromEntries(entries) } };
}

function isReview(body: unknown): body is Review {
  if (typeof body !== 'object' || body === null) return false;
  const { kind, apiVersion, request } = body as Partial<Review>;
  return (
    kind === 'ConversionReview' &&
    apiVersion === 'apiextensions.k8s.io/v1' &&
    typeof request?.uid === 'string' &&
    typeof request.desiredAPIVersion === 'string' &&
    Array.isArray(request.objects)
  );
}
