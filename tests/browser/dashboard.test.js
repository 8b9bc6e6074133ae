// The dashboard as people use it: in a real browser, over the program's own demo.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";
import { barriers, close, filter, isForEveryone, launch, open as openAt, post as postAt, run, tell as tellAt, until } from "./program.js";

let demo;
let folder;
let base;
let browser;

// Starts the demo and reads its address, which it prints first, and waits until it is ready.
async function start() {
  folder = await mkdtemp(join(tmpdir(), "pipetrail-browser-"));
  demo = run(["demo", "--listen", "127.0.0.1:0", "--data", join(folder, "demo.db"), "--seed", "7"]);
  const ready = new Promise((resolve) => {
    createInterface({ input: demo.stdout }).on("line", (line) => {
      base ??= /^The dashboard: (http:\S+?)\/?$/.exec(line)?.[1];
      if (line.startsWith("Events go on")) resolve();
    });
  });
  await Promise.race([demo.failed, ready]);
}

const open = (path, options) => openAt(browser, base + path, options);
const tell = (id, name) => tellAt(base, id, name);

before(async () => {
  await start();
  browser = await launch();
  const page = await open("/");
  await page.getByRole("heading", { name: "Running now" }).waitFor();
  await page.context().close();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const post = (body) => postAt(base, body);

const PLACES = [
  ["/", "Overview"], ["/?scope=mine", "Overview"], ["/?scope=team", "Overview"], ["/runs", "Runs"],
  ["/runs/480", /20191002\.3 run 480/], ["/pipelines", "Pipelines"], ["/environments", "Environments"], ["/deployments", "Deployments"],
  ["/approvals", "Approvals"],
  ["/dora", "Delivery"], ["/ask", "Ask"], ["/environments/compare", /staging and production|and/], ["/hooks", "Hooks"], ["/dead-letters", "Dead letters"],
  ["/commits/3c1b1f6a", /3c1b1f6a/], ["/work-items/4711", /./], ["/pull-requests/88", /./], ["/runs/1", /not found/],
  ["/no/such/page", "Not found"], ["/runs?days=many", "That did not work"],
  ["/deployments?type=Bedrock+Deployments&refresh=60", "Deployments"], ["/deployments?keyword=5107", "Deployments"],
  ["/deployments?limit=many", "That did not work"],
];

for (const [path, heading] of PLACES) {
  test(`${path} is for everyone, light and dark, wide and narrow, without a script, too`, async () => {
    const page = await open(path);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    assert.match(await page.locator("#trust").innerText(), /Data to .*(gap|gaps).*dead letter/s);
    await isForEveryone(page);
    assert.ok(await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Approvals" }).isVisible());
    await close(page);
    const plain = await open(path, { javaScriptEnabled: false });
    await plain.getByRole("heading", { level: 1, name: heading }).waitFor();
    assert.ok(await plain.getByRole("link", { name: "Reload" }).isVisible());
    await close(plain);
  });
}

test("delivery metrics are there, with the runs behind them", async () => {
  const page = await open("/dora?days=14&by=day");
  const tiles = page.locator(".tile");
  assert.equal(await tiles.count(), 5);
  assert.match(await tiles.nth(0).innerText(), /\d+[dhm] .*\b(elite|high|medium|low)\b/s);
  assert.match(await tiles.nth(3).innerText(), /\d %/);
  assert.equal(await page.getByRole("img", { name: /in time/ }).count(), 5);
  const flow = page.getByRole("region", { name: "How pipelines run" });
  assert.match(await flow.innerText(), /run duration\s+\d+[hms].*success on default branches\s+\d/s);
  assert.ok(await page.getByRole("img", { name: /Queue time by hour/ }).isVisible());
  assert.ok((await page.getByRole("region", { name: "Pipelines" }).locator("tbody tr").count()) > 1);
  await page.getByRole("region", { name: "Deployments" }).getByRole("link", { name: /spartan/ }).first().click();
  await page.getByRole("heading", { level: 1, name: /run \d+/ }).waitFor();
  await close(page);
});

// Each as it is chosen, as the address has it, and the pipelines whose deployments are then counted.
const OF_DELIVERY = [
  [{ Pipeline: "spartan-app-deploy" }, "pipeline=spartan-app-deploy", /^spartan-app-deploy/],
  [{ Project: "Spartan" }, "project=Spartan", /^spartan/],
  [{ Environment: "production", Days: "14", By: "day" }, "environment=production&days=14&by=day", /\bproduction\b/],
  [{ Repository: "nothing-of-that-name" }, "repository=nothing-of-that-name", null],
  [{ Service: "nothing-of-that-name" }, "service=nothing-of-that-name", null],
  [{ Team: "nothing-of-that-name" }, "team=nothing-of-that-name", null],
];

test("delivery metrics are narrowed by every filter, which the address keeps", async () => {
  const page = await open("/dora");
  const rows = page.getByRole("region", { name: "Deployments", exact: true }).locator("tbody tr");
  for (const [chosen, address, row] of OF_DELIVERY) {
    await page.goto(`${base}/dora`);
    const all = await rows.count();
    await filter(page, chosen, address, "Show");
    assert.equal((await rows.count()) > 0, row !== null, address);
    assert.ok((await rows.count()) <= all, address);
    if (row === null) await page.getByText("Nothing is known to have been deployed there in this time").waitFor();
    for (const text of await rows.allInnerTexts()) assert.match(text.trim(), row, address);
    await page.getByRole("link", { name: "Clear" }).click();
    await page.waitForURL(`${base}/dora`);
  }
  await close(page);
});

test("where nobody can be known an error is a page as well", async () => {
  const page = await open("/logout");
  await page.getByRole("heading", { level: 1, name: "That did not work" }).waitFor();
  assert.equal(await page.locator("#trust").count(), 0);
  await isForEveryone(page);
  await page.getByRole("link", { name: "To the overview" }).click();
  await page.waitForURL(`${base}/`);
  await close(page);
});

test("a question is asked and answered, with what it rests on, without a script, too", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const page = await open("/ask", { javaScriptEnabled });
    await page.getByLabel("Question").fill("which pipelines failed most last 30 days");
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByRole("heading", { name: "Answer" }).waitFor();
    assert.ok(await page.getByRole("img", { name: /failed/ }).isVisible());
    assert.match(await page.getByRole("region", { name: /Table 1/ }).innerText(), /spartan/);
    assert.match(await page.locator("main").innerText(), /aggregate \{.*no model took part/s);
    if (javaScriptEnabled) await isForEveryone(page);
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /as CSV/ }).click()]);
    assert.equal(file.suggestedFilename(), "aggregate.csv");
    await page.locator("#runs + p a").first().click();
    await page.getByRole("heading", { level: 1, name: /run \d+/ }).waitFor();
    await close(page);
  }
});

