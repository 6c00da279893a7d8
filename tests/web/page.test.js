// The page end to end, in headless Chromium ($CHROMIUM), from a plain static server.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { crc32 } from "../../build/web/container.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const WEB = path.join(ROOT, "build/web");
const { chromium } = createRequire(path.join(ROOT, "build/npm/package.json"))("playwright-core");
const read = (name) => JSON.parse(fs.readFileSync(path.join(ROOT, "build/web-tests", name)));
const SLOW = 60_000; // milliseconds, on a machine that is busy
const QUICK = 10_000; // within which files are refused

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
let browser, server, address, page;
let complaints = [];

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

async function openPage(options = {}) {
  await page?.close();
  page = await browser.newPage({ reducedMotion: "reduce", ...options });
  page.setDefaultTimeout(SLOW);
  complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(address);
  await shows("parrots.mscn");
}

beforeEach(() => openPage());

/** Waits until a file is shown, its zooms included. */
async function shows(name) {
  await page.waitForFunction((name) => {
    const fact = document.querySelector("#facts dd")?.textContent;
    return fact === name && !document.getElementById("result").hidden
      && document.getElementById("zooms").dataset.box;
  }, name);
}

/** Waits for the zooms of the box that there is now. */
async function zoomed(action) {
  await page.evaluate(() => (document.getElementById("zooms").dataset.box = ""));
  await action();
  await page.waitForFunction(() => document.getElementById("zooms").dataset.box);
  return page.evaluate(() => JSON.parse(document.getElementById("zooms").dataset.box));
}

function give(...files) {
  return page.setInputFiles("#file", files.map(([name, buffer]) =>
    ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(buffer) })));
}

/** RGBA of a canvas. */
async function pixelsOf(id) {
  const [width, height, text] = await page.evaluate((id) => {
    const canvas = document.getElementById(id);
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let text = "";
    for (let i = 0; i < data.length; i += 32768) {
      text += String.fromCharCode(...data.subarray(i, i + 32768));
    }
    return [width, height, btoa(text)];
  }, id);
  return { width, height, data: Buffer.from(text, "base64") };
}

function worstDifference({ data }, expected) {
  assert.equal(data.length, expected.length);
  return data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i])), 0);
}

const errorText = () => page.textContent("#error");

async function refused(files, pattern) {
  const began = Date.now();
  await give(...files);
  await page.waitForFunction(() => !document.getElementById("error").hidden);
  assert.ok(Date.now() - began < QUICK, `took ${Date.now() - began} ms`);
  const text = await errorText();
  assert.match(text, pattern);
  assert.ok(!text.includes("\n") && text.length < 250, text);
}

const golden = (name) => fs.readFileSync(path.join(ROOT, "tests/golden", name));
const sample = (name) => fs.readFileSync(path.join(WEB, "samples", name));

test("samples show Python's pixels, their bytes and their rate", async (t) => {
  for (const { file, title } of JSON.parse(sample("samples.json"))) {
    await page.getByRole("button", { name: title }).click();
    await shows(file);
    const facts = await page.innerText("#facts");
    const size = sample(file).length;
    assert.ok(facts.includes(size.toLocaleString("en")), facts);
    t.diagnostic(facts.replaceAll("\n", " "));
    const vector = read("pictures.json").find(({ name }) => name === file);
    if (!vector) continue; // a field
    const shown = await pixelsOf("picture");
    assert.deepEqual([shown.height, shown.width], vector.shape.slice(0, 2));
    assert.ok(worstDifference(shown, Buffer.from(vector.pixels, "base64")) <= 1);
    const [height, width] = vector.shape;
    const rate = (8 * size) / (height * width * (vector.items ?? 1));
    assert.ok(facts.includes(rate.toFixed(3)), facts);
  }
  assert.deepEqual(complaints, []);
});

