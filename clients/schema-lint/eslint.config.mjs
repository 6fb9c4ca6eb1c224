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
            suffixes: ['Payload', 'Connection', 'Edge', 'Changed', 'Update', 'Count', 'Stats', 'Error', 'Result'],
            types: ['PageInfo', 'StreamReset', 'SessionExpiring', 'EventBatch', 'Attempt', 'TranslationDirection', 'TranslationAlternative', 'Glossary', 'GlossaryTerm', 'ErrorFrequency', 'ModelWorker', 'ModelFolder', 'SearchQuery', 'SearchFeedback', 'SearchPeriod', 'SearchIndexFailure', 'SearchIndexReport', 'SearchIndexChange', 'StickerMatch', 'TextRecipe', 'ImageRecipe', 'ContentRecipe', 'ContentPart', 'PromptCheck', 'ContentCapability', 'ContentPreview', 'JobForecast', 'FeedGap', 'FeedMarked', 'RecommendationReason', 'RecommendedPost'],
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
  {
    // A frequency since a date is another number than the one of all time: with an
    // id, normalising caches would take the one for the other.
    // So is a query's, and the votes on its answers; what a search finds is one of several kinds. A profile
    // has the id of its account, which `node(id)` gives as User.
    files: ['**/practice.graphql', '**/feedback.graphql', '**/search.graphql', '**/feed.graphql', '**/recommended.graphql'],
    rules: {
      '@graphql-eslint/relay-edge-types': [
        'error',
        { withEdgeSuffix: true, shouldImplementNode: false, listTypeCanWrapOnlyEdgeType: false },
      ],
    },
  },
  {
    // The answer to a search is ranked from its beginning: there is no page before a place.
    // So are recommendations.
    files: ['**/search.graphql', '**/recommended.graphql'],
    rules: { '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }] },
  },
  {
    // dialogId is the chatbot's number; the dialog's id here is another thing.
    files: ['**/dialog.graphql'],
    rules: { '@graphql-eslint/no-typename-prefix': 'off' },
  },
];
