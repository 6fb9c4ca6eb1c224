// Apollo Client 4 against parley: signs up, creates a note, asks for Spanish
// and waits for the translation on a websocket.
//
//   node run.mjs http://127.0.0.1:8080 [TEXT]
//
// It prints one line of JSON: the job's states as they came, and the text.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [server, text = 'The old house has a garden.'] = process.argv.slice(2);
if (!server) {
  console.error('usage: node run.mjs SERVER_URL [TEXT]');
  process.exit(2);
}

let token = null;
const http = new HttpLink({ uri: `${server}/graphql` });
const authorized = new SetContextLink(({ headers }) => ({
  headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
}));
const sockets = createClient({
  url: `${server.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  // Asked for on every connect, so that a reconnect sends a fresh token.
  connectionParams: () => (token ? { authorization: `Bearer ${token}` } : {}),
});
const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(sockets),
    ApolloLink.from([authorized, http]),
  ),
  cache: new InMemoryCache(),
});

const mutate = async (mutation, input) => (await client.mutate({ mutation, variables: { input } })).data;

try {
  const { signUp } = await mutate(
    gql`mutation SignUp($input: SignUpInput!) { signUp(input: $input) { accessToken viewer { id email role } cursor } }`,
    { email: `apollo-${Date.now()}-${process.pid}@example.org`, password: 'correct horse battery staple' },
  );
  token = signUp.accessToken;

  const { createNote } = await mutate(
    gql`mutation Create($input: CreateNoteInput!) { createNote(input: $input) { note { id title version } } }`,
    { title: 'From Apollo', text, language: 'en' },
  );
  const { translateNote } = await mutate(
    gql`mutation Translate($input: TranslateNoteInput!) { translateNote(input: $input) { jobs { id kind state } cursor } }`,
    { noteId: createNote.note.id, languages: ['es'] },
  );

  const states = [];
  let result = null;
  await new Promise((resolve, reject) => {
    client
      .subscribe({
        query: gql`
          subscription Watch($id: ID!) {
            job(id: $id) {
              version
              partialText
              job { id state progress error { code message } result { ... on Translation { id language text } } }
            }
          }
        `,
        variables: { id: translateNote.jobs[0].id },
      })
      .subscribe({
        next({ data, error }) {
          if (error) return reject(error);
          const { job } = data.job;
          if (states.at(-1) !== job.state) states.push(job.state);
          result = job.result ?? result;
          if (job.error) reject(new Error(`${job.error.code}: ${job.error.message}`));
        },
        error: reject,
        complete: resolve,
      });
  });
  if (!result) throw new Error(`the subscription ended without a translation, after ${states.join(', ')}`);

  const { data } = await client.query({
    query: gql`query Note($id: ID!) { note(id: $id) { id translations { id language state text } } }`,
    variables: { id: createNote.note.id },
  });
  if (data.note.translations[0]?.text !== result.text) throw new Error(`the note shows ${JSON.stringify(data.note)}`);
  console.log(JSON.stringify({ states, language: result.language, text: result.text }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  client.stop();
  await sockets.dispose();
}
