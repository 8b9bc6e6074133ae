// Pages that keep themselves current: by the stream alone, by looking again alone, and while the server is away.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { barriers, close, freeAddress, launch, open, tell, up } from "./program.js";

let browser;
let folder;
let base;
let program;

const start = () => up(base, ["--data", join(folder, "data.db")]);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipetrail-live-"));
  base = await freeAddress();
  program = await start();
  for (let id = 89_001; id < 89_031; id += 1) await tell(base, id, `pipeline-${id}`);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const NEVER_LOOKS = () => { window.setInterval = () => 1; };
const NEVER_LISTENS = () => {
  window.EventSource = class { static CLOSED = 2; readyState = 2; addEventListener() {} close() {} set onerror(tell) { setTimeout(tell); } };
};

test("what happens is shown by the stream alone, and focus and scroll stay", async () => {
  const page = await open(browser, `${base}/runs`, { script: NEVER_LOOKS });
  await page.getByRole("link", { name: "pipeline-89005 1" }).waitFor({ timeout: 15_000 });
  await page.evaluate(() => { window.untouched = true; });
  const link = page.locator("tbody th a").nth(20);
  const name = await link.innerText();
  await link.focus();
  await page.evaluate(() => scrollTo(0, 300));
  await tell(base, 90_001, "told-pipeline");
  await page.getByRole("link", { name: "told-pipeline 1" }).waitFor({ timeout: 15_000 });
  assert.equal(await page.evaluate(() => window.untouched), true);
  assert.equal(await page.evaluate(() => document.activeElement.innerText), name);
  assert.equal(await page.evaluate(() => scrollY), 300);
  await close(page);
});

test("where no stream can be had the page looks again by itself", async () => {
  const page = await open(browser, `${base}/runs`, { script: NEVER_LISTENS });
  const streams = [];
  page.on("request", (request) => { if (request.url().endsWith("/stream")) streams.push(request); });
  await tell(base, 90_002, "seen-pipeline");
  await page.getByRole("link", { name: "seen-pipeline 1" }).waitFor({ timeout: 15_000 });
  assert.equal(streams.length, 0);
  await close(page);
});

test("a page says that the server is away, and takes it back when it is there again", async () => {
  for (const script of [NEVER_LOOKS, NEVER_LISTENS]) {
    const page = await open(browser, `${base}/runs`, { script });
    const connection = page.locator("#connection");
    assert.equal(await connection.getAttribute("role"), "status");
    assert.equal(await connection.innerText(), "");
    await program.stop();
    await page.getByText(/No connection since \d\d:\d\d UTC; trying again/).waitFor({ timeout: 15_000 });
    assert.deepEqual(await barriers(page), []);
    assert.ok((await page.locator("tbody tr").count()) > 0, "what was known is still shown");
    program = await start();
    await connection.filter({ hasNotText: "No connection" }).waitFor({ state: "attached", timeout: 20_000 });
    assert.equal(await connection.innerText(), "");
    await close(page);
  }
});
