import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** Files of one kind may not import what only another kind may know. */
const keepOut = (files, ...patterns) => ({
  files: [`labextension/src/${files}`],
  rules: { 'no-restricted-imports': ['error', { patterns }] }
});
const application = {
  group: ['@jupyterlab/application'],
  message: 'only plugins and index.ts know the application'
};

export default tseslint.config(
  { ignores: ['**/node_modules/', 'labextension/lib/', 'labextension/src/api/generated.ts', '**/*.mjs', '**/*.js'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    files: ['labextension/**/*.{ts,tsx}'],
    languageOptions: {
      parserOptions: { project: './labextension/tsconfig.check.json', tsconfigRootDir: import.meta.dirname }
    },
    rules: {
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: 'node:test' }] }
      ],
      // A signal is connected to a method and, beside it, to its owner.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }]
    }
  },
  keepOut('tokens.ts', { group: ['./*', '!./api', '!./model'], message: 'tokens import no implementation' }, application),
  keepOut('api/**', { group: ['../model/*', '../ui/*', '../plugins/*'], message: 'api stands alone' }, application),
  keepOut('model/**', { group: ['../ui/*', '../plugins/*', 'react', '@lumino/widgets'], message: 'models have no DOM' }, application),
  keepOut('ui/**', { group: ['../plugins/*', '../api/restapi', '../api/live'], message: 'widgets are given a model' }, application)
);
