// The codec of the web page, in Node.js, beside the Python one.

import assert from "node:assert/strict";
import fs from "node:fs";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { Bundle } from "../../build/web/bundle.js";
import { Codec, gridCodecs } from "../../build/web/codec.js";
import { Container } from "../../build/web/container.js";
import { MscnError } from "../../build/web/errors.js";
import { decodeExact } from "../../build/web/exact.js";
import { gapsOf } from "../../build/web/gaps.js";
import { PhotoEncoder } from "../../build/web/photo_encoder.js";
import { loadRuntime } from "../../build/web/network.js";
import { PostFilter } from "../../build/web/post_filter.js";
import { RangeDecoder } from "../../build/web/range.js";
import { Tables } from "../../build/web/tables.js";

const VECTORS = new URL("../../build/web-tests/", import.meta.url);
const read = (name) => JSON.parse(fs.readFileSync(new URL(name, VECTORS)));
const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64"));
const array = (shape, data, whole = true) => ({ shape, whole, data: Float64Array.from(data) });

const RUNTIME = new URL("../../build/web/vendor/ort.wasm.gzip", import.meta.url);
before(() => loadRuntime(gunzipSync(fs.readFileSync(RUNTIME))));

function decodeStream({ support, frequencies, index, payload }) {
  const tables = new Tables({
    support: array([support.length], support),
    frequencies: array([frequencies.length], frequencies),
    centroid: array([support.length, 2], Array(2 * support.length).fill(0), false),
  });
  const symbols = new Int32Array(index.length);
  const decoder = new RangeDecoder(bytesOf(payload));
  tables.decode(decoder, Uint16Array.from(index), index.length, symbols);
  return Array.from(symbols);
}

test("random streams, whole and damaged, give Python's symbols", () => {
  const streams = read("streams.json");
  let refused = 0;
  for (const stream of streams) {
    if (stream.symbols) {
      assert.deepEqual(decodeStream(stream), stream.symbols);
    } else {
      refused += 1;
      assert.throws(() => decodeStream(stream), MscnError);
    }
  }
  assert.ok(streams.length >= 5000 && refused >= 10, `${refused} of ${streams.length} refused`);
});

const bundles = new Map();

function bundle(path) {
  if (!bundles.has(path)) {
    bundles.set(path, new Bundle(new Uint8Array(fs.readFileSync(path)), path));
  }
  return bundles.get(path);
}

const SHIPPED = new URL("../../mscn_tf/bundles/", import.meta.url);

/** One of those that come with the package. */
const named = (name) => bundle(fileURLToPath(new URL(`${name}.mscnb`, SHIPPED)));

/** The same, by the first digits of its id. */
function shipped(id) {
  const paths = fs.readdirSync(SHIPPED).filter((name) => name.endsWith(".mscnb"));
  return paths.map((name) => named(name.slice(0, -6))).find((b) => b.id.startsWith(id));
}

/** The view that Python's arguments ask for. */
function viewOf(container, { item = 0, region, size }) {
  const shape = container.shape(item);
  const start = region ? [region[1], region[0]] : [0, 0];
  const extent = region ? [region[3], region[2]] : shape;
  return { item, start, extent, shape: size ? [size[1], size[0]] : extent };
}

for (const [number, vector] of read("pictures.json").entries()) {
  test(`picture ${number}, ${vector.name} ${JSON.stringify(vector.view)}, has Python's pixels`, async () => {
    const container = new Container(bytesOf(vector.file), "input");
    const codec = new Codec(container, bundle(vector.bundle), gridCodecs(container).map(shipped));
    const { width, height, pixels } = await codec.render(viewOf(container, vector.view));
    assert.deepEqual([height, width], vector.shape.slice(0, 2));
    const expected = bytesOf(vector.pixels);
    assert.equal(pixels.length, expected.length);
    const worst = pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    assert.ok(worst <= 1, `differs by ${worst}`);
  });
}

for (const vector of read("fields.json")) {
  test(`a field ${JSON.stringify(vector.view)} has Python's values`, async () => {
    const container = new Container(bytesOf(vector.file), "input");
    assert.deepEqual(container.metadata, vector.metadata);
    const codec = new Codec(container, bundle(vector.bundle));
    const { width, height, values } = await codec.render(viewOf(container, vector.view));
    assert.deepEqual([height, width], vector.shape.slice(0, 2));
    const expected = new Float32Array(bytesOf(vector.values).buffer);
    values.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-3));
  });
}

