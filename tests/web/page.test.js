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

const axe = fs.readFileSync(path.join(ROOT, "build/npm/node_modules/axe-core/axe.min.js"), "utf8");
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

async function openPage(options = {}, search = "?file=samples/thumbnails.mscn") {
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
async function violations() {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() => window.axe.run());
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

beforeEach(() => openPage());

/** Waits until an item of a file is shown. */
async function shows(name, item = 0) {
  await page.waitForFunction((wanted) => document.getElementById("result").dataset.shown === wanted
    && !document.getElementById("result").hidden, `${name} ${item}`);
}

/** Does something and waits until the picture is drawn as it then should be. */
async function settled(action) {
  await page.evaluate(() => {
    const canvas = document.getElementById("picture");
    window.isSettled = new Promise((done) => canvas.addEventListener("settled", done, { once: true }));
  });
  await action();
  await page.evaluate(() => window.isSettled);
  await drawn();
}

/** Waits until what was asked to be drawn is. */
const drawn = () => page.evaluate(() =>
  new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

const percent = async () => parseFloat(await page.textContent("#scale-text"));

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

test("examples show what they are, and Python's pixels", async () => {
  for (const { file, title } of JSON.parse(sample("samples.json"))) {
    if (!file.endsWith(".mscn")) continue;
    await page.getByRole("button", { name: title, exact: true }).click();
    await shows(file);
    const facts = await page.innerText("#facts");
    const size = sample(file).length;
    assert.ok(facts.includes(size.toLocaleString("en")), facts);
    const vector = read("pictures.json").find(({ name }) => name === file);
    if (!vector) continue; // no picture
    const [height, width] = vector.shape;
    const rate = (8 * size) / (height * width * (vector.items ?? 1));
    assert.ok(facts.includes(rate.toFixed(3)), facts);
    if (width < 100) continue;
    await settled(() => page.getByRole("button", { name: "100%" }).click());
    const pixels = await shownPixels(width, height);
    const expected = Buffer.from(vector.pixels, "base64");
    const worst = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    assert.ok(worst <= 1, `differs by ${worst}`);
  }
  assert.deepEqual(complaints, []);
});

/** RGBA of a picture that lies in the middle of the canvas at 100%. */
async function shownPixels(width, height) {
  const canvas = await pixelsOf("picture");
  assert.equal(await percent(), 100);
  const [x, y] = [Math.round((canvas.width - width) / 2), Math.round((canvas.height - height) / 2)];
  assert.ok(x >= 0 && y >= 0, `the window has no room: ${x}, ${y}`);
  const pixels = Buffer.alloc(4 * width * height);
  for (let row = 0; row < height; row++) {
    const from = 4 * ((y + row) * canvas.width + x);
    canvas.data.copy(pixels, 4 * row * width, from, from + 4 * width);
  }
  return pixels;
}

test("a picture is evaluated at the points that are seen, beside a plain enlargement", async () => {
  const { width, height, data } = await pixelsOf("picture");
  assert.equal(data[4 * (Math.floor(height / 2) * width + Math.floor(width / 2)) + 3], 255);
  await settled(() => page.locator("#compare").check());
  await page.waitForTimeout(500);
  const split = await pixelsOf("picture");
  await page.locator("#split").fill("0");
  await drawn();
  const bicubic = await pixelsOf("picture");
  await page.locator("#split").fill("1");
  await drawn();
  const evaluated = await pixelsOf("picture");
  let sum = 0;
  evaluated.data.forEach((value, i) => (sum += Math.abs(value - bicubic.data[i])));
  assert.ok(sum / evaluated.data.length > 0.02 && sum / evaluated.data.length < 20, `differ by ${sum}`);
  assert.notDeepEqual(split.data, evaluated.data);
});

test("wheel, buttons, drag and keys move the picture", async () => {
  const fitted = await percent();
  const frame = await page.locator("#picture").boundingBox();
  const middle = [frame.x + frame.width / 2, frame.y + frame.height / 2];
  await page.mouse.move(...middle);
  await page.mouse.wheel(0, -800);
  await page.waitForFunction((before) => parseFloat(document.getElementById("scale-text").textContent) > before, fitted);
  const wheeled = await percent();
  assert.ok(Math.abs(wheeled / fitted - 2 ** 1.2) < 0.1, `${fitted} to ${wheeled}`);
  const before = await pixelsOf("picture");
  await page.mouse.down();
  await page.mouse.move(middle[0] - 60, middle[1] - 40, { steps: 3 });
  await page.mouse.up();
  await drawn();
  assert.notDeepEqual((await pixelsOf("picture")).data, before.data);
  await page.getByRole("button", { name: "Larger" }).click();
  assert.ok(await percent() > wheeled);
  await page.focus("#picture");
  await page.keyboard.press("-");
  assert.ok(Math.abs(await percent() - wheeled) <= 1);
  await page.keyboard.press("0");
  assert.equal(await percent(), fitted);
  assert.deepEqual(complaints, []);
});

test("everything is reached with the keyboard", async () => {
  const reached = new Set();
  await page.locator("body").focus();
  for (let i = 0; i < 24; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
  }
  for (const name of ["file", "Thumbnails", "next", "picture", "fit", "own", "compare"]) {
    assert.ok(reached.has(name), [...reached].join());
  }
  await page.getByRole("button", { name: "Next item" }).press("Enter");
  await shows("thumbnails.mscn", 1);
});

test("a file of another codec asks for its bundle, and then opens", async () => {
  await refused([["v1.mscn", golden("v1_picture.mscn")]], /not on this page; drop its \.mscnb/);
  await give(["v1.mscnb", golden("v1.mscnb")]);
  await shows("v1.mscn");
  await give(
    ["both.mscn", golden("v1pyramid_picture.mscn")], ["v1pyramid.mscnb", golden("v1pyramid.mscnb")],
  );
  await shows("both.mscn");
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

const planet = "Temperatures of a made-up planet";

test("a field is a map, north up, with its values, and a globe", async () => {
  await page.getByRole("button", { name: planet }).click();
  await shows("planet.mscn");
  const frame = await page.locator("#picture").boundingBox();
  const under = async (y) => {
    await page.mouse.move(frame.x + frame.width / 2, frame.y + frame.height / 2 + y);
    return page.textContent("#value");
  };
  assert.match(await under(-40), /^-?[\d.]+ °C at [\d.]+° N, [\d.]+° [EW]$/);
  assert.match(await under(40), /° S, /);
  const before = await pixelsOf("globe");
  const middle = 4 * (180 * 360 + 180);
  assert.equal(before.data[middle + 3], 255); // the disc
  assert.equal(before.data[3], 0); // and around it nothing
  await page.focus("#globe");
  await page.keyboard.press("ArrowRight");
  await drawn();
  assert.notDeepEqual((await pixelsOf("globe")).data, before.data);
  await page.getByRole("button", { name: "Turn" }).click();
  const one = await pixelsOf("globe");
  await page.waitForTimeout(200);
  assert.notDeepEqual((await pixelsOf("globe")).data, one.data);
  await page.getByRole("button", { name: "Stop" }).click();
  assert.deepEqual(complaints, []);
});

test("sounds play, scans are cut, and shapes turn", async () => {
  await page.getByRole("button", { name: "Sound", exact: true }).click();
  await shows("notes.mscn");
  assert.match(await page.textContent("#sound-text"), /^1\.50 seconds$/);
  const wave = await pixelsOf("wave");
  assert.ok(wave.data.some((value) => value));
  await page.getByRole("button", { name: "Play" }).click();
  await page.getByRole("button", { name: "Stop" }).click();

  await page.getByRole("button", { name: "Scan", exact: true }).click();
  await shows("scan.mscn");
  const one = await pixelsOf("picture");
  await page.locator("#slice").fill("5");
  await page.waitForFunction(() => document.getElementById("result").dataset.slice === "0 5");
  await drawn();
  assert.notDeepEqual((await pixelsOf("picture")).data, one.data);
  await page.locator("#plane").selectOption("2");
  await page.waitForFunction(() => document.getElementById("result").dataset.slice === "2 15");

  await page.getByRole("button", { name: "Shape", exact: true }).click();
  await shows("ring.mscn");
  assert.match(await page.innerText("#facts"), /Triangles\n\d{4}/);
  const angles = () => page.evaluate(() => document.getElementById("solid").dataset.angles);
  const first = await angles();
  const look = await page.locator("#solid").screenshot();
  await page.focus("#solid");
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await angles(), first);
  assert.notDeepEqual(await page.locator("#solid").screenshot(), look);
  assert.deepEqual(complaints, []);
});

/** Gives a PNG of Python's to the page, at a quality. */
async function encodes(name, quality) {
  const vector = read("encoded.json").find((one) => one.name === name && one.quality === quality);
  await page.evaluate((value) => {
    document.getElementById("quality").value = value;
    document.getElementById("quality").dispatchEvent(new Event("input"));
  }, quality);
  await give(["given.png", Buffer.from(vector.png, "base64")]);
  await page.waitForFunction((wanted) => document.getElementById("result").dataset.encoded === wanted,
    `given.png ${Math.round(16 * quality)}`);
  const bytes = await page.evaluate(async () => {
    const saved = await (await fetch(document.getElementById("save").href)).arrayBuffer();
    return Array.from(new Uint8Array(saved));
  });
  return { bytes: Buffer.from(bytes), expected: Buffer.from(vector.file, "base64") };
}

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
  const [download] = await Promise.all([
    page.waitForEvent("download"), page.getByRole("link", { name: "Save .mscn" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "given.mscn");
  await give(["back.mscn", fs.readFileSync(await download.path())]);
  await shows("back.mscn");
  assert.deepEqual(complaints, []);
});

test("nothing is wrong for those who can't see or point, in light and dark", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await openPage({ colorScheme });
    assert.deepEqual(await violations(), []);
    for (const [title, file] of [[planet, "planet.mscn"], ["Sound", "notes.mscn"], ["Scan", "scan.mscn"], ["Shape", "ring.mscn"]]) {
      await page.getByRole("button", { name: title, exact: true }).click();
      await shows(file);
      assert.deepEqual(await violations(), [], `${title}, ${colorScheme}`);
    }
    await encodes("a part", 1);
    assert.deepEqual(await violations(), [], `encoding, ${colorScheme}`);
  }
});

test("it works without a network once it was there", async () => {
  await openPage({ serviceWorkers: "allow" });
  await page.evaluate(() => navigator.serviceWorker.ready);
  const context = page.context();
  await context.setOffline(true);
  await page.goto(`${address}?file=samples/parrots.mscn`);
  await shows("parrots.mscn");
  await encodes("odd sides", 5.0625);
  assert.deepEqual(complaints, []);
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
  await refused([["text.jpg", Buffer.from("hello")]], /neither a \.mscn file nor a picture/);
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
  await page.waitForFunction(() => document.getElementById("result").dataset.shown === "noise.mscn 0"
    || !document.getElementById("error").hidden);
  await page.getByRole("button", { name: "Thumbnails" }).click();
  await shows("thumbnails.mscn");
  assert.deepEqual(complaints, []);
});

test("a phone shows it without scrolling sideways, and scrolls past pictures", async () => {
  await openPage({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const wide = () => page.evaluate(() => document.scrollingElement.scrollWidth);
  assert.ok(await wide() <= 360, `${await wide()} pixels wide`);
  const touch = () => page.evaluate(() => document.getElementById("picture").style.touchAction);
  assert.equal(await touch(), "pan-y");
  await page.getByRole("button", { name: "Larger" }).click();
  assert.equal(await touch(), "none"); // there is something to drag
  await encodes("a part", 1);
  assert.ok(await wide() <= 360, `${await wide()} pixels wide`);
  const frame = await page.locator("#picture").boundingBox();
  assert.ok(frame.width > 300);
});

test("two fingers pinch", async () => {
  await openPage({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  await page.locator("#picture").scrollIntoViewIfNeeded();
  const frame = await page.locator("#picture").boundingBox();
  const before = await percent();
  const client = await page.context().newCDPSession(page);
  const [x, y] = [frame.x + frame.width / 2, frame.y + frame.height / 2];
  const touch = (type, apart) => client.send("Input.dispatchTouchEvent", {
    type, touchPoints: apart === null ? [] : [{ x: x - apart, y, id: 0 }, { x: x + apart, y, id: 1 }],
  });
  await touch("touchStart", 20);
  for (const apart of [30, 50, 80]) await touch("touchMove", apart);
  await touch("touchEnd", null);
  const ratio = await percent() / before;
  assert.ok(ratio > 3 && ratio < 5, `${ratio}`);
});
