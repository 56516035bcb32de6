import tseslint from 'typescript-eslint';

const rules = {
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-non-null-assertion': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  eqeqeq: ['error', 'always', { null: 'ignore' }],
  'no-console': 'error',
  'max-lines': ['warn', 400],
};

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'coverage/', 'tools/go/', '**/*.cjs', 'web/dist/', 'test/replay/histories/'] },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules,
  },
  // The page runs in a browser: a TypeScript project of its own, with the DOM and JSX. Its tests have parts that run in
  // it.
  {
    files: ['web/page/src/**/*.ts', 'web/page/src/**/*.tsx'],
    languageOptions: { parserOptions: { project: './web/page/tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules,
  },
  {
    files: ['test/web/**/*.ts'],
    languageOptions: { parserOptions: { project: './test/web/tsconfig.json', tsconfigRootDir: import.meta.dirname } },
  },
);
