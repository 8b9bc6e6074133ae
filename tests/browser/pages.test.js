// Long lists page by page, and what is done with the keyboard alone.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { close, filter, freeAddress, isForEveryone, launch, open as openAt, post, tell, until, up } from "./program.js";

const PIPELINES = 60;
const LETTERS = 30;
const APPROVALS = 60;
const COMMITS = ["abcd1", "abcd2"].map((start) => start.padEnd(40, "0"));

let browser;
let folder;
let base;
let program;

const open = (path) => openAt(browser, base + path);
const api = async (path) => (await fetch(`${base}/api/v1/${path}`)).json();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipetrail-pages-"));
  base = await freeAddress();
  program = await up(base, ["--data", join(folder, "data.db")]);
  for (let nth = 0; nth < PIPELINES; nth += 1) await tell(base, 90_100 + nth, `pipeline-${nth}`);
  for (let nth = 0; nth < LETTERS; nth += 1) {
    await post(base, nth % 3 ? `{"rubbish": ${nth}}` : `{"rubbish": <i>${nth}</i>}`);
  }
  for (let nth = 0; nth < APPROVALS; nth += 1) await post(base, await pending(nth));
  await until(async () => (await api("pipelines?limit=200")).items.length === PIPELINES);
  await until(async () => (await api("dead-letters?limit=32")).items.length === LETTERS);
  await until(async () => (await api("approvals?limit=200")).items.length === APPROVALS);
  browser = await launch();
});

// An approval of a stage of one of the pipelines; each third waits on Ana, the others on Bo.
async function pending(nth) {
  const event = JSON.parse(await readFile("example-json/approval_pending.json", "utf8"));
  const { resource } = event;
  Object.assign(resource.approval, { id: `approval-${nth}`, createdOn: `2025-06-12T08:${String(nth).padStart(2, "0")}:00Z` });
  resource.approval.steps[0].assignedApprover.displayName = nth % 3 ? "Bo" : "Ana";
  Object.assign(resource.pipeline, { id: String(10_100 + nth), name: `pipeline-${nth}` });
  Object.assign(resource.run, { id: String(90_100 + nth), name: "1" });
  return JSON.stringify({ ...event, id: `00000000-0000-0000-0000-${String(nth).padStart(12, "0")}` });
}

