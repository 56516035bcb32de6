/**
 * The small vendor-neutral Redfish client. It knows nothing of Kubernetes or Temporal: who may change a server is
 * decided by the fence that the caller hands in with each changing call.
 */
export { networkTarget, notOffered } from './bootPlaces.ts';
export { BmcNetworks, type BmcNetworksOptions } from './bmcNetworks.ts';
export { RedfishClient, type CallOptions } from './client.ts';
export type { RedfishConnectionOptions } from './connectionOptions.ts';
export { RedfishError, type RedfishErrorDetails, type RedfishErrorKind } from './error.ts';
export type { BeforeSend, Identify, MutateOptions, ServerShown } from './fence.ts';
export type { NetworkAddress, NetworkInventory } from './network.ts';
export type { ObservedRequest, ObserveRequest } from './observe.ts';
export { RedfishPool, type RedfishPoolOptions } from './pool.ts';
export type { PowerOptions, PowerRequest, WaitOptions } from './power.ts';
export type { PowerState, SystemInfo } from './system.ts';