test("a field that follows from none is refused", async () => {
  const vector = read("fields.json").find(({ view }) => view.item === 6);
  const container = new Container(bytesOf(vector.file), "input");
  const codec = new Codec(container, bundle(vector.bundle));
  const shape = container.shape(0);
  const view = { start: [0, 0], extent: shape, shape };
  container.blocks[0] = container.blocks[1];
  await assert.rejects(async () => codec.render({ ...view, item: 0 }), /what a field follows from/);
});

test("a field without loss is a function on the sphere, as far as a page needs it", async () => {
  const vector = read("fields.json").find(({ view }) => view.item === 1 && !view.region);
  const container = new Container(bytesOf(vector.file), "input");
  const codec = new Codec(container, bundle(vector.bundle));
  const expected = new Float32Array(bytesOf(vector.values).buffer);
  const [height, width] = container.shape(1);
  const rows = Float64Array.from({ length: height }, (_, i) => Math.PI / 2 - ((i + 0.5) * Math.PI) / height);
  const columns = Float64Array.from({ length: width }, (_, i) => ((i + 0.5) * 2 * Math.PI) / width - 4 * Math.PI);
  const { values } = await codec.evaluate(1, [rows, columns]);
  values.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-3));
  const seam = await codec.evaluate(1, [rows.subarray(0, 1), [0]]);
  const [first, last] = [expected[0], expected[width - 1]];
  assert.ok(Math.abs(seam.values[0] - (first + last) / 2) < 1e-3);
  const pole = await codec.evaluate(1, [[Math.PI / 2], columns]);
  pole.values.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-3));
});

test("damaged exact planes are refused", () => {
  const shape = [4, 5];
  for (const payload of [[], [3], [3, 1, 2, 3, 4, 5, 6, 7, 8, 0], [1], [1, 0, 0], [2, 3, 0], [1, 255, 255, 7], [0, 9, 9], [0, 3, 0]]) {
    assert.throws(() => decodeExact(Uint8Array.from(payload), shape, 3, "uint8"), MscnError);
  }
  assert.deepEqual([...decodeExact(Uint8Array.from([1, 1, 99, 224, 228, 228, 4, 0]), shape, 3, "uint8")],
    Array(60).fill(9));
});

test("fields have their gaps", () => {
  for (const { shape, metadata, masks } of read("masks.json")) {
    masks.forEach((mask, item) => assert.deepEqual([...gapsOf(metadata, item, shape)], mask));
    assert.equal(gapsOf(metadata, masks.length, shape), null);
  }
  const [{ shape, metadata, masks }] = read("masks.json");
  const grids = [{ dims: ["y", "x"] }, { masks: metadata.masks }];
  const several = { grids, fields: [{ count: 2 }, { count: masks.length, grid: 1 }], mask: [-1, -1, ...metadata.mask] };
  masks.forEach((mask, item) => assert.deepEqual([...gapsOf(several, item + 2, shape)], mask));
  assert.equal(gapsOf(several, 1, shape), null);
  assert.throws(() => gapsOf({ ...metadata, masks: "QUJD" }, 0, shape), MscnError);
  assert.throws(() => gapsOf({ ...metadata, masks: ["AAAA"] }, 0, shape), MscnError);
});

test("signals of one and of three axes have Python's values", async () => {
  for (const { name, item, file, bundle: path, values } of read("signals.json")) {
    const container = new Container(bytesOf(file), "input");
    const codec = new Codec(container, bundle(path), gridCodecs(container).map(shipped));
    const extent = container.shape(item);
    const start = extent.map(() => 0);
    const found = await codec.render({ item, start, extent, shape: extent });
    const expected = new Float32Array(bytesOf(values).buffer);
    assert.equal(found.values.length, expected.length);
    const ofTruth = container.modality === "voxels";
    assert.equal(codec.corrects(0), !/voxels_(bounded|exact)/.test(name), name);
    if (!codec.corrects(0)) continue; // what makes it exact isn't read here
    found.values.forEach((value, i) => (ofTruth
      ? assert.equal(Number(value >= 0.5), expected[i], `${name} ${i}`)
      : assert.ok(Math.abs(value - expected[i]) < 1e-4, `${name} ${i}`)));
  }
});

test("wide numbers are the doubles that Python decodes", async () => {
  for (const { file, bundle: path, item, values } of read("wide.json")) {
    const container = new Container(bytesOf(file), "input");
    const codec = new Codec(container, bundle(path), gridCodecs(container).map(shipped));
    const extent = container.shape(item);
    const found = await codec.render({ item, start: [0, 0], extent, shape: extent });
    const expected = new Float64Array(bytesOf(values).buffer);
    assert.equal(found.values.length, expected.length);
    found.values.forEach((value, i) => assert.ok(value === expected[i], `${item} ${i}`));
    assert.equal(codec.within(item) > 0, item > 9, `${item}`);
  }
});

