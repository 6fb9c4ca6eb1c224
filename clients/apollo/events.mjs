// Apollo Client 4 against parley: listens to the viewer's events. It says
// nothing about where to resume; after a lost connection parley knows.
//
//   TOKEN=… node events.mjs http://127.0.0.1:8080
//
// It prints a line of JSON for each event and for each change of its socket,
// and ends only with an error.

import { writeSync } from 'node:fs';

import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [server] = process.argv.slice(2);
const token = process.env.TOKEN;
if (!server || !token) {
  console.error('usage: TOKEN=… node events.mjs SERVER_URL');
  process.exit(2);
}
const say = (what) => writeSync(1, `${JSON.stringify(what)}\n`);

// Usual options of graphql-ws for a client that never gives up: short waits that
// differ between clients, and a ping whose missing answer gives up a dead socket.
let silence;
const sockets = createClient({
  url: `${server.replace(/^http/, 'ws')}/graphql`,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: Infinity,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 250)),
  shouldRetry: () => true,
  connectionAckWaitTimeout: 20_000,
  keepAlive: 10_000,
  on: {
    connected: () => say({ connected: true }),
    ping: (received) => {
      if (!received) silence = setTimeout(() => sockets.terminate(), 10_000);
    },
    pong: (received) => {
      if (received) clearTimeout(silence);
    },
    closed: ({ code, reason }) => {
      clearTimeout(silence);
      say({ closed: code, reason });
    },
  },
});
const client = new ApolloClient({ link: new GraphQLWsLink(sockets), cache: new InMemoryCache() });

const fail = (error) => {
  say({ error: String(error?.message ?? error) });
  process.exit(1);
};
client
  .subscribe({
    query: gql`
      subscription Events {
        events {
          __typename
          cursor
          at
          ... on JobChanged { jobId version job { id state } }
          ... on NoteChanged { noteId action note { id title version } }
          ... on TranslationChanged { noteId translationId translation { id state } }
          ... on StreamReset { reason }
        }
      }
    `,
  })
  .subscribe({
    next: ({ data, error }) => (error ? fail(error) : say({ event: data.events })),
    error: fail,
    complete: () => fail('the subscription ended'),
  });
