// What the page shows of each kind of file, and how it is moved, in headless Chromium.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  complaints, drawn, give, openPage, page, percent, pixelsOf, read, sample, settled, shows,
} from "./browser.js";

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
  await drawn();
  const { width, height, data } = await pixelsOf("picture");
  assert.equal(data[4 * (Math.floor(height / 2) * width + Math.floor(width / 2)) + 3], 255);
  await settled(() => page.locator("#compare").check());
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

test("the line between two versions is dragged, and the wheel turns over it, too", async () => {
  await settled(() => page.locator("#compare").check());
  const shown = await percent();
  const frame = await page.locator("#frame").boundingBox();
  const at = (share) => [frame.x + share * frame.width, frame.y + frame.height / 2];
  await page.mouse.move(...at(0.5));
  await page.mouse.wheel(0, -200);
  assert.ok(await percent() > shown);
  await page.mouse.down();
  await page.mouse.move(...at(0.25), { steps: 3 });
  await page.mouse.up();
  await page.mouse.move(...at(0.7));
  assert.ok(Math.abs(Number(await page.locator("#split").inputValue()) - 0.25) < 0.01);
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

test("a field is a map, north up, with its values, and a globe", async () => {
  await page.getByRole("button", { name: "Made-up temperatures" }).click();
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

test("a field is shown where it is, and without coasts where that isn't known", async () => {
  const { region, rotated } = read("page.json");
  await give(["region.mscn", Buffer.from(region.file, "base64")]);
  await shows("region.mscn");
  const { data } = await pixelsOf("globe");
  const opaque = data.filter((value, i) => i % 4 === 3 && value === 255).length / (data.length / 4);
  assert.ok(opaque > 0.05 && opaque < 0.5, `${opaque} of the globe`);
  const frame = await page.locator("#picture").boundingBox();
  const middle = [frame.x + frame.width / 2, frame.y + frame.height / 2];
  await page.mouse.move(...middle);
  assert.match(await page.textContent("#value"), /°C at 1\d\.0° N, 20\.0° E$/);

  await give(["rotated.mscn", Buffer.from(rotated.file, "base64")]);
  await shows("rotated.mscn");
  assert.equal(await page.locator("#globe-figure").isVisible(), false);
  assert.match(await page.innerText("#facts"), /Grid\none that is not of latitudes and longitudes/);
  await page.mouse.move(...middle);
  assert.match(await page.textContent("#value"), /°C in row \d+, column \d+$/);
  assert.deepEqual(complaints, []);
});
