/** What the worker bundles: every workflow, by the name under which it is started. */
export { deprovisionMachine } from './deprovisionMachine.ts';
export { enrollHost } from './enrollHost.ts';
export { monitorHosts } from './monitorHosts.ts';
export { provisionMachine } from './provisionMachine.ts';
export { releaseHost } from './releaseHost.ts';
export { retireHost } from './retireHost.ts';