test("the slider evaluates the function at new points", async () => {
  await page.getByRole("button", { name: "Thumbnails" }).click();
  await shows("thumbnails.mscn");
  const vector = read("zoom.json");
  const box = await zoomed(() => page.locator("#zoom").fill(String(vector.zoom)));
  assert.deepEqual(box, vector.box);
  const evaluated = await pixelsOf("evaluated");
  assert.deepEqual([evaluated.height, evaluated.width], vector.shape.slice(0, 2));
  assert.ok(worstDifference(evaluated, Buffer.from(vector.pixels, "base64")) <= 1);
  // The bicubic zoom is alike, and not the same.
  const bicubic = await pixelsOf("bicubic");
  let sum = 0;
  evaluated.data.forEach((value, i) => (sum += Math.abs(value - bicubic.data[i])));
  const mean = sum / evaluated.data.length;
  assert.ok(mean > 0.05 && mean < 20, `differ by ${mean}`);
});

test("a box is dragged, and moved with the keyboard", async () => {
  const frame = await page.locator("#picture").boundingBox();
  const at = (x, y) => [frame.x + x * frame.width, frame.y + y * frame.height];
  const dragged = await zoomed(async () => {
    await page.mouse.move(...at(0.25, 0.25));
    await page.mouse.down();
    await page.mouse.move(...at(0.5, 0.5), { steps: 3 });
    await page.mouse.up();
  });
  dragged.start.forEach((start, axis) =>
    assert.ok(Math.abs(start - [128, 192][axis]) <= 4, JSON.stringify(dragged)));
  dragged.extent.forEach((side, axis) => assert.ok(Math.abs(side - [128, 192][axis]) <= 4));
  await page.focus("#picture");
  const moved = await zoomed(() => page.keyboard.press("ArrowRight"));
  assert.ok(moved.start[1] > dragged.start[1] && moved.start[0] === dragged.start[0]);
  const smaller = await zoomed(() => page.keyboard.press("+"));
  assert.ok(smaller.extent[0] < moved.extent[0]);
  const all = await zoomed(() => page.keyboard.press("0"));
  assert.deepEqual(all, { start: [0, 0], extent: [512, 768] });
});

test("everything is reached with the keyboard", async () => {
  const reached = new Set();
  await page.locator("body").focus();
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
  }
  for (const name of ["file", "Thumbnails", "picture", "zoom"]) {
    assert.ok(reached.has(name), [...reached].join());
  }
  await page.getByRole("button", { name: "Thumbnails" }).press("Enter");
  await shows("thumbnails.mscn");
  await page.getByRole("button", { name: "Next item" }).press("Enter");
  await page.waitForFunction(() => document.getElementById("item").value === "1");
});

test("a file of another codec asks for its bundle, and then opens", async () => {
  await refused([["v1.mscn", golden("v1_picture.mscn")]], /not on this page; drop its \.mscnb/);
  await give(["v1.mscnb", golden("v1.mscnb")]);
  await shows("v1.mscn");
  await give(
    ["both.mscn", golden("v1pyramid_picture.mscn")], ["v1pyramid.mscnb", golden("v1pyramid.mscnb")],
  );
  await shows("both.mscn");
  const [vector] = read("pictures.json").filter(({ name, view }) =>
    name === "v1pyramid_picture.mscn" && view.item === 0);
  assert.ok(worstDifference(await pixelsOf("picture"), Buffer.from(vector.pixels, "base64")) <= 1);
  assert.deepEqual(complaints, []);
});

test("files are dropped", async () => {
  const transfer = await page.evaluateHandle((bytes) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(bytes)], "dropped.mscn"));
    return transfer;
  }, [...sample("thumbnails.mscn")]);
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await shows("dropped.mscn");
});