test("a question that is not understood is refused with what is near", async () => {
  const page = await open("/ask?q=what+is+in+producktion+now");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByText("Not answered").waitFor();
  await page.getByRole("link", { name: "what is in production now" }).click();
  assert.equal(await page.getByLabel("Question").inputValue(), "what is in production now");
  await close(page);
});

test("a run with deployments and approvals is for everyone", async () => {
  const page = await open("/runs?pipeline=spartan-app-deploy&result=succeeded");
  await page.locator("tbody th a").first().click();
  await page.getByRole("heading", { name: "Deployments" }).waitFor();
  await page.getByText("What was said about it").click();
  assert.ok(await page.getByRole("img", { name: /stages in time/ }).isVisible());
  assert.deepEqual(await barriers(page), []);
  await close(page);
});

test("a change is followed from its commit to the cluster, and what is only likely says so", async () => {
  const page = await open("/deployments?type=Bedrock+Deployments");
  const row = (text) => page.locator("tbody tr").filter({ hasText: text });
  await row("5102").first().waitFor();
  assert.match(await row("5102").innerText(), /Complete[^]*storefront[^]*main[^]*Greta Naylor[^]*east[^]*west/);
  assert.match(await row("5110").innerText(), /Waiting/);
  assert.equal(await row("5102").getByText("likely").count(), 0);
  assert.ok((await row("5107").getByText("likely").count()) > 0);
  await page.getByLabel("Service").selectOption("orders");
  await page.getByLabel("Ring").selectOption("staging");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/service=orders.*env=staging/);
  assert.equal(await page.locator("tbody tr").count(), 1);
  assert.match(await page.locator("tbody tr").innerText(), /Failed/);
  await page.goto(`${base}/deployments?keyword=pullrequest/5109&type=Bedrock+Deployments`);
  assert.equal(await page.locator("tbody tr").count(), 1);
  await page.locator("tbody a.mono").last().click();
  await page.getByRole("heading", { name: "On its way to the clusters" }).waitFor();
  assert.equal(await page.getByRole("region", { name: "Deployments" }).locator("tbody tr").count(), 1);
  assert.deepEqual(await barriers(page), []);
  await close(page);
});

