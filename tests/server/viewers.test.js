// Leaflet and OpenSeadragon in headless Chromium ($CHROMIUM), before `mscn serve` at its limits'
// defaults: no tile is missing.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const VIEWER = path.join(ROOT, "build/viewer");
const MODULES = path.join(ROOT, "build/viewer-npm/node_modules");
const MSCN = process.env.MSCN ?? path.join(ROOT, ".venv/bin/mscn");
const { chromium } = createRequire(path.join(MODULES, "x.js"))("playwright-core");
const SLOW = 120_000; // milliseconds, on a machine that is busy
const SIZE = [768, 512];
const FIVE = [0, 1, 2, 3, 4];

const LEAFLET = (tiles) => `<!doctype html><link rel="stylesheet" href="leaflet.css">
<div id="map" style="width:800px;height:600px"></div><script src="leaflet.js"></script><script>
const map = L.map("map", { crs: L.CRS.Simple, zoomAnimation: false, fadeAnimation: false });
const at = (x, y) => map.unproject([x, y], 2);
const bounds = L.latLngBounds(at(0, ${SIZE[1]}), at(${SIZE[0]}, 0));
const seen = { loaded: 0, failed: 0, idle: false };
L.tileLayer("${tiles}/{z}/{x}/{y}.png", { bounds, noWrap: true, maxZoom: 4 })
  .on("loading", () => (seen.idle = false)).on("load", () => (seen.idle = true))
  .on("tileload", () => seen.loaded++).on("tileerror", () => seen.failed++).addTo(map);
map.setView(bounds.getCenter(), 2);
</script>`;

let folder, server, address, browser, site, elsewhere;

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "mscn-viewers-"));
  execFileSync(MSCN, ["encode", "-q", "--effort=1", path.join(ROOT, "demo/kodim.png"),
    path.join(folder, "kodim.mscn")]);
  server = spawn(MSCN, ["serve", "--codec=photo", `--files=${folder}`, "--port=0",
    `--viewer=${VIEWER}`], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await new Promise((ready) =>
    readline.createInterface(server.stdout).once("line", (...lines) => ready(lines)));
  address = new URL("/", line).href;
  while (!(await fetch(`${address}health`).catch(() => false)).ok);
  site = http.createServer((request, response) => {
    if (request.url === "/") return response.end(LEAFLET(`${address}tiles/kodim`));
    const file = path.join(MODULES, "leaflet/dist", path.basename(request.url));
    return fs.existsSync(file) ? fs.createReadStream(file).pipe(response)
      : response.writeHead(404).end();
  });
  await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
  elsewhere = `http://127.0.0.1:${site.address().port}/`;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  site?.close();
  server?.kill();
  fs.rmSync(folder, { recursive: true });
});

/** A page of a browser of its own, and statuses of all that it is answered from the server. */
async function opened(url, part) {
  const page = await (await browser.newContext({ viewport: { width: 1000, height: 800 } })).newPage();
  page.setDefaultTimeout(SLOW);
  const answers = [];
  page.on("response", (response) => {
    if (response.url().includes(part)) answers.push([response.status(), response.url()]);
  });
  await page.goto(url);
  return { page, answers };
}

const wrong = (answers) => answers.filter(([status]) => status !== 200 && status !== 304);

test("five Leaflets at once lack no tile", async () => {
  await Promise.all(FIVE.map(async () => {
    const { page, answers } = await opened(elsewhere, "/tiles/");
    const idle = () => page.waitForFunction("seen.idle");
    await idle();
    for (const zoom of [3, 4, 2, 0, 1]) {
      await page.evaluate(`map.setZoom(${zoom})`);
      await idle();
    }
    // Maps draw every tile 256 pixels wide: one that is smaller would be stretched.
    const sides = await page.$$eval(".leaflet-tile", (tiles) =>
      tiles.flatMap(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]));
    assert.deepEqual(sides, sides.map(() => 256));
    const { loaded, failed } = await page.evaluate("seen");
    assert.deepEqual([failed, wrong(answers)], [0, []]);
    assert.ok(loaded >= 25, `${loaded} tiles`);
  }));
});

test("five OpenSeadragons at once lack no tile", async () => {
  await Promise.all(FIVE.map(async () => {
    const { page, answers } = await opened(`${address}view/?id=kodim`, "/iiif/");
    const shown = () => page.waitForFunction(
      () => OpenSeadragon.getViewer("picture").world.getItemAt(0)?.getFullyLoaded());
    await shown();
    for (const key of ["+", "+", "+"]) {
      await page.locator(".openseadragon-canvas").first().press(key);
      await page.waitForTimeout(300);
      await shown();
    }
    assert.deepEqual(wrong(answers), []);
    assert.ok(answers.length >= 7, `${answers.length} answers`);
    assert.equal(await page.locator("#problem").isVisible(), false);
    assert.match(await page.locator("#facts").textContent(), /kodim: 768×512, 3 channels, photo/);
  }));
});

test("what the viewer can't show is said in a line", async () => {
  const { page } = await opened(`${address}view/?id=nothing`, "/");
  await page.waitForFunction(() => !document.getElementById("problem").hidden);
  assert.equal(await page.locator("#problem").textContent(), "there is no file nothing");
});
