// The reference graphql-transport-ws server, over the schema of
// internal/server/ws/schema_test.go. It prints {"patient": port, "hasty": port}
// on one line, where the hasty one waits 300 ms for connection_init, and ends
// when its standard input does.
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const schema = buildSchema(`
  type Query { hello: String! echo(text: String!): String! nothing: String boom: String }
  type Mutation { bump(by: Int!): Int! }
  type Subscription { count(to: Int!): Int! idle: Int refused: Int breaks(after: Int!): Int! }
`);

async function* count(to) {
  for (let i = 1; i <= to; i++) yield i;
}

async function* broken(after) {
  yield* count(after);
  throw new Error('broken');
}

// Ends as soon as it is told to, which a generator that awaits does not.
const idle = {
  [Symbol.asyncIterator]() {
    let end;
    const ended = new Promise((resolve) => (end = resolve));
    return {
      next: () => ended.then(() => ({ done: true })),
      return: async () => (end(), { done: true }),
    };
  },
};

// A subscription field's resolver gets the event as its root value.
async function* named(field, values) {
  for await (const value of values) yield { [field]: value };
}

const roots = {
  query: {
    hello: () => 'world',
    echo: ({ text }) => text,
    nothing: () => null,
    boom: () => {
      throw new Error('boom');
    },
  },
  mutation: { bump: ({ by }) => by },
  subscription: {
    count: ({ to }) => named('count', count(to)),
    breaks: ({ after }) => named('breaks', broken(after)),
    idle: () => idle,
    refused: () => {
      throw new Error('refused');
    },
  },
};

function onConnect({ connectionParams }) {
  if (connectionParams?.token === 'bad') return false;
  if (connectionParams?.token === 'panics') throw new Error('on purpose');
  if (connectionParams?.token === 'unwritable') return { n: 1n };
  if (connectionParams?.token === 'never') return new Promise(() => {});
  return connectionParams?.token === 'good' ? { hi: true } : true;
}

function listen(connectionInitWaitTimeout) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1 << 20 });
  // isProd keeps its own words out of the reasons of 4500.
  useServer({ schema, roots, onConnect, connectionInitWaitTimeout, isProd: true }, server);
  return new Promise((resolve) => server.on('listening', () => resolve(server.address().port)));
}

console.error = () => {}; // the reference logs what clients do wrong
console.log(JSON.stringify({ patient: await listen(60_000), hasty: await listen(300) }));
process.stdin.resume().on('end', () => process.exit(0));
