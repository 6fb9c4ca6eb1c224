// All audits of graphql-http against one server.
//
//   node run.mjs http://127.0.0.1:8080
//
// It prints a line per audit and then one line of JSON: how many there are of
// each result, and the audits that are not ok. It ends with 0 whatever they say,
// unless the server can't be asked.

import { auditServer } from 'graphql-http';

const [server] = process.argv.slice(2);
if (!server) {
  console.error('usage: node run.mjs SERVER_URL');
  process.exit(2);
}

try {
  const results = await auditServer({ url: `${server}/graphql` });
  const summary = { total: results.length, ok: 0, notice: 0, warn: 0, error: 0, missed: {} };
  for (const { id, name, status, reason } of results) {
    summary[status] += 1;
    if (status !== 'ok') summary.missed[id] = reason;
    console.log(`${status} ${id} ${name}${status === 'ok' ? '' : `: ${reason}`}`);
  }
  // Waits for the pipe; connections that fetch keeps would hold the process.
  process.stdout.write(`${JSON.stringify(summary)}\n`, () => process.exit(0));
} catch (error) {
  console.error(error);
  process.exit(1);
}
