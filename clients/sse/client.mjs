// The official client on the URL of its first argument, in the mode of its
// second: distinct or single. The others are operations, all begun at once. It
// prints a line per event with the operation's number: connected, next <json>,
// complete, failed <message>; and ends when its standard input does. A line
// "end <n>" on its input ends an operation.
import readline from 'node:readline';
import { createClient } from 'graphql-sse';

const [url, mode, ...queries] = process.argv.slice(2);
const client = createClient({
  url,
  singleConnection: mode === 'single',
  retryAttempts: 100,
  retry: async () => {},
  on: { connected: () => console.log('connected') },
});
const ends = queries.map((query, n) =>
  client.subscribe(
    { query },
    {
      next: (result) => console.log(`next ${n} ${JSON.stringify(result)}`),
      error: (error) => console.log(`failed ${n} ${error.message}`),
      complete: () => console.log(`complete ${n}`),
    },
  ),
);
readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => ends[line.split(' ')[1]]())
  .on('close', () => process.exit(0));
