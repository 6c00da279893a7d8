// The page's encoder, in headless Chromium.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import { complaints, encodes, give, page, read, saved, shows } from "./browser.js";

test("a dropped picture is encoded to Python's bytes, beside other formats", async () => {
  for (const name of ["a part", "grey", "a disc", "soft edges"]) {
    const { bytes, expected } = await encodes(name, 5.0625);
    assert.deepEqual(bytes, expected, name);
  }
  await encodes("a part", 5.0625);
  await page.waitForFunction(() => document.getElementById("result").dataset.compared);
  const sizes = await page.innerText("#sizes");
  assert.match(sizes, /JPEG at this PSNR\n[\d.]+ k?B/);
  assert.match(sizes, /WebP at this PSNR/);
  assert.match(sizes, /PSNR\n\d+\.\d+ dB/);
  const before = await page.getAttribute("#result", "data-encoded");
  await page.locator("#quality").fill("3");
  await page.waitForFunction((old) => document.getElementById("result").dataset.encoded !== old, before);
  await page.waitForFunction(() => document.getElementById("save-png").href.startsWith("blob:"));
  await give(["back.mscn", fs.readFileSync(await saved())]);
  await shows("back.mscn");
  assert.deepEqual(complaints, []);
});

test("an encoding can be stopped, and asked for again", async () => {
  const { png } = read("encoded.json").find(({ name }) => name === "several tiles");
  await give(["given.png", Buffer.from(png, "base64")]);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("Stopped"));
  assert.equal(await page.getAttribute("#result", "data-encoded"), null);
  assert.equal(await page.locator("#progress").isVisible(), false);
  assert.equal(await page.locator("#stop").isVisible(), false);
  await page.locator("#quality").fill("1");
  await page.waitForFunction(() => document.getElementById("result").dataset.encoded === "given.png 16");
  assert.deepEqual(complaints, []);
});
