// Sounds, volumes, and what turns: what is heard and drawn, in headless Chromium.

import assert from "node:assert/strict";
import { test } from "node:test";

import { complaints, drawn, give, page, percent, pixelsOf, read, settled, shows } from "./browser.js";

const files = read("page.json");
const bytesOf = (text) => Buffer.from(text, "base64");

/** Opens an example. */
async function example(title, file) {
  await page.getByRole("button", { name: title, exact: true }).click();
  await shows(file);
}

/** Mean of what two drawings differ by. */
const apart = (one, other) =>
  one.data.reduce((sum, value, i) => sum + Math.abs(value - other.data[i]), 0) / one.data.length;

/** How much of a drawing is not empty. */
function filled({ data }) {
  let count = 0;
  for (let i = 3; i < data.length; i += 4) count += data[i] > 127;
  return count / (data.length / 4);
}

/** Checks that something stands in the middle of its canvas, and turns and grows by keys and dragging. */
async function turns() {
  const first = await pixelsOf("solid");
  const { width, height, data } = first;
  assert.equal(data[4 * (Math.floor(height / 2) * width + Math.floor(width / 2)) + 3], 255, "the middle");
  for (const corner of [0, width - 1, (height - 1) * width, height * width - 1]) {
    assert.equal(data[4 * corner + 3], 0, "a corner");
  }
  const share = filled(first);
  assert.ok(share > 0.03 && share < 0.8, `${share} of it`);
  await page.focus("#solid");
  for (const key of ["ArrowLeft", "ArrowUp"]) {
    const before = await pixelsOf("solid");
    await page.keyboard.press(key);
    await drawn();
    assert.ok(apart(before, await pixelsOf("solid")) > 0.5, key);
  }
  const smaller = await pixelsOf("solid");
  await page.keyboard.press("+");
  await drawn();
  assert.ok(filled(await pixelsOf("solid")) > 1.1 * filled(smaller), "+");
  await page.locator("#solid").scrollIntoViewIfNeeded();
  const frame = await page.locator("#solid").boundingBox();
  const before = await pixelsOf("solid");
  await page.mouse.move(frame.x + 100, frame.y + 100);
  await page.mouse.down();
  await page.mouse.move(frame.x + 160, frame.y + 100, { steps: 2 });
  await page.mouse.up();
  await drawn();
  assert.ok(apart(before, await pixelsOf("solid")) > 0.5, "dragging");
  assert.deepEqual(complaints, []);
}

test("a sound plays to its end, as loud as it is", async () => {
  await example("Sound", "notes.mscn");
  assert.match(await page.textContent("#sound-text"), /^1\.50 seconds$/);
  assert.ok((await pixelsOf("wave")).data.some((value) => value));
  await page.evaluate(() => {
    const { start } = AudioBufferSourceNode.prototype;
    AudioBufferSourceNode.prototype.start = function played() {
      const samples = this.buffer.getChannelData(0);
      const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      window.played = { rate: this.buffer.sampleRate, length: samples.length, peak };
      start.call(this);
    };
  });
  await page.getByRole("button", { name: "Play" }).click();
  assert.equal(await page.textContent("#play"), "Stop");
  const { rate, length, peak } = await page.evaluate(() => window.played);
  assert.deepEqual([rate, length], [8000, 12000]);
  assert.ok(peak > 0.5 && peak < 0.7, `${peak}`);
  await page.waitForFunction(() => document.getElementById("play").textContent === "Play");
  assert.deepEqual(complaints, []);
});

test("a volume is cut along each axis, to Python's values", async () => {
  await example("Scan", "scan.mscn");
  const first = await pixelsOf("picture");
  const { number, shape: [height, width], pixels } = files.slice;
  await page.locator("#slice").fill(String(number));
  await page.waitForFunction((wanted) =>
    document.getElementById("result").dataset.slice === wanted, `0 ${number}`);
  await settled(() => page.getByRole("button", { name: "100%" }).click());
  assert.equal(await percent(), 100);
  const canvas = await pixelsOf("picture");
  const [x, y] = [Math.round((canvas.width - width) / 2), Math.round((canvas.height - height) / 2)];
  bytesOf(pixels).forEach((value, i) => {
    const at = (y + Math.floor(i / width)) * canvas.width + x + (i % width);
    assert.ok(Math.abs(canvas.data[4 * at] - value) <= 1, `${canvas.data[4 * at]} for ${value} at ${i}`);
  });
  await page.locator("#plane").selectOption("2");
  await page.waitForFunction(() => document.getElementById("result").dataset.slice === "2 15");
  await drawn();
  assert.ok(apart(first, await pixelsOf("picture")) > 1);
  // Enlarged, it is the same part in more points, not all of the slice in its place.
  await settled(() => page.getByRole("button", { name: "Fit" }).click());
  const fitted = await pixelsOf("picture");
  await settled(() => page.getByRole("button", { name: "Larger" }).click());
  const larger = await pixelsOf("picture");
  const brightness = ({ data }) => data.reduce((sum, value, i) => sum + (i % 4 ? 0 : value), 0);
  assert.ok(brightness(larger) > 1.1 * brightness(fitted)); // the dark sides are out of sight
  assert.deepEqual(complaints, []);
});

test("a mesh turns", async () => {
  await example("Shape", "ring.mscn");
  assert.match(await page.innerText("#facts"), /Triangles\n\d{4}/);
  await turns();
});

test("voxels turn", async () => {
  await give(["corner.mscn", bytesOf(files.voxels.file)]);
  await shows("corner.mscn");
  await turns();
});

test("a scene looks as Python renders it, and turns", async () => {
  await example("Scene", "toy.mscn");
  const { side, pixels } = files.scene;
  const { width, height, data } = await pixelsOf("solid");
  assert.deepEqual([width, height], [side, side]);
  const off = bytesOf(pixels).map((value, i) => {
    const share = i % 4 === 3 ? 1 : data[i | 3] / 255; // Python's are multiplied by their opacity
    return Math.abs(data[i] * share - value);
  }).sort();
  assert.ok(off[Math.floor(0.999 * off.length)] <= 4, `${off[Math.floor(0.999 * off.length)]}`);
  await turns();
});
