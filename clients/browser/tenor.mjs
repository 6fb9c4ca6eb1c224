// A picker for React that was written for Tenor's API, in a real browser: gif-picker-react
// knows no other host than Tenor's, so that the browser sends what is meant for that to
// parley. It looks at the categories, types a word, and clicks the first sticker.
//
//   KEY=pak_… node tenor.mjs http://127.0.0.1:8080 WORD
//
// KEY is an API key with the scope STICKERS_SEARCH, CHROMIUM names the browser
// (/usr/bin/chromium). It prints what it saw as a line of JSON.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { chromium } from 'playwright-core';

const [server, word] = process.argv.slice(2);
const key = process.env.KEY;
if (!server || !word || !key) {
  console.error('usage: KEY=pak_… node tenor.mjs SERVER_URL WORD');
  process.exit(2);
}

const { resolve } = createRequire(import.meta.url);
const folder = (name) => dirname(resolve(`${name}/package.json`));
const files = {
  '/react.js': join(folder('react'), 'umd/react.production.min.js'),
  '/react-dom.js': join(folder('react-dom'), 'umd/react-dom.production.min.js'),
  '/picker.js': resolve('gif-picker-react'),
};
const html = `<!doctype html><meta charset="utf-8"><title>A page</title><div id="root"></div>
<script src="/react.js"></script><script src="/react-dom.js"></script>
<script>var exports = {}, module = { exports }, require = (name) => ({ react: React, 'react-dom': ReactDOM })[name];</script>
<script src="/picker.js"></script>
<script>
  window.chosen = [];
  const { default: GifPicker } = module.exports;
  ReactDOM.createRoot(document.querySelector('#root')).render(React.createElement(GifPicker, {
    tenorApiKey: ${JSON.stringify(key)}, clientKey: 'test', onGifClick: (image) => window.chosen.push(image),
  }));
</script>`;

// The page has another origin than parley, and a server of its own: Chromium gives a page
// that came from nowhere no pictures of this machine.
const site = createServer(async (request, response) => {
  const file = files[request.url];
  response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
  response.end(file ? await readFile(file) : request.url === '/' ? html : '');
}).listen(0, 'localhost');
await once(site, 'listening');
const origin = `http://localhost:${site.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
const page = await browser.newPage();
page.setDefaultTimeout(60_000);

const problems = [];
page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`));

/** The requests that parley answered, as "path status". */
const asked = [];
await page.route('**/*', async (route) => {
  const url = new URL(route.request().url());
  if (url.origin === 'https://tenor.googleapis.com') {
    const response = await route.fetch({ url: server + url.pathname + url.search });
    asked.push(`${url.pathname} ${response.status()}`);
    return route.fulfill({ response });
  }
  if (url.origin === new URL(server).origin || url.origin === origin) return route.continue();
  problems.push(`foreign request: ${url}`);
  return route.abort();
});

/** Waits until a picture is there, and gives its address. */
async function shown(selector) {
  const picture = page.locator(selector).first();
  await picture.scrollIntoViewIfNeeded();
  await page.waitForFunction((img) => img.complete && img.naturalWidth > 0, await picture.elementHandle());
  return picture.getAttribute('src');
}

try {
  await page.goto(`${origin}/`);
  await shown('.gpr-category img');
  const categories = await page.locator('.gpr-category-name').allInnerTexts();
  await page.getByTestId('gpr-search-input').pressSequentially(word, { delay: 30 });
  const picture = await shown('.gpr-result-image img');
  const found = await page.locator('.gpr-result-image').count();
  const counted = page.waitForResponse((response) => response.url().includes('/v2/registershare'));
  await page.locator('.gpr-result-image').first().click();
  await counted;
  const [chosen] = await page.evaluate(() => window.chosen);
  if (problems.length > 0) throw new Error(`the browser complained:\n${problems.join('\n')}`);
  console.log(JSON.stringify({ categories, picture, found, chosen, asked }));
} catch (error) {
  console.error(error.message);
  console.error([...asked, ...problems].join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
  site.close();
}
