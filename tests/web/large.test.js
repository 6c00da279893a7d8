// A picture larger than the screen: what is decoded of it, and when, in headless Chromium.

import assert from "node:assert/strict";
import { test } from "node:test";

import { complaints, give, openPage, page, percent, pixelsOf, read, settled, shows } from "./browser.js";

const { file, region: [left, top, width, height], pixels } = read("page.json").large;

/** The views that were asked for since the last time. */
const asked = () => page.evaluate(() => window.asked.splice(0));

/** Presses keys in turn, and waits for what is seen after the last one. */
async function move(times, ...keys) {
  for (let i = 0; i < times; i++) for (const key of keys) await page.keyboard.press(key);
  await settled(() => page.keyboard.press(keys[0]));
}

test("coarse levels come first, then blocks that are seen, once each", async () => {
  await openPage({ viewport: { width: 640, height: 900 } });
  await page.evaluate(() => {
    window.asked = [];
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function posted(message) {
      if (message.call === "view") window.asked.push(message.args[0]);
      postMessage.call(this, message);
    };
  });
  await settled(async () => {
    await give(["large.mscn", Buffer.from(file, "base64")]);
    await shows("large.mscn");
  });
  const [{ extent, shape }, ...others] = await asked();
  assert.deepEqual(shape, extent.map((side) => Math.floor(side / 2)));
  assert.deepEqual(others, [], "the small version is all that a small window shows");
  const middle = extent.map((side) => side / 2);

  // What isn't wanted any more when its turn comes is not decoded.
  await settled(() => page.evaluate(() => ["own", "fit"].forEach((id) => document.getElementById(id).click())));
  const [nearest, ...stale] = await asked();
  assert.deepEqual(stale, []);
  middle.forEach((at, axis) => assert.ok(
    at >= nearest.start[axis] && at < nearest.start[axis] + nearest.extent[axis], "the block in the middle",
  ));

  await settled(() => page.getByRole("button", { name: "100%" }).click());
  assert.equal(await percent(), 100);
  const blocks = await asked();
  assert.ok(blocks.length >= 2 && blocks.length <= 9, `${blocks.length} blocks`);
  for (const block of blocks) assert.deepEqual(block.shape, block.extent);

  // The lower right corner has Python's pixels, tiles' borders among them.
  await page.focus("#picture");
  await move(10, "ArrowRight", "ArrowDown");
  const canvas = await pixelsOf("picture");
  const expected = Buffer.from(pixels, "base64");
  let worst = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = 4 * ((canvas.height - height + row) * canvas.width + canvas.width - width + column);
      for (let c = 0; c < 3; c++) {
        worst = Math.max(worst, Math.abs(canvas.data[at + c] - expected[3 * (row * width + column) + c]));
      }
    }
  }
  assert.deepEqual([left + width, top + height], [extent[1], extent[0]]);
  assert.ok(worst <= 1, `differs by ${worst}`);
  await asked();

  // Back where it was, all is there.
  await move(5, "ArrowLeft", "ArrowUp");
  const again = await asked();
  const names = [...blocks, nearest].map(({ start }) => start.join());
  for (const { start } of again) assert.ok(!names.includes(start.join()), `${start} twice`);
  assert.deepEqual(complaints, []);
});
