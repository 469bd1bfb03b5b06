// Checks gallery pages in Chromium: names, search, order, pictures, and that they load nothing else.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const profile = mkdtempSync(join(tmpdir(), "gallery-"));
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // The page decides which pictures are loaded: not every browser leaves out those that are off the screen.
  "--blink-settings=lazyLoadEnabled=false"];
const browser = await chromium.launchPersistentContext(profile, { executablePath: "/usr/bin/chromium", headless: true, args });

async function check(file) {
  const page = await browser.newPage();
  const problems = [];
  page.on("console", (message) => problems.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => problems.push(`failed: ${request.url()}`));
  page.on("request", (request) => request.url().startsWith("file:") || problems.push(`request: ${request.url()}`));
  await page.goto(pathToFileURL(file).href);

  const names = () => page.locator("#chats > li:not([hidden]) h2").allTextContents();
  const script = '<script>document.title="broken"</script><img src=x onerror="document.title=1">';
  const named = ["Ada Lovelace", "José {script} Pérez", script, "Анна Иванова", "דוד כהן"];
  const everyone = [...named, "11001234901@c.us", "11001234920@c.us"].sort();
  assert.deepEqual((await names()).sort(), everyone);
  assert.equal(await page.title(), "Pictures in my # pictures");
  const count = page.locator("#count");
  assert.equal(await count.textContent(), "7 chats, 7 pictures");

  // Each picture is shown and has an alternative text.
  const pictures = page.locator("#chats img");
  assert.equal(await pictures.count(), 7);
  for (const picture of await pictures.all()) {
    await picture.scrollIntoViewIfNeeded();
    await picture.evaluate((img) => img.complete || new Promise((resolve) => (img.onload = img.onerror = resolve)));
    assert.ok(await picture.evaluate((img) => img.naturalWidth), "a picture is shown");
    assert.match(await picture.getAttribute("alt"), /icture of ./);
  }
  assert.equal(await page.getByRole("list", { name: "Earlier pictures" }).count(), 2);
  assert.match(await page.locator("[id='11001234901@c.us']").innerText(), /No picture now/);
  assert.match(await page.locator("[id='11001234999@c.us']").innerText(), /^JP/);

  // The first Tab reaches the search field.
  await page.keyboard.press("Tab");
  for (const [query, wanted] of [
    ["lovelace ADA", ["Ada Lovelace"]],
    ["jose", ["José {script} Pérez"]],
    ["иван", ["Анна Иванова"]],
    ["כהן", ["דוד כהן"]],
    ["+1 (100) 123-45-67", ["Ada Lovelace"]],
    ["920@c.us", ["11001234920@c.us"]],
    ["nobody", []],
  ]) {
    await page.keyboard.press("Control+A");
    await page.keyboard.type(query);
    assert.deepEqual(await names(), wanted, query);
    assert.equal(await count.textContent(), `${wanted.length} of 7 chats`);
    assert.equal(await page.getByText("No chat matches.").isVisible(), wanted.length === 0);
  }
  await page.getByLabel("Search").fill("");
  assert.equal((await names()).length, 7);

  const changed = await names();
  assert.equal(changed.at(-1), "José {script} Pérez", "it has no picture");
  await page.getByLabel("Sort by").selectOption("Name");
  const sorted = await names();
  assert.ok(sorted.indexOf("Ada Lovelace") < sorted.indexOf("José {script} Pérez"));
  assert.deepEqual(sorted.slice(-2), ["11001234901@c.us", "11001234920@c.us"], "numbers come after names");
  await page.getByLabel("Sort by").selectOption("Newest change");
  assert.deepEqual(await names(), changed);
  assert.deepEqual(problems, []);

  // The Content-Security-Policy blocks added scripts and styles, and anything from elsewhere.
  const blocked = await page.evaluate(async () => {
    const violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    const add = (tag, properties) => document.head.append(Object.assign(document.createElement(tag), properties));
    add("script", { textContent: "document.title = 'broken'" });
    add("style", { textContent: "body { display: none }" });
    document.body.append(Object.assign(new Image(), { src: "https://example.com/x.jpg" }));
    await fetch("https://example.com/").catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    return violations.sort();
  });
  assert.deepEqual(blocked, ["connect-src", "img-src", "script-src-elem", "style-src-elem"]);
  assert.equal(await page.title(), "Pictures in my # pictures");
  await page.close();
}

// Of 10,000 chats only those near the screen are loaded, whatever the search.
async function checkMany(file) {
  const page = await browser.newPage();
  let requests = 0;
  page.on("request", () => requests++);
  await page.goto(pathToFileURL(file).href);
  assert.equal(await page.locator("#count").textContent(), "10000 chats, 10000 pictures");
  await page.getByLabel("Search").fill("9999@");
  assert.equal(await page.locator("#chats > li").count(), 1);
  assert.ok(requests < 500, `${requests} files were loaded`);
  await page.close();
}

const [many, ...files] = process.argv.slice(2);
try {
  await checkMany(many);
  for (const file of files) await check(file);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
process.stdout.write("gallery: the page is right in Chromium\n");
