export { macOf, type Bmc } from './bmc.ts';
export type { Faults } from './faults.ts';
export { startFleet, type Fleet, type Summary } from './fleet.ts';
export { listenControl } from './control.ts';
export type { FleetOptions } from './options.ts';