// Each as it is chosen, as the address has it, and as each row then reads. A number alone is found in fractions of
// a second, too, which differ from run to run.
const OF_CHAINS = [
  [{ Keyword: "pullrequest/5109" }, "keyword=pullrequest%2F5109", /5109/],
  [{ Type: "Manual HLD Edits" }, "type=Manual+HLD+Edits", /Manual HLD Edits/],
  [{ Service: "orders" }, "service=orders", /orders/],
  [{ Author: "Chiara Lund" }, "author=Chiara+Lund", /Chiara Lund/],
  [{ Ring: "staging", Type: "Bedrock Deployments" }, "env=staging&type=Bedrock+Deployments", /staging/],
  [{ "At most": "2" }, "limit=2", /./],
];

test("deployments are found by every filter, which the address keeps", async () => {
  const page = await open("/deployments");
  const rows = page.locator("tbody tr");
  for (const [chosen, address, row] of OF_CHAINS) {
    await page.goto(`${base}/deployments?limit=500&refresh=60`);
    const all = await rows.count();
    await filter(page, chosen, `${address}&refresh=60`);
    assert.ok((await rows.count()) > 0 && (await rows.count()) < all, address);
    for (const text of await rows.allInnerTexts()) assert.match(text, row, address);
  }
  assert.equal(await rows.count(), 2);
  await page.getByText("There are more").waitFor();
  await close(page);
});

// Remembers how often the page wants to be looked at.
function remembering() {
  const every = window.setInterval;
  window.delays = [];
  window.setInterval = (act, ms) => {
    window.delays.push(ms);
    return every(act, ms);
  };
}

test("deployments are looked at as often as the address asks", async () => {
  for (const [address, delay] of [["/deployments?refresh=7", 7_000], ["/deployments", 10_000]]) {
    const page = await open(address, { script: remembering });
    await until(() => page.evaluate(() => window.delays.length > 0));
    assert.equal(await page.evaluate(() => window.delays[0]), delay, address);
    await close(page);
  }
});

// Each as it is chosen, as the address has it, and as each row then reads. The first page of each has rows.
const FILTERS = [
  [{ Pipeline: "infra" }, "pipeline=infra", /infra/],
  [{ Branch: "main" }, "branch=main", /\bmain\b/],
  [{ "Requested for": "Ada Quill" }, "who=Ada+Quill", /Ada Quill/],
  [{ Organization: "fabrikam" }, "organization=fabrikam", /./],
  [{ Project: "Platform" }, "project=Platform", /infra|nightly-e2e/],
  [{ State: "inProgress" }, "state=inProgress", /running/],
  [{ State: "completed" }, "state=completed", /succeeded|failed|canceled/],
  [{ Result: "failed" }, "result=failed", /failed/],
  [{ Result: "partiallySucceeded" }, "result=partiallySucceeded", /partly succeeded/],
  [{ Result: "canceled" }, "result=canceled", /canceled/],
  [{ Queued: "1" }, "days=1", /[smh] ago|min ago/],
  [{ Project: "Spartan", Branch: "main", Result: "succeeded" }, "branch=main&project=Spartan&result=succeeded", /spartan[^]*main/],
];

test("runs are found by every filter, which the address keeps", async () => {
  const page = await open("/runs");
  const rows = page.locator("tbody tr");
  const [, commit] = /commits\/([0-9a-f]{40})/.exec(await page.locator("tbody a.mono").last().getAttribute("href"));
  for (const [chosen, address, row] of [...FILTERS, [{ Commit: commit }, `commit=${commit}`, new RegExp(commit.slice(0, 8))]]) {
    await page.goto(`${base}/runs`);
    await filter(page, chosen, address);
    assert.ok((await rows.count()) > 0, address);
    for (const text of await rows.allInnerTexts()) assert.match(text, row, address);
    await page.getByRole("link", { name: "Clear" }).click();
    await page.waitForURL(`${base}/runs`);
  }
  await close(page);
});

test("what waits is found by who it waits on, and leads to its run", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "who waits on whom" }).click();
  const rows = page.locator("tbody tr");
  const names = (await rows.first().locator("td[data-label='Waits on']").innerText()).split(", ");
  const all = await rows.count();
  await filter(page, { "Waits on": names[0] }, new URLSearchParams({ who: names[0] }));
  assert.ok((await rows.count()) > 0 && (await rows.count()) <= all);
  for (const text of await rows.allInnerTexts()) assert.ok(text.includes(names[0]), text);
  await filter(page, { "Waits on": "nobody at all" }, "who=nobody+at+all");
  await page.getByText("Nothing that waits matches").waitFor();
  await page.getByRole("link", { name: "Clear" }).click();
  await rows.first().getByRole("link").first().click();
  await page.getByRole("heading", { level: 1, name: /run \d+/ }).waitFor();
  await close(page);
});

