/** The layer rules of docs/architecture.md: handlers -> capability rooms -> protocol. */
const rooms = '^functions/(submission|policy|delivery|operating|reporting|publishing|resolving)/';

export default {
  forbidden: [
    {
      name: 'protocol-is-pure',
      comment: 'protocol imports only itself, node:buffer, node:crypto and node:url (for IDNA)',
      severity: 'error',
      from: { path: '^functions/protocol/' },
      to: { pathNot: '^functions/protocol/|^(node:)?(buffer|crypto|url)$' },
    },
    {
      name: 'rooms-know-no-adapter',
      comment: 'capability rooms reach the world through their ports.ts',
      severity: 'error',
      from: { path: rooms },
      to: {
        path: '^functions/(adapters|handlers)/|^lib/|^bin/|@aws-sdk|undici|^(node:)?(net|tls|http|https|dns)$',
      },
    },
    {
      name: 'adapters-know-no-handler',
      severity: 'error',
      from: { path: '^functions/adapters/' },
      to: { path: '^functions/handlers/|^lib/|^bin/' },
    },
    {
      name: 'only-aws-adapters-import-the-sdk',
      severity: 'error',
      from: { path: '^functions/', pathNot: '^functions/adapters/aws/' },
      to: { path: '@aws-sdk' },
    },
    {
      name: 'lib-takes-types-only',
      comment:
        'constructs share types with the functions; of code only what is pure and describes what is published',
      severity: 'error',
      from: { path: '^lib/' },
      to: {
        path: '^functions/',
        pathNot: '^functions/(publishing|protocol)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'nothing-imports-bin',
      severity: 'error',
      from: { path: '^(functions|lib)/' },
      to: { path: '^bin/' },
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^(functions|lib|bin)/' },
      to: { path: '^test/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-packages-in-functions',
      severity: 'error',
      from: { path: '^(functions|lib)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