after(async () => {
  await browser?.close();
  await program?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

// The names of the rows on all pages, and how many each page has.
async function follow(page) {
  const [names, counts] = [[], []];
  for (;;) {
    const found = await page.locator("tbody th a:not(.out)").evaluateAll((links) => links.map((link) => link.href));
    names.push(...found);
    counts.push(found.length);
    const next = page.getByRole("link", { name: "Next page" });
    if ((await next.count()) === 0) return [names, counts];
    const before = page.url();
    await next.click();
    await page.waitForURL((url) => url.href !== before);
  }
}

test("pipelines are all there, page by page, also of those with a name", async () => {
  const page = await open("/pipelines");
  const [names, counts] = await follow(page);
  assert.deepEqual([counts, new Set(names).size], [[50, PIPELINES - 50], PIPELINES]);
  await page.goto(`${base}/pipelines?name=pipeline-1`);
  assert.deepEqual((await follow(page))[1], [11]);
  await close(page);
});

test("dead letters are all there, page by page, also those of one reason", async () => {
  const page = await open("/dead-letters");
  const [names, counts] = await follow(page);
  assert.deepEqual([counts, new Set(names).size], [[25, LETTERS - 25], LETTERS]);
  await page.goto(`${base}/dead-letters`);
  await page.getByRole("link", { name: /^not_json/ }).first().click();
  await page.waitForURL(/reason=not/);
  assert.deepEqual((await follow(page))[1], [LETTERS / 3]);
  await close(page);
});

test("what waits is all there, page by page, also what waits on somebody", async () => {
  const page = await open("/approvals");
  const [names, counts] = await follow(page);
  assert.deepEqual([counts, new Set(names).size], [[50, APPROVALS - 50], APPROVALS]);
  await page.getByRole("link", { name: "First page" }).click();
  await page.waitForURL(`${base}/approvals`);
  for (const [chosen, address, count] of [
    [{ "Waits on": "ana" }, "who=ana", APPROVALS / 3], [{ Pipeline: "pipeline-1" }, "pipeline=pipeline-1", 11],
    [{ "Waits on": "Bo", Pipeline: "PIPELINE-1" }, "who=Bo&pipeline=PIPELINE-1", 8], [{ Project: "nobody" }, "project=nobody", 0],
  ]) {
    await page.goto(`${base}/approvals`);
    await filter(page, chosen, address);
    assert.deepEqual((await follow(page))[1], [count], address);
  }
  await close(page);
});

test("what several things are called leads to each of them", async () => {
  await tell(base, 95_001, "twice", { commit: COMMITS[0] });
  await tell(base, 95_001, "twice", { organization: "contoso", commit: COMMITS[1] });
  await until(async () => (await api("runs?pipeline=twice")).items.length === 2);
  for (const [path, heading, names] of [
    ["/runs/95001", "Run 95001: there are several", ["contoso", "fabrikam"]],
    ["/commits/abcd", "Commit abcd: there are several", [`${COMMITS[1]} in contoso`, `${COMMITS[0]} in fabrikam`]],
  ]) {
    const page = await open(path);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    assert.deepEqual((await page.locator("main li").allInnerTexts()).sort(), [...names].sort());
    assert.match(await page.locator("#trust").innerText(), /Data to/);
    await isForEveryone(page);
    await page.locator("main").getByRole("link", { name: names[0] }).click();
    await page.waitForURL(/organization=contoso/);
    await page.getByRole("heading", { level: 1, name: /run 95001|abcd2/ }).waitFor();
    await close(page);
  }
});

test("a dead letter is for everyone, light and dark, wide and narrow", async () => {
  const page = await open("/dead-letters");
  await page.locator("tbody th a").first().click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.getByText("rubbish").first().waitFor();
  await isForEveryone(page);
  await close(page);
});

// Goes on with the key until what has the focus is that, as somebody without a mouse does.
async function tabTo(page, selector, text) {
  for (let nth = 0; nth < 150; nth += 1) {
    await page.keyboard.press("Tab");
    const is = ([selector, text]) => {
      const at = document.activeElement;
      return at.matches(selector) && at.textContent.includes(text);
    };
    if (await page.evaluate(is, [selector, text])) return;
  }
  assert.fail(`no way to ${text}`);
}

test("updates are paused and a run is opened with the keyboard alone", async () => {
  const page = await open("/runs");
  await tabTo(page, "button", "Pause updates");
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "false");
  await tabTo(page, "tbody th a", "pipeline-58");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: /run 90158/ }).waitFor();
  await close(page);
});

test("a filter is chosen with the keyboard alone", async () => {
  const page = await open("/runs");
  await page.getByLabel("Pipeline").focus();
  await page.keyboard.type("pipeline-7");
  await page.keyboard.press("Enter");
  await page.waitForURL(/pipeline=pipeline-7(&|$)/);
  assert.equal(await page.locator("tbody tr").count(), 1);
  await close(page);
});

test("a dead letter is requeued, and another discarded, with the keyboard alone", async () => {
  const newest = async () => (await api("dead-letters?limit=1")).items[0].id;
  const page = await open("/dead-letters");
  const id = await newest();
  await tabTo(page, "button", `Requeue ${id}`);
  // The page comes back to where it was: its address says nothing of that.
  await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  // It is as bad as before, and comes back.
  await until(async () => (await api("dead-letters?limit=32")).items.length === LETTERS);
  const doomed = (await api("dead-letters?limit=32")).items.at(-1).id;
  await page.goto(`${base}/dead-letters/show?id=${encodeURIComponent(doomed)}`);
  await tabTo(page, "button", "Discard…");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Discard this dead letter?" }).waitFor();
  await tabTo(page, "button", "Discard it for good");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${base}/dead-letters`);
  await until(async () => (await api("dead-letters?limit=32")).items.length === LETTERS - 1);
  assert.equal((await fetch(`${base}/api/v1/dead-letters/${encodeURIComponent(doomed)}`)).status, 404);
  await close(page);
});
