// Opens one page in Chromium, does what each line of stdin says, and answers each with one line.
// All that the page asks for and all that the browser complains about is kept for the end.
//
//   node drive.mjs CHROMIUM URL [{"colorScheme": "dark", "viewport": {...}, ...}]
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [executablePath, url, look = '{}'] = process.argv.slice(2);
const LIMIT_MS = 5000;

// The one name that is no address stands for this machine; no other name is known.
const names = 'MAP seawall.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';
const browser = await chromium.launch({ executablePath, args: [`--host-resolver-rules=${names}`] });
const context = await browser.newContext({ reducedMotion: 'reduce', ...JSON.parse(look) });
context.setDefaultTimeout(LIMIT_MS);
const page = await context.newPage();
const seen = { requests: [], complaints: [] };
context.on('request', (request) => seen.requests.push(request.url()));
page.on('console', (line) => {
  if (['error', 'warning'].includes(line.type())) seen.complaints.push(line.text());
});
page.on('pageerror', (error) => seen.complaints.push(String(error)));

const verbs = {
  title: () => page.title(),
  text: (selector) => page.textContent(selector),
  value: (selector) => page.inputValue(selector),
  press: (key) => page.keyboard.press(key),
  click: (selector) => page.click(selector),
  // What has the focus, as its class and its text.
  focused: () => page.evaluate(() => `${document.activeElement.className} ${document.activeElement.textContent}`.trim()),
  selected: () => page.evaluate(() => getSelection().toString()),
  clipboard: async () => {
    await context.grantPermissions(['clipboard-read']);
    return page.evaluate(() => navigator.clipboard.readText());
  },
  shoot: (path) => page.screenshot({ path, fullPage: true }).then(() => path),
  seen: () => seen,
};

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
try {
  await page.goto(url);
  answer({ ok: 'open' });
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...words] = JSON.parse(line);
    try {
      answer({ ok: (await verbs[verb](...words)) ?? '' });
    } catch (error) {
      answer({ error: String(error) });
    }
  }
} catch (error) {
  answer({ error: String(error) });
}
await browser.close();
