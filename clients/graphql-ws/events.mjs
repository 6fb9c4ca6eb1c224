// graphql-ws against parley: listens to the viewer's events. Without a key it
// says nothing about where to resume; after a lost connection parley knows. With
// a RESUME_KEY it is a device that comes back: it acknowledges now and then, and
// a new process with the key goes on behind what was acknowledged.
//
//   TOKEN=… node events.mjs http://127.0.0.1:8080 [RESUME_KEY]
//
// It prints a line of JSON for each event and for each change of its socket,
// and ends only with an error.

import { writeSync } from 'node:fs';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [server, resumeKey] = process.argv.slice(2);
const token = process.env.TOKEN;
if (!server || !token) {
  console.error('usage: TOKEN=… node events.mjs SERVER_URL [RESUME_KEY]');
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

// One acknowledgement at a time. One that is lost does no harm: the events come
// again.
let acknowledging = false;
async function acknowledge(upTo) {
  if (acknowledging) return;
  acknowledging = true;
  try {
    const answer = await fetch(`${server}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query: 'mutation Ack($input: AckEventsInput!) { ackEvents(input: $input) { cursor } }',
        variables: { input: { resumeKey, upTo } },
      }),
    });
    const { data } = await answer.json();
    if (data) say({ acknowledged: data.ackEvents.cursor });
  } catch {
    // The connection was lost.
  } finally {
    acknowledging = false;
  }
}

const fail = (error) => {
  say({ error: String(error?.[0]?.message ?? error?.message ?? error) });
  process.exit(1);
};
sockets.subscribe(
  {
    query: `
      subscription Events($resumeKey: String) {
        events(resumeKey: $resumeKey) {
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
    variables: { resumeKey },
  },
  {
    next: ({ data, errors }) => {
      if (errors) return fail(errors);
      say({ event: data.events });
      if (resumeKey && Math.random() < 0.3) acknowledge(data.events.cursor);
    },
    error: fail,
    complete: () => fail('the subscription ended'),
  },
);
