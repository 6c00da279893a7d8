// What tests of the page share: headless Chromium ($CHROMIUM), a plain static server, and the page.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, beforeEach } from "node:test";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const WEB = path.join(ROOT, "build/web");
const { chromium } = createRequire(path.join(ROOT, "build/npm/package.json"))("playwright-core");
/** What vectors.py wrote. */
export const read = (name) => JSON.parse(fs.readFileSync(path.join(ROOT, "build/web-tests", name)));
const SLOW = 60_000; // milliseconds, on a machine that is busy
const QUICK = 10_000; // within which files are refused

const axe = fs.readFileSync(path.join(ROOT, "build/npm/node_modules/axe-core/axe.min.js"), "utf8");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
let browser, server;
export let address; // of the server
export let page;
export let complaints = []; // errors that nothing caught

/** Sends files, and knows as few types as the simplest servers do. */
function serve(request, response) {
  const name = path.join(WEB, decodeURIComponent(new URL(request.url, "http://x").pathname));
  const file = name.endsWith("/") ? `${name}index.html` : name;
  if (!file.startsWith(WEB) || !fs.existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { "Content-Type": TYPES[path.extname(file)] ?? "application/octet-stream" });
  return fs.createReadStream(file).pipe(response);
}

before(async () => {
  server = http.createServer(serve);
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  address = `http://127.0.0.1:${server.address().port}/`;
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  server.close();
});

/** Opens the page anew, with the thumbnails. */
export async function openPage(options = {}, search = "?file=samples/thumbnails.mscn") {
  await page?.context().close();
  const context = await browser.newContext({ reducedMotion: "reduce", serviceWorkers: "block", ...options });
  page = await context.newPage();
  page.setDefaultTimeout(SLOW);
  complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(address + search);
  await shows("thumbnails.mscn");
}

/** What axe finds wrong. */
export async function violations() {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => window.axe.run());
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

beforeEach(() => openPage());

/** Waits until an item of a file is shown. */
export async function shows(name, item = 0) {
  await page.waitForFunction((wanted) => document.getElementById("result").dataset.shown === wanted
    && !document.getElementById("result").hidden, `${name} ${item}`);
}

/** Does something and waits until the picture is drawn as it then should be. */
export async function settled(action) {
  await page.evaluate(() => {
    const canvas = document.getElementById("picture");
    window.isSettled = new Promise((done) => canvas.addEventListener("settled", done, { once: true }));
  });
  await action();
  await page.evaluate(() => window.isSettled);
  await drawn();
}

/** Waits until what was asked to be drawn is. */
export const drawn = () => page.evaluate(() =>
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** The scale that the page says it shows a picture at. */
export const percent = async () => parseFloat(await page.textContent("#scale-text"));

/** Gives files to the page, each [name, bytes]. */
export function give(...files) {
  return page.setInputFiles("#file", files.map(([name, buffer]) =>
    ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(buffer) })));
}

/** RGBA of a canvas. */
export async function pixelsOf(id) {
  const [width, height, text] = await page.evaluate((id) => {
    const canvas = document.getElementById(id);
    const { width, height } = canvas;
    const copy = new OffscreenCanvas(width, height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, width, height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768) {
      text += String.fromCharCode(...data.subarray(i, i + 32768));
    }
    return [width, height, btoa(text)];
  }, id);
  return { width, height, data: Buffer.from(text, "base64") };
}

/** Gives files that are refused, soon and in one line. */
export async function refused(files, pattern) {
  const began = Date.now();
  await give(...files);
  await page.waitForFunction(() => !document.getElementById("error").hidden);
  assert.ok(Date.now() - began < QUICK, `took ${Date.now() - began} ms`);
  const text = await page.textContent("#error");
  assert.match(text, pattern);
  assert.ok(!text.includes("\n") && text.length < 250, text);
}

export const golden = (name) => fs.readFileSync(path.join(ROOT, "tests/golden", name));
export const sample = (name) => fs.readFileSync(path.join(WEB, "samples", name));

/** Gives a PNG of Python's to the page, at a quality. */
export async function encodes(name, quality) {
  const vector = read("encoded.json").find((one) => one.name === name && one.quality === quality);
  await page.evaluate((value) => {
    delete document.getElementById("result").dataset.encoded;
    document.getElementById("quality").value = value;
    document.getElementById("quality").dispatchEvent(new Event("input"));
  }, quality);
  await give(["given.png", Buffer.from(vector.png, "base64")]);
  await page.waitForFunction((wanted) => document.getElementById("result").dataset.encoded === wanted,
    `given.png ${Math.round(16 * quality)}`);
  const bytes = fs.readFileSync(await saved());
  return { bytes, expected: Buffer.from(vector.file, "base64") };
}

/** Where the browser has put what "Save .mscn" saves. */
export async function saved() {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  assert.equal(download.suggestedFilename(), "given.mscn");
  return download.path();
}
