// What is promised of the first ten seconds: whoever starts the demo and opens its address sees a living dashboard.
// It is about the program that people get, so scripts/test runs it on that, alone: `PIPETRAIL=target/release/pipetrail`.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createInterface } from "node:readline";
import { close, launch, open, run } from "./program.js";

test("within ten seconds of the start a newcomer sees what runs, what failed and why", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pipetrail-newcomer-"));
  const browser = await launch();
  const from = Date.now();
  const demo = run(["demo", "--listen", "127.0.0.1:0", "--data", join(folder, "demo.db")]);
  try {
    const address = new Promise((resolve) => {
      createInterface({ input: demo.stdout }).on("line", (line) => {
        const found = /^The dashboard: (http:\S+)$/.exec(line)?.[1];
        if (found) resolve(found);
      });
    });
    const page = await open(browser, await Promise.race([demo.failed, address]));
    await page.getByRole("region", { name: "Running now" }).locator("progress").first().waitFor();
    await page.locator(".error-line").first().waitFor();
    await page.getByRole("columnheader", { name: "production" }).waitFor();
    const took = Date.now() - from;
    assert.ok(took < 10_000, `${took} ms`);
    await close(page);
  } finally {
    await demo.stop();
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
});
