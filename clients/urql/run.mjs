// urql (@urql/core 6) against parley: signs up, creates a note, asks for
// Spanish and waits for the translation on a websocket.
//
//   node run.mjs http://127.0.0.1:8080 [TEXT]
//
// It prints one line of JSON: the job's states as they came, and the text.

import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [server, text = 'The old house has a garden.'] = process.argv.slice(2);
if (!server) {
  console.error('usage: node run.mjs SERVER_URL [TEXT]');
  process.exit(2);
}

let token = null;
const sockets = createClient({
  url: `${server.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  // Asked for on every connect, so that a reconnect sends a fresh token.
  connectionParams: () => (token ? { authorization: `Bearer ${token}` } : {}),
});
const client = new Client({
  url: `${server}/graphql`,
  preferGetMethod: false,
  fetchOptions: () => (token ? { headers: { authorization: `Bearer ${token}` } } : {}),
  exchanges: [
    cacheExchange,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: sockets.subscribe({ ...request, query: request.query ?? '' }, sink) }),
      }),
    }),
  ],
});

async function mutate(document, input) {
  const { data, error } = await client.mutation(document, { input }).toPromise();
  if (error) throw error;
  return data;
}

try {
  const { signUp } = await mutate(
    gql`mutation SignUp($input: SignUpInput!) { signUp(input: $input) { accessToken viewer { id email role } cursor } }`,
    { email: `urql-${Date.now()}-${process.pid}@example.org`, password: 'correct horse battery staple' },
  );
  token = signUp.accessToken;

  const { createNote } = await mutate(
    gql`mutation Create($input: CreateNoteInput!) { createNote(input: $input) { note { id title version } } }`,
    { title: 'From urql', text, language: 'en' },
  );
  const { translateNote } = await mutate(
    gql`mutation Translate($input: TranslateNoteInput!) { translateNote(input: $input) { jobs { id kind state } cursor } }`,
    { noteId: createNote.note.id, languages: ['es'] },
  );

  const watch = gql`
    subscription Watch($id: ID!) {
      job(id: $id) {
        version
        partialText
        job { id state progress error { code message } result { ... on Translation { id language text } } }
      }
    }
  `;
  const states = [];
  let result = null;
  // urql's results end with the stream; hasNext tells that the server ended it.
  await new Promise((resolve, reject) => {
    client.subscription(watch, { id: translateNote.jobs[0].id }).subscribe(({ data, error, hasNext }) => {
      if (error) return reject(error);
      const job = data?.job?.job;
      if (job) {
        if (states.at(-1) !== job.state) states.push(job.state);
        result = job.result ?? result;
        if (job.error) return reject(new Error(`${job.error.code}: ${job.error.message}`));
      }
      if (!hasNext) resolve();
    });
  });
  if (!result) throw new Error(`the subscription ended without a translation, after ${states.join(', ')}`);

  const { data, error } = await client
    .query(gql`query Note($id: ID!) { note(id: $id) { id translations { id language state text } } }`, { id: createNote.note.id })
    .toPromise();
  if (error) throw error;
  if (data.note.translations[0]?.text !== result.text) throw new Error(`the note shows ${JSON.stringify(data.note)}`);
  console.log(JSON.stringify({ states, language: result.language, text: result.text }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await sockets.dispose();
}