for (const { name, file, bundle: path } of read("refused.json")) {
  test(`a file that the format rules out is refused: ${name}`, () => {
    assert.throws(() => new Codec(new Container(bytesOf(file), "input"), bundle(path)), (error) =>
      error instanceof MscnError && error.message.includes(name));
  });
}

test("a tile is decoded once: its coarse levels first, and finer ones when they are wanted", async () => {
  const vector = read("pictures.json").find(({ name }) => name === "several tiles");
  const container = new Container(bytesOf(vector.file), "input");
  const codec = new Codec(container, bundle(vector.bundle));
  const prior = codec._reader._prior;
  const tiles = [];
  const decode = prior.tile.bind(prior);
  prior.tile = (...given) => {
    tiles.push(decode(...given));
    return tiles[tiles.length - 1];
  };
  const extent = container.shape(0);
  const view = { item: 0, start: [0, 0], extent };
  await codec.render({ ...view, shape: extent.map((side) => Math.floor(side / 4)) });
  assert.equal(tiles.length, 2);
  assert.deepEqual(tiles[0].details.map((level) => level !== null).slice(0, 3), [false, false, true]);
  const { pixels } = await codec.render({ ...view, shape: extent });
  assert.equal(tiles.length, 2);
  const expected = bytesOf(vector.pixels);
  pixels.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= 1));
});

test("pictures are encoded to Python's bytes", async (t) => {
  const [photo, field] = ["photo", "field"].map(named);
  const encoders = new Map();
  for (const { name, shape, pixels, quality, file } of read("encoded.json")) {
    await t.test(`${name} at quality ${quality}`, async () => {
      const [height, width, channels] = shape;
      const picture = { data: bytesOf(pixels), height, width, channels };
      if (!encoders.has(name)) encoders.set(name, new PhotoEncoder(photo, picture, field));
      assert.deepEqual(await encoders.get(name).encode(16 * quality), bytesOf(file));
      const whole = { item: 0, start: [0, 0], extent: [height, width], shape: [height, width] };
      const container = new Container(bytesOf(file), "input");
      const codec = new Codec(container, photo, gridCodecs(container).map(shipped));
      assert.equal((await codec.render(whole)).pixels.length, 4 * height * width);
    });
  }
});

test("updates of the filter, and taps, are encoded to Python's bytes", async () => {
  for (const { name, bundle: path, shape, pixels, quality, file } of [...read("steps.json"), ...read("taps.json")]) {
    const [height, width, channels] = shape;
    const picture = { data: bytesOf(pixels), height, width, channels };
    const found = await new PhotoEncoder(bundle(path), picture).encode(16 * quality);
    assert.deepEqual(found, bytesOf(file), `${name} at quality ${quality}`);
  }
});

test("directions of a filter that no updates belong to are refused", () => {
  const path = new URL("../golden/v1steps.mscnb", import.meta.url).pathname;
  const own = new Bundle(new Uint8Array(fs.readFileSync(path)), path);
  assert.ok(PostFilter.of(own).directions);
  delete own.members["prior/update_filter.npy"];
  assert.throws(() => PostFilter.of(own), /prior and its filter disagree on updates/);
});

test("of an alpha that is too large for networks nothing is lost", async () => {
  const [height, width] = [1025, 1024];
  const data = Uint8Array.from({ length: 2 * height * width }, (_, i) =>
    (i % 2 ? 128 + 90 * Math.sin(i / 500) * Math.cos(i / width / 70) : 77));
  const picture = { data, height, width, channels: 2 };
  const codecs = ["photo", "field"].map(named);
  const container = new Container(await new PhotoEncoder(codecs[0], picture, codecs[1]).encode(96), "input");
  assert.deepEqual(gridCodecs(container), []);
  const { pixels } = await new Codec(container, codecs[0])
    .render({ item: 0, start: [0, 0], extent: [height, width], shape: [height, width] });
  assert.ok(pixels.every((value, i) => value === data[2 * (i >> 2) + (i % 4 === 3 ? 1 : 0)]));
});

test("what can't be encoded is refused in words", () => {
  const picture = { data: new Uint8Array(12), height: 2, width: 2, channels: 3 };
  const tiles = bundle(new URL("../golden/v1.mscnb", import.meta.url).pathname);
  assert.throws(() => new PhotoEncoder(tiles, picture), /can't encode pictures/);
  const photo = named("photo");
  assert.throws(() => new PhotoEncoder(photo, { ...picture, height: 9000, width: 9000 }), /9000x9000 pixels/);
});
