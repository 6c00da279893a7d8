// Opening files, errors, and what the page is for everyone, in headless Chromium.

import assert from "node:assert/strict";
import { test } from "node:test";

import { crc32 } from "../../build/web/container.js";
import {
  address, complaints, encodes, give, golden, openPage, page, read, refused, sample, shows, violations,
} from "./browser.js";

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

test("nothing is wrong for those who can't see or point, in light and dark", async () => {
  const views = {
    Photograph: "parrots", Thumbnails: "thumbnails", "Made-up temperatures": "planet", Sound: "notes", Scan: "scan",
    Shape: "ring", Scene: "toy",
  };
  for (const colorScheme of ["light", "dark"]) {
    await openPage({ colorScheme });
    for (const [title, name] of Object.entries(views)) {
      await page.getByRole("button", { name: title, exact: true }).click();
      await shows(`${name}.mscn`);
      assert.deepEqual(await violations(), [], `${title}, ${colorScheme}`);
    }
    await encodes("a part", 1);
    assert.deepEqual(await violations(), [], `encoding, ${colorScheme}`);
  }
});

test("it works without a network once it was there, with the codecs that were used", async () => {
  await openPage({ serviceWorkers: "allow" });
  await page.getByRole("button", { name: "Shape", exact: true }).click();
  await shows("ring.mscn");
  await page.evaluate(() => navigator.serviceWorker.ready);
  const context = page.context();
  await context.setOffline(true);
  await page.goto(`${address}?file=samples/parrots.mscn`);
  await shows("parrots.mscn");
  await encodes("odd sides", 5.0625);
  for (const [title, name] of Object.entries({ Thumbnails: "thumbnails", Shape: "ring" })) {
    await page.getByRole("button", { name: title, exact: true }).click();
    await shows(`${name}.mscn`);
  }
  await page.getByRole("button", { name: "Sound", exact: true }).click();
  await page.waitForFunction(() => !document.getElementById("error").hidden);
  assert.match(await page.textContent("#error"), /mscnb can't be fetched, and is not kept on this device/);
  assert.deepEqual(complaints, []);
});

test("all codecs are kept for want of a network where that is asked for", async () => {
  await openPage({ serviceWorkers: "allow" });
  await page.evaluate(() => navigator.serviceWorker.ready);
  const keep = page.getByRole("button", { name: /^Keep all codecs for use without a network \(\d+\.?\d* MB\)$/ });
  await keep.click();
  await page.getByText("All codecs are kept on this device.").waitFor();
  assert.ok(await keep.isHidden());
  await page.context().setOffline(true);
  for (const [title, name] of Object.entries({ Sound: "notes", Scan: "scan" })) {
    await page.getByRole("button", { name: title, exact: true }).click();
    await shows(`${name}.mscn`);
  }
  await page.reload();
  await shows("thumbnails.mscn");
  assert.ok(await keep.isHidden()); // none is missing
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
  await refused([["wide.png", Buffer.from(read("page.json").wide.file, "base64")]], /wide\.png: 8000x5000 pixels are too many/);
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
