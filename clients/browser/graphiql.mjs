// A newcomer's way through GraphiQL, in a real browser: sign up, create a note,
// translate it, watch the job, and see the translation in the list of notes.
//
//   node graphiql.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// CHROMIUM names the browser (/usr/bin/chromium). It exits with 0 when all of
// it happened, and prints the translation; else it says what did not happen.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const [server, shots] = process.argv.slice(2);
if (!server) {
  console.error('usage: node graphiql.mjs SERVER_URL [SCREENSHOT_FOLDER]');
  process.exit(2);
}
if (shots) await mkdir(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const context = await browser.newContext({ viewport: { width: 1500, height: 950 } });
await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(server).origin });
const page = await context.newPage();
page.setDefaultTimeout(30_000);

const problems = [];
const origin = new URL(server).origin;
page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
page.on('console', (message) => {
  // Chromium reports policy violations and failed loads as console errors.
  if (message.type() === 'error') problems.push(`console: ${message.text()}`);
});
page.on('request', (request) => {
  const url = request.url();
  if (!/^(data|blob):/.test(url) && new URL(url).origin !== origin) problems.push(`foreign request: ${url}`);
});

async function shot(name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
}

const response = () => page.locator('section.result-window');

/** Opens an example's tab and runs it; resolves when the response matches. */
async function run(tab, want, variables) {
  await page.getByRole('tab', { name: tab }).click();
  if (variables) {
    await page.locator('section.graphiql-editor-tool .view-lines').first().click();
    await page.keyboard.press('Control+A');
    // Pasted, because the editor closes the brackets of what is typed.
    await page.evaluate((text) => navigator.clipboard.writeText(text), JSON.stringify(variables));
    await page.keyboard.press('Control+V');
  }
  await page.locator('.graphiql-execute-button').click();
  return seen(tab, want);
}

/** Waits until the response shown matches, and gives it. */
async function seen(tab, want) {
  try {
    await page.waitForFunction(
      ([selector, source]) => new RegExp(source, 's').test(document.querySelector(selector)?.innerText.replaceAll('\u00a0', ' ') ?? ''),
      ['section.result-window', want.source],
    );
  } catch {
    throw new Error(`${tab}: the response did not match ${want}; it shows:\n${await response().innerText()}`);
  }
  return (await response().innerText()).replaceAll('\u00a0', ' ');
}

try {
  await page.goto(server);
  await page.locator('a[href="/graphiql"]').first().waitFor();
  await shot('0-start');
  await page.locator('a[href="/graphiql"]').first().click();
  await page.locator('.graphiql-query-editor .view-lines').waitFor();
  await page.getByText('not signed in').waitFor();
  await page.locator('section.graphiql-editor-tool').getByText('me@example.org').waitFor();
  await shot('1-open');

  const email = `browser-${Date.now()}@example.org`;
  await run('SignUp', /accessToken/, { input: { email, password: 'correct horse battery staple' } });
  await page.getByText(`signed in as ${email}`).waitFor();
  await shot('2-signed-up');

  await run('CreateNote', /"id": "note_/);
  await run('Translate', /"jobs".*"id":/);
  const pushed = await run('WatchJob', /"state": "SUCCEEDED".*"language": "es".*"text": "[^"]+"/);
  await shot('3-watched');
  const text = /"text": "([^"]+)"/.exec(pushed)?.[1];
  await run('MyNotes', /"language": "es",\s*"state": "READY",\s*"text": "[^"]+"/);
  await shot('4-my-notes');

  const tabs = await page.getByRole('tab').count();
  // GraphiQL stores its editors a moment after a change.
  await page.waitForFunction(
    () => localStorage['graphiql:query']?.includes('MyNotes') && localStorage['graphiql:variables']?.includes('first'),
  );
  await page.reload();
  await page.getByText(`signed in as ${email}`).waitFor();
  const kept = await page.getByRole('tab').count();
  if (kept !== tabs) throw new Error(`a reload made ${kept} tabs of ${tabs}`);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('not signed in').waitFor();
  await shot('5-signed-out');

  if (problems.length > 0) throw new Error(`the browser complained:\n${problems.join('\n')}`);
  console.log(`translated: ${text}`);
} catch (error) {
  await shot('failed');
  console.error(error.message);
  if (problems.length > 0) console.error(problems.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
