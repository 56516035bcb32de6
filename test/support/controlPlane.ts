import { readFileSync } from 'node:fs';
import { ROLES, type Role } from '../../workers/config.ts';

/** Environment variable with the name of the file in which the global set-up left the addresses. */
export const HANDOFF = 'BESKAR7_TEST_CONTROL_PLANE';

/** Beskar7 with every role in one process, as the API server knows it. */
export const SERVICE_ACCOUNT = 'system:serviceaccount:beskar7-system:beskar7';

/** The account of one role. */
export const accountOf = (role: Role): string => `${SERVICE_ACCOUNT}-${role}`;

/** All accounts that are shipped. */
export const ACCOUNTS: readonly string[] = [SERVICE_ACCOUNT, ...ROLES.map(accountOf)];

/** The control plane of the run, as tests see it. */
export interface TestControlPlane {
  readonly adminKubeconfig: string;
  /** Of the shipped ServiceAccount: Beskar7 runs with it, in tests too. */
  readonly serviceAccountKubeconfig: string;
  readonly temporalAddress: string;
  readonly kubectl: string;
  readonly temporalCli: string;
  readonly apiServerUrl: string;
  readonly dataFolder: string;
  /** Made once for all processes of the run. */
  readonly workflowBundle: string;
  /** Every request of Beskar7's accounts to the API server, one JSON event a line. */
  readonly auditLog: string;
}

/** The control plane that the global set-up started. */
export function testControlPlane(file = process.env[HANDOFF]): TestControlPlane {
  if (!file) throw new Error(`${HANDOFF} is not set: run the tests with npm run test:integration or test:e2e`);
  return JSON.parse(readFileSync(file, 'utf8')) as TestControlPlane;
}
