// The import table of docs/architecture.md: who may import what of ours. Imports run downward only; every room may
// import `untrusted/`.
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    path: '^[a-z]+/',
    dependencyTypesNot: ['core', 'npm', 'npm-dev'],
    pathNot: [`^(${[from, 'untrusted', ...allowed].join('|')})(/|$)`, '^node_modules/'],
  },
});

/** A room of activities/ that the others stand on: of its neighbours it imports these only. */
const lower = (room, allowed) => ({
  name: `activities-${room}`,
  comment: `activities/${room}/ is below what is done with it`,
  severity: 'error',
  from: { path: `^activities/${room}/` },
  to: { path: '^activities/[a-z]+/', pathNot: [room, ...allowed].map((one) => `^activities/${one}/`) },
});

module.exports = {
  forbidden: [
    only('untrusted-imports-nothing', 'untrusted', [], 'untrusted/ is below all others: it imports nothing of ours'),
    only('codec', 'codec', ['http'], 'codec/ imports http/ only, for its server'),
    only('crds-import-nothing', 'crds', [], 'crds/ imports nothing of ours'),
    only('redfish-imports-nothing', 'redfish', [], 'redfish/ imports nothing of ours'),
    only('kube-imports-crds', 'kube', ['crds'], 'kube/ imports crds/ only'),
    only('model-imports-crds', 'model', ['crds'], 'model/ imports crds/ only'),
    only('contracts', 'contracts', ['crds', 'model'], 'contracts/ imports crds/ and model/'),
    only(
      'workflows',
      'workflows',
      ['contracts', 'crds', 'model', 'activities'],
      'workflows/ imports contracts/, crds/, model/ and types of activities/',
    ),
    {
      name: 'workflows-import-types-of-activities',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    only(
      'activities',
      'activities',
      ['contracts', 'crds', 'model', 'redfish', 'kube'],
      'activities/ imports contracts/, crds/, model/, redfish/ and kube/',
    ),
    lower('store', []),
    lower('bmc', ['store']),
    lower('monitor', ['store', 'bmc']),
    only(
      'controllers',
      'controllers',
      ['contracts', 'crds', 'model', 'kube'],
      'controllers/ imports contracts/, crds/, model/ and kube/',
    ),
    only(
      'api',
      'api',
      ['contracts', 'crds', 'model', 'kube', 'http'],
      'api/ imports contracts/, crds/, model/, kube/ and http/',
    ),
    only(
      'http',
      'http',
      ['crds/schema\\.ts'],
      'http/ is what every HTTP server of ours stands on: of ours it imports schemas only',
    ),
    only('webhooks', 'webhooks', ['crds', 'kube', 'http'], 'webhooks/ imports crds/, kube/ and http/'),
    only(
      'view',
      'view',
      ['contracts', 'crds', 'model', 'kube', 'web/shared'],
      'view/ explains what is there, for the page and the command line: no effects of its own',
    ),
    only(
      'cli',
      'cli',
      ['codec', 'contracts', 'crds', 'model', 'kube', 'view', 'web/shared', 'tools/cli/bundle\\.mjs'],
      'cli/ is the plugin of kubectl: it imports contracts/, crds/, model/, kube/, view/, measures and diffs of web/shared/, and its bundler',
    ),
    only(
      'web-server',
      'web/server',
      ['codec', 'contracts', 'crds', 'model', 'kube', 'http', 'view', 'web/shared'],
      'web/server/ imports contracts/, crds/, model/, kube/, http/, view/ and what it says to the page',
    ),
    {
      name: 'web-page-imports-shared-types',
      comment: 'web/page/ runs in a browser: of ours it imports web/shared/ only',
      severity: 'error',
      from: { path: '^web/page/' },
      to: {
        path: '^[a-z]+/',
        dependencyTypesNot: ['core', 'npm', 'npm-dev'],
        pathNot: ['^web/(page|shared)/', '^node_modules/'],
      },
    },
    only('inspector-imports-nothing', 'inspector', [], 'inspector/ imports nothing of ours'),
    only('simulator', 'simulator', ['crds', 'model'], 'simulator/ never imports the code under test'),
    {
      name: 'simulator-imports-types-of-crds',
      severity: 'error',
      from: { path: '^simulator/' },
      to: { path: '^(crds|model)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'what-is-shipped-imports-dependencies',
      comment: 'the image and `npm ci --omit=dev` have no development dependencies',
      severity: 'error',
      from: {
        path: '^(activities|api|cli|contracts|controllers|crds|http|kube|model|redfish|simulator|untrusted|view|web/server|webhooks|workers|workflows)/',
      },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circular',
      comment: 'types included: two files that need each other are one, or lack a third',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
