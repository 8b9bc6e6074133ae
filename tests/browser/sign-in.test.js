// Signing in at a provider of OpenID Connect, as people do it.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { close, freeAddress, isForEveryone, launch, open, tell, until, up } from "./program.js";
import { startProvider } from "./provider.js";

const STORE = "8dea9aba-0000-0000-0000-00000000000a";
const BANK = "8dea9aba-0000-0000-0000-00000000000b";
const PEOPLE = { Ada: { groups: ["g-all"] }, Ben: { groups: ["g-store", "g-other"] }, Eve: { groups: ["g-other"] } };

let browser;
let folder;
let provider;
let base;
let program;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "pipetrail-sign-in-"));
  base = await freeAddress();
  provider = await startProvider(PEOPLE, `${base}/login/callback`);
  const config = join(folder, "pipetrail.toml");
  await writeFile(config, `
    public_url = "${base}"
    [oidc]
    issuer = "${provider.issuer}"
    client_id = "${provider.client.id}"
    client_secret_env = "CLIENT_SECRET"
    groups = [
      { group = "g-all", rights = "read" },
      { group = "g-store", rights = "read", projects = ["${STORE}"] },
    ]
  `);
  const args = ["--config", config, "--data", join(folder, "data.db")];
  program = await up(base, args, { CLIENT_SECRET: provider.client.secret });
  await tell(base, 90_001, "storefront", { project: STORE });
  await tell(base, 90_002, "ledger", { project: BANK });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  await provider?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

// From the page to sign in on, as this person.
async function signIn(page, who) {
  await page.getByRole("link", { name: "Sign in with your organization" }).click();
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  assert.equal(new URL(page.url()).origin, provider.issuer);
  await page.getByRole("link", { name: who }).click();
}

async function session(page) {
  const cookies = await page.context().cookies(base);
  return cookies.find(({ name }) => name.endsWith("pipetrail-session"));
}

// The pipelines whose runs this page shows, once there are as many.
async function pipelines(page, count) {
  const rows = page.locator("tbody tr");
  await until(async () => (await rows.count()) === count || (await page.reload(), false));
  return (await page.locator("main").innerText()).match(/storefront|ledger/g).sort().filter((name, at, all) => all.indexOf(name) === at);
}

test("a person comes back from the provider with a session, and sees what their groups may", async () => {
  const page = await open(browser, `${base}/runs?state=inProgress`);
  await page.waitForURL(/\/login\?next=/);
  await isForEveryone(page);
  await signIn(page, "Ben");
  await page.waitForURL(`${base}/runs?state=inProgress`);
  const { httpOnly, sameSite } = await session(page);
  assert.deepEqual([httpOnly, sameSite], [true, "Strict"]);
  assert.deepEqual(await pipelines(page, 1), ["storefront"]);
  assert.ok(await page.locator(".who").getByText("Ben").isVisible());
  assert.equal((await page.goto(`${base}/runs/90002`)).status(), 404);
  assert.deepEqual(provider.refused, []);
  await close(page);
});

test("who signs out is asked again, and may come as somebody else", async () => {
  const page = await open(browser, base);
  await signIn(page, "Ben");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await session(page), undefined);
  await page.goto(`${base}/runs`);
  await page.waitForURL(/\/login\?next=%2Fruns/);
  await signIn(page, "Ada");
  await page.waitForURL(`${base}/runs`);
  assert.deepEqual(await pipelines(page, 2), ["ledger", "storefront"]);
  await close(page);
});

// What the page to sign in says went wrong.
async function told(page) {
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await isForEveryone(page);
  assert.equal(await session(page), undefined);
  return page.getByRole("alert").innerText();
}

test("who cancels at the provider, or has no group, is told so and can try again", async () => {
  const page = await open(browser, `${base}/runs`);
  await signIn(page, "Cancel");
  assert.match(await told(page), /cancelled/);
  await signIn(page, "Eve");
  assert.match(await told(page), /none of your groups may read here/);
  await signIn(page, "Ben");
  await page.waitForURL(`${base}/runs`);
  await close(page);
});

test("an answer of the provider to another question is not taken", async () => {
  const page = await open(browser, `${base}/runs`);
  await signIn(page, "Mix up");
  assert.match(await told(page), /try again/);
  await signIn(page, "Ada");
  await page.waitForURL((url) => url.origin === base && !url.pathname.startsWith("/login"));
  assert.ok(await session(page));
  await close(page);
});
