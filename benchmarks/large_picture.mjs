// How soon a large picture can be seen on the page, beside decoding all of it: seconds, and shares.
//
//     make web && python3 -m http.server -d build/web 8000 &
//     CHROMIUM=$(tests/web/chromium) node benchmarks/large_picture.mjs http://localhost:8000/ FILE.mscn

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const PATIENCE = 3_600_000; // milliseconds
const [address, file] = process.argv.slice(2);
const npm = new URL("../build/npm/package.json", import.meta.url);
const { chromium } = createRequire(npm)("playwright-core");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
page.setDefaultTimeout(PATIENCE);
await page.addInitScript(() => {
  window.asked = []; // when parts were asked for: one after the other
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function posted(message) {
    if (message.call === "view") window.asked.push(performance.now());
    postMessage.call(this, message);
  };
});

/** Seconds that something takes. */
async function timed(action) {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1000;
}

/** Does something, and waits until all that is then seen is there. */
async function settled(action) {
  await page.evaluate(() => {
    const canvas = document.getElementById("picture");
    window.isSettled = new Promise((done) => canvas.addEventListener("settled", done, { once: true }));
  });
  await action();
  await page.evaluate(() => window.isSettled);
}

await page.goto(address);
await page.waitForFunction(() => document.getElementById("result").dataset.shown);
const bytes = fs.readFileSync(file);
const name = path.basename(file);
const seconds = {};
seconds["first picture"] = await timed(async () => {
  await page.setInputFiles("#file", file);
  await page.waitForFunction((wanted) =>
    document.getElementById("result").dataset.shown === wanted, `${name} 0`);
});
seconds["sharp at its size"] = await timed(() => settled(() => page.click("#fit")));
await page.evaluate(() => (window.asked = []));
seconds["zoom to 100 %"] = await timed(() => settled(() => page.click("#own")));
seconds["of that, the first block"] =
  await page.evaluate(() => (window.asked[1] - window.asked[0]) / 1000);
await page.focus("#picture");
seconds["a step to the side"] = await timed(() => settled(() => page.keyboard.press("ArrowRight")));
seconds["back again"] = await timed(() => settled(() => page.keyboard.press("ArrowLeft")));
seconds["all of it"] = await page.evaluate(async (text) => {
  const { Decoder } = await import("./decoder.js");
  const decoder = new Decoder();
  const whole = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  await decoder.open(whole, "whole");
  const { shape } = await decoder.call("item", 0);
  const before = performance.now();
  await decoder.call("view", { item: 0, start: [0, 0], extent: shape, shape });
  return (performance.now() - before) / 1000;
}, bytes.toString("base64"));
for (const [what, value] of Object.entries(seconds)) {
  console.log(`${what}: ${value.toFixed(2)} s, ${((100 * value) / seconds["all of it"]).toFixed(1)} %`);
}
await browser.close();
