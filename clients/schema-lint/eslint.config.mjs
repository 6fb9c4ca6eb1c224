// graphql-eslint's recommended set for schemas and its Relay set, over the
// hand-written contract in schema/.

import { fileURLToPath } from 'node:url';

import graphql from '@graphql-eslint/eslint-plugin';

const schema = fileURLToPath(new URL('../../schema/*.graphql', import.meta.url));

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // Only what `node(id)` finds has an id; payloads, events, pages and counts
      // are parts of an answer.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          exceptions: {
            suffixes: ['Payload', 'Connection', 'Edge', 'Changed', 'Update', 'Count', 'Stats', 'Error'],
            types: ['PageInfo', 'StreamReset', 'Attempt', 'TranslationDirection'],
          },
        },
      ],
      // Short, complete lists (a note's translations, a job's attempts) are plain.
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
    },
  },
];
