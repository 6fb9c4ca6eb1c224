// The reference graphql-sse server, over the schema of
// internal/server/sse/schema_test.go. It prints its port on one line, and ends
// when its standard input does.
import http from 'node:http';
import { buildSchema, execute, subscribe } from 'graphql';
import { createHandler } from 'graphql-sse/lib/use/http';

const schema = buildSchema(`
  type Query { hello: String! echo(text: String!): String! nothing: String boom: String }
  type Mutation { bump(by: Int!): Int! }
  type Subscription { count(to: Int!): Int! idle: Int refused: Int }
`);

async function* count(to) {
  for (let i = 1; i <= to; i++) yield { count: i };
}

// Ends as soon as it is told to, which a generator that awaits does not.
function idle() {
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => ended.then(() => ({ done: true, value: undefined })),
    return: async () => (end(), { done: true, value: undefined }),
    throw: async (error) => (end(), Promise.reject(error)),
  };
}

const root = {
  hello: () => 'world',
  echo: ({ text }) => text,
  nothing: () => null,
  boom: () => {
    throw new Error('boom');
  },
  bump: ({ by }) => by,
  count: ({ to }) => count(to),
  idle,
  refused: () => {
    throw new Error('refused');
  },
};

const handler = createHandler({
  schema,
  execute: (args) => execute({ ...args, rootValue: root }),
  subscribe: (args) => subscribe({ ...args, rootValue: root }),
});
const server = http.createServer((request, response) =>
  handler(request, response).catch(() => response.destroy()),
);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
