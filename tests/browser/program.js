// The program, and pages of a real browser that look at it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";

const program = process.env.PIPETRAIL ?? "target/debug/pipetrail";
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

// Starts it. An end that nobody asked for is an error, with what it said.
export function run(args, env = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const said = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const failed = ended.then((code) => { throw new Error(`the program ended with ${code}: ${said.join("")}`); });
  failed.catch(() => {});
  const stop = async () => {
    if (child.exitCode === null) child.kill("SIGINT");
    await ended;
  };
  return { stdout: child.stdout, failed, stop };
}

// Starts `up` there and waits until it answers.
export async function up(base, args, env) {
  const running = run(["up", "--listen", new URL(base).host, ...args], env);
  const isThere = () => fetch(`${base}/healthz`).then((answer) => answer.ok, () => false);
  await Promise.race([running.failed, until(isThere)]);
  return running;
}

// Waits for a condition, with a limit.
export async function until(holds) {
  const from = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - from < 30_000, "it never came");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// An address whose port nobody has.
export function freeAddress() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(`http://127.0.0.1:${port}`));
    });
  });
}

export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox"] });

// A page of its own. What its console says against the page's policy is a failure.
export async function open(browser, address, { script, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(error.message));
  page.on("console", (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) page.faults.push(message.text());
  });
  if (script) await page.addInitScript(script);
  await page.goto(address);
  return page;
}

export async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

// What axe finds that keeps somebody out.
export async function barriers(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return bad.map(({ id, nodes }) => [id, nodes[0].html]);
}

// In light and dark, wide and narrow: nothing keeps anybody out, and nothing stands out sideways.
export async function isForEveryone(page) {
  assert.deepEqual(await barriers(page), []);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 360, height: 740 });
  assert.deepEqual(await barriers(page), []);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `${wide} px`);
}

// Types and chooses these in the form of a list, by their labels, and asks for what they fit. The address keeps them,
// and so does the form.
export async function filter(page, chosen, address, button = "Filter") {
  const field = (label) => page.getByRole("main").getByLabel(label, { exact: true });
  for (const [label, value] of Object.entries(chosen)) {
    const is = await field(label).evaluate((element) => element.localName);
    await (is === "select" ? field(label).selectOption(value) : field(label).fill(value));
  }
  await page.getByRole("button", { name: button }).click();
  await page.waitForURL((url) => [...new URLSearchParams(address)].every(([key, value]) => url.searchParams.get(key) === value));
  for (const [label, value] of Object.entries(chosen)) assert.equal(await field(label).inputValue(), value);
}

// Posts what the service would.
export async function post(base, body) {
  const answer = await fetch(`${base}/hooks/azure-devops`, { method: "POST", body });
  assert.equal(answer.status, 202);
}

// A run that nobody had heard of, as the service would tell of it.
export async function tell(base, id, name, { project = "8dea9aba-0000-0000-0000-000000000001", organization = "fabrikam", commit } = {}) {
  const pipeline = id - 80_000;
  const url = `https://dev.azure.com/${organization}/_apis/pipelines/${pipeline}/runs/${id}`;
  const repository = { type: "azureReposGit", fullName: name };
  const run = {
    pipeline: { url, id: pipeline, name }, state: "inProgress", createdDate: new Date().toISOString(), url, id,
    name: "1", _links: { web: { href: url } },
    resources: commit && { repositories: { self: { repository, refName: "refs/heads/main", version: commit } } },
  };
  const body = {
    eventType: "ms.vss-pipelines.run-state-changed-event", publisherId: "pipelines",
    resource: { run, pipeline: { url, id: pipeline, name }, projectId: project },
    resourceVersion: "5.1-preview.1", createdDate: new Date().toISOString(),
  };
  await post(base, JSON.stringify(body));
}
