// The import table of the design, section 3: who may import what of ours. `kube/` is the Kubernetes client (docs/decisions).
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    path: '^[a-z]+/',
    dependencyTypesNot: ['core', 'npm', 'npm-dev'],
    pathNot: [`^(${[from, ...allowed].join('|')})(/|$)`, '^node_modules/'],
  },
});

module.exports = {
  forbidden: [
    only('crds-import-nothing', 'crds', [], 'crds/ imports nothing of ours'),
    only('redfish-imports-nothing', 'redfish', [], 'redfish/ imports nothing of ours'),
    only('kube-imports-crds', 'kube', ['crds'], 'kube/ imports crds/ only'),
    only('workflows', 'workflows', ['crds', 'activities'], 'workflows/ imports types of activities/ and crds/'),
    {
      name: 'workflows-import-types-of-activities',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    only(
      'activities',
      'activities',
      ['crds', 'redfish', 'kube', 'workflows/(names|messages)\\.ts'],
      'activities/ imports crds/, redfish/, kube/ and names',
    ),
    only(
      'controllers',
      'controllers',
      ['crds', 'kube', 'workflows/(names|messages)\\.ts'],
      'controllers/ imports crds/, kube/, workflow names and messages',
    ),
    only(
      'api',
      'api',
      ['crds', 'kube', 'http', 'workflows/(names|messages)\\.ts'],
      'api/ imports crds/, kube/, http/ and message types',
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
      ['crds', 'kube', 'web/shared', 'workflows/(names|messages)\\.ts'],
      'view/ explains what is there, for the page and the command line: no effects of its own',
    ),
    only(
      'cli',
      'cli',
      ['crds', 'kube', 'view', 'web/shared', 'workflows/(names|messages)\\.ts'],
      'cli/ is the plugin of kubectl: it imports crds/, kube/, view/, measures and diffs of web/shared/, workflow names and messages',
    ),
    only(
      'web-server',
      'web/server',
      ['crds', 'kube', 'http', 'view', 'web/shared', 'workflows/(names|messages)\\.ts'],
      'web/server/ imports crds/, kube/, view/, http/, what it says to the page, workflow names and messages',
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
    only('simulator', 'simulator', ['crds'], 'simulator/ never imports the code under test'),
    {
      name: 'simulator-imports-types-of-crds',
      severity: 'error',
      from: { path: '^simulator/' },
      to: { path: '^crds/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'what-is-shipped-imports-dependencies',
      comment: 'the image and `npm ci --omit=dev` have no development dependencies',
      severity: 'error',
      from: {
        path: '^(activities|api|controllers|crds|http|kube|redfish|simulator|webhooks|workers|workflows|web/server|view|cli)/',
      },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
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