test("a run that failed says why, and so does the overview", async () => {
  const page = await open("/runs?result=failed&pipeline=spartan-app-ci");
  await page.locator("tbody th a").first().click();
  await page.getByRole("heading", { name: "Why it failed" }).waitFor();
  assert.match(await page.locator("pre.error").innerText(), /\w/);
  await page.goto(base);
  assert.ok((await page.locator(".error-line").count()) > 0);
  await close(page);
});

test("filters are in the address, and pages follow each other", async () => {
  const page = await open("/runs");
  await page.getByLabel("Pipeline").fill("spartan-api-ci");
  await page.getByLabel("Result").selectOption("succeeded");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/pipeline=spartan-api-ci.*result=succeeded/);
  const rows = page.locator("tbody tr");
  assert.equal(await rows.count(), 50);
  for (const text of await rows.allInnerTexts()) assert.match(text, /spartan-api-ci[^]*succeeded/);
  const first = await rows.first().innerText();
  await page.getByRole("link", { name: "Next page" }).click();
  await page.waitForURL(/before=/);
  assert.notEqual(await rows.first().innerText(), first);
  assert.equal(await page.getByLabel("Pipeline").inputValue(), "spartan-api-ci");
  await page.getByRole("link", { name: "Newest runs" }).click();
  await page.waitForURL((url) => !url.search.includes("before"));
  await close(page);
});

test("updates can be paused, which is remembered", async () => {
  const page = await open("/runs");
  const pause = page.getByRole("button", { name: /updates/i });
  assert.equal(await pause.getAttribute("aria-pressed"), "false");
  await pause.click();
  assert.equal(await pause.getAttribute("aria-pressed"), "true");
  await page.goto(`${base}/runs?state=inProgress`);
  assert.equal(await pause.getAttribute("aria-pressed"), "true");
  // Another page sees it, this one does not.
  const other = await open("/runs?state=inProgress");
  await tell(90_002, "paused-pipeline");
  await other.getByRole("link", { name: "paused-pipeline 1" }).waitFor({ timeout: 15_000 });
  assert.equal(await page.getByRole("link", { name: "paused-pipeline 1" }).count(), 0);
  assert.ok(await page.getByRole("link", { name: "Reload" }).isVisible());
  await pause.click();
  await page.getByRole("link", { name: "paused-pipeline 1" }).waitFor({ timeout: 15_000 });
  await close(other);
  await close(page);
});

test("dead letters are read, requeued and discarded after a question", async () => {
  const page = await open("/dead-letters");
  await post('{"a": <b>not json</b>}');
  await post("{\"neither\": \"this\"}");
  await page.locator("tbody tr").nth(1).waitFor({ timeout: 15_000 });
  await page.locator("tbody").getByRole("link", { name: "not_json" }).click();
  await page.getByText("<b>not json</b>").waitFor();
  await page.getByRole("button", { name: "Discard…" }).click();
  await page.getByRole("heading", { name: "Discard this dead letter?" }).waitFor();
  assert.deepEqual(await barriers(page), []);
  await page.getByRole("button", { name: "Discard it for good" }).click();
  await page.waitForURL(`${base}/dead-letters`);
  assert.equal(await page.locator("tbody tr").count(), 1);
  // What is requeued is tried once more, and is as bad as before.
  await Promise.all([page.waitForEvent("load"), page.getByRole("button", { name: /Requeue/ }).click()]);
  await page.locator("tbody tr").first().waitFor({ timeout: 15_000 });
  await close(page);
});

test("the overview is kept in the address", async () => {
  const page = await open("/");
  await page.getByRole("link", { name: "Mine" }).click();
  await page.getByLabel(/Your name/).fill("Ada Quill");
  await page.getByRole("button", { name: "Show mine" }).click();
  await page.waitForURL(/scope=mine&who=Ada/);
  const commits = page.getByRole("region", { name: "Last commits" });
  for (const text of await commits.locator("li").allInnerTexts()) assert.match(text, /Ada Quill/);
  await page.getByRole("link", { name: "All", exact: true }).click();
  await page.waitForURL(/scope=all&who=Ada/);
  assert.ok(await page.getByRole("columnheader", { name: "production" }).isVisible());
  await close(page);
});

test("the search leads there", async () => {
  const page = await open("/");
  await page.getByRole("searchbox", { name: "Search" }).fill("480");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${base}/runs/480`);
  await close(page);
});

test("the keyboard reaches everything, and is seen to", async () => {
  const page = await open("/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  assert.ok((await page.locator(".skip").boundingBox()).y >= 0);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  const seen = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.closest("main") !== null, style.outlineStyle];
  });
  assert.deepEqual(seen, [true, "solid"]);
  await close(page);
});
