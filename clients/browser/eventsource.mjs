// A browser's own EventSource against parley: signs in with the cookie, listens
// to events, and goes on behind the last one after the server has restarted.
//
//   node eventsource.mjs http://127.0.0.1:8080
//
// CHROMIUM names the browser (/usr/bin/chromium). It prints "restart" when the
// server is to be restarted, waits for a line on standard input that says that
// it was, and prints the titles of the notes as a line of JSON.

import { once } from 'node:events';

import { chromium } from 'playwright-core';

const [server] = process.argv.slice(2);
if (!server) {
  console.error('usage: node eventsource.mjs SERVER_URL');
  process.exit(2);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);

/** Runs a mutation, from the page where there is a cookie to come. */
const mutate = (mutation, input, token) =>
  (token ? (f, ...args) => f(...args) : (f, ...args) => page.evaluate(f, ...args))(
    async ({ url, query, variables, authorization }) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = await response.json();
      if (errors) throw new Error(JSON.stringify(errors));
      return data;
    },
    { url: `${server}/graphql`, query: mutation, variables: { input }, authorization: token && `Bearer ${token}` },
  );

const write = (title, token) =>
  mutate('mutation($input: CreateNoteInput!) { createNote(input: $input) { note { id } } }', { title, text: 'A text.', language: 'en' }, token);

const titles = (n) => page.waitForFunction((n) => window.heard.length >= n && window.heard, n).then((handle) => handle.jsonValue());

try {
  await page.goto(`${server}/healthz`);
  const account = { email: `browser-${Date.now()}-${process.pid}@example.org`, password: 'correct horse battery staple' };
  await mutate('mutation($input: SignUpInput!) { signUp(input: $input) { viewer { id } } }', account);
  const { signIn } = await mutate('mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }', { ...account, cookie: true });

  await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const query = 'subscription { events(topics: [NOTES]) { ... on NoteChanged { note { title } } } }';
        window.heard = [];
        const source = new EventSource(`/graphql?query=${encodeURIComponent(query)}`);
        source.addEventListener('next', ({ data, lastEventId }) => {
          const title = JSON.parse(data).data.events.note.title;
          if (!lastEventId) throw new Error(`${title} has no id`);
          window.heard.push(title);
        });
        source.onopen = resolve;
        source.onerror = () => source.readyState === EventSource.CLOSED && reject(new Error('EventSource gave up'));
      }),
  );
  await write('before', signIn.accessToken);
  await titles(1);
  console.log('restart');
  await once(process.stdin, 'data');
  // Written before the browser comes back.
  await write('while it was away', signIn.accessToken);
  await titles(2);
  await write('after', signIn.accessToken);
  console.log(JSON.stringify(await titles(3)));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  process.stdin.destroy();
}
