// One Jest project per kind of test. The names are those of `npm run test:<name>`.
// ES modules among the dependencies: Jest's CommonJS runtime has to transform them.
const esm = [
  '@kubernetes/client-node',
  'openid-client',
  'oauth4webapi',
  'jose',
  'jsonpath-plus',
  'js-yaml',
  'socks-proxy-agent',
  'agent-base',
  'typebox',
  'commander',
];

const project = (name, extra = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  testEnvironment: 'node',
  transform: { '^.+\\.(t|j|mj)s$': '@swc/jest' },
  transformIgnorePatterns: [`/node_modules/(?!(${esm.join('|')})/)`],
  extensionsToTreatAsEsm: [],
  ...extra,
});

export default {
  testSequencer: '<rootDir>/test/support/sequencer.cjs',
  projects: [
    project('unit'),
    project('workflow', {
      globalSetup: '<rootDir>/test/workflow/setup/globalSetup.ts',
      globalTeardown: '<rootDir>/test/workflow/setup/globalTeardown.ts',
    }),
    project('replay'),
    // The web page in a real browser, against a small server in the test.
    project('web'),
    project('integration', {
      globalSetup: '<rootDir>/test/support/globalSetup.ts',
      globalTeardown: '<rootDir>/test/support/globalTeardown.ts',
    }),
    project('e2e', {
      globalSetup: '<rootDir>/test/support/globalSetup.ts',
      globalTeardown: '<rootDir>/test/support/globalTeardown.ts',
    }),
    // Virtual machines that really boot; skipped where QEMU is not installed.
    project('vm', {
      globalSetup: '<rootDir>/test/support/globalSetup.ts',
      globalTeardown: '<rootDir>/test/support/globalTeardown.ts',
    }),
    // With the real core controllers of Cluster API on a control plane of its own: not together with integration and
    // e2e.
    project('capi', {
      globalSetup: '<rootDir>/test/support/capi/globalSetup.ts',
      globalTeardown: '<rootDir>/test/support/capi/globalTeardown.ts',
    }),
  ],
};
