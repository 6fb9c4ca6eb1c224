// The official client with one subscription { feed } on the URL of its first
// argument. It prints a line per event: connected, closed <code>, next <data>,
// ponged <payload> when it has answered a ping, failed <code> when it gives up;
// and ends when its standard input does.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const client = createClient({
  url: process.argv[2],
  webSocketImpl: WebSocket,
  retryWait: async () => {},
  on: {
    connected: () => console.log('connected'),
    closed: (event) => console.log(`closed ${event.code}`),
    pong: (received, payload) => received || console.log(`ponged ${JSON.stringify(payload)}`),
  },
});
client.subscribe(
  { query: 'subscription { feed }' },
  {
    next: ({ data }) => console.log(`next ${data.feed}`),
    error: (event) => console.log(`failed ${event.code}`),
    complete: () => console.log('complete'),
  },
);
process.stdin.resume().on('end', () => process.exit(0));