/** A file of one picture, of correct checksum, that says what it likes. */
function claiming(bundleId, edge, height, width, payload = []) {
  const varint = (value) => {
    const bytes = [];
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    return [...bytes, value];
  };
  const u32 = (value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
  const head = [
    ...Buffer.from("MSCN"), 1, 7, ...bundleId, 0, ...varint(edge), 3, 1, 1, ...varint(height),
    ...varint(width), 80, 3, ...varint(payload.length),
  ];
  const checked = [...head, ...u32(crc32(Uint8Array.from(head)))];
  return [...checked, ...payload, ...u32(crc32(Uint8Array.from(payload)))];
}

test("a field turns on a globe", async (t) => {
  const button = page.getByRole("button", { name: "Temperatures" });
  if (!(await button.count())) return t.skip("no codec of fields is shipped");
  await button.click();
  await shows("planet.mscn");
  await page.waitForFunction(() => document.getElementById("warmest").textContent.includes("°C"));
  const drawn = async () => {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    return pixelsOf("globe");
  };
  const before = await drawn();
  const middle = 4 * (180 * 360 + 180);
  assert.equal(before.data[middle + 3], 255); // the disc
  assert.equal(before.data[3], 0); // and around it nothing
  await page.focus("#globe");
  await page.keyboard.press("ArrowRight");
  assert.notDeepEqual((await drawn()).data, before.data);
  await page.getByRole("button", { name: "Turn" }).click();
  const one = await drawn();
  await page.waitForTimeout(200);
  assert.notDeepEqual((await drawn()).data, one.data);
  await page.getByRole("button", { name: "Stop" }).click();
  return assert.deepEqual(complaints, []);
});

test("bad files are refused quickly, in one line", async () => {
  const parrots = sample("parrots.mscn");
  const bundleId = parrots.subarray(6, 14);
  const flipped = (at) => {
    const bytes = Buffer.from(parrots);
    bytes[at] ^= 16;
    return bytes;
  };
  const huge = claiming(bundleId, 1024, 100000, 100000, Array(20).fill(0));
  assert.ok(huge.length < 70);
  await refused([["huge.mscn", huge]], /huge\.mscn: .*100000x100000 is over the limit/);
  await refused([["wide.mscn", claiming(bundleId, 1024, 16384, 16384)]], /too short for 256 blocks/);
  await refused(
    [["big.mscn", claiming(bundleId, 2 ** 20, 16384, 16384)]], /too large for this page/,
  );
  await refused([["other.mscn", claiming(bundleId, 512, 64, 64)]], /disagrees with codec photo/);
  await refused([["cut.mscn", parrots.subarray(0, 5000)]], /cut\.mscn: damaged or cut short/);
  await refused([["nothing.mscn", []]], /not a \.mscn file/);
  await refused([["text.mscn", Buffer.from("hello")]], /not a \.mscn file/);
  for (const at of [4, 5, 9, 14, 20, 30, 5000, parrots.length - 1]) {
    await refused([[`bit${at}.mscn`, flipped(at)]], /damaged|version|disagrees|not on this page/);
  }
  const bundle = golden("v1.mscnb");
  await refused([["wrong.mscnb", bundle.subarray(0, 40000)]], /not a codec bundle, or damaged/);
  const noisy = Buffer.from(bundle);
  noisy[1000] ^= 255;
  await refused([["noisy.mscnb", noisy]], /damaged/);
  // A payload of noise decodes to noise or is refused; either way the page goes on.
  await give(["noise.mscn", claiming(bundleId, 1024, 64, 64, Array.from({ length: 200 }, (_, i) => (i * 7919) % 256))]);
  await page.waitForFunction(() => document.querySelector("#facts dd").textContent === "noise.mscn"
    || !document.getElementById("error").hidden);
  await page.getByRole("button", { name: "Thumbnails" }).click();
  await shows("thumbnails.mscn");
  assert.deepEqual(complaints, []);
});

test("a phone shows it without scrolling sideways", async () => {
  await openPage({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  assert.ok(width <= 360, `${width} pixels wide`);
  const frame = await page.locator("#evaluated").boundingBox();
  assert.ok(frame.width > 250);
});
