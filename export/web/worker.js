// Decodes and encodes away from the page's own thread. Each message is a call, each answer its result.

import { Bundle } from "./bundle.js";
import { Codec, checkShown, gridCodecs } from "./codec.js";
import { Container } from "./container.js";
import { download } from "./download.js";
import { MscnError } from "./errors.js";
import { fieldAt, fieldAxes, fieldView } from "./fields.js";
import { otherSize, pictureOf } from "./other_formats.js";
import { PhotoEncoder } from "./photo_encoder.js";
import { centres, sample } from "./sampling.js";

const MARGIN = 2; // pixels around a region that its bicubic zoom sees

const bundles = []; // that this worker knows
let codec = null;
let encoder = null;
let original = null; // the picture that is encoded

/** A bundle by its id, or the first 8 bytes of it: one that is known, or else from this server. */
async function bundleOf(bundleId, source) {
  const known = bundles.find((bundle) => bundle.id.startsWith(bundleId));
  if (known) return known;
  const url = new URL(`bundles/${bundleId}.mscnb`, import.meta.url);
  const bytes = await download(url, "Fetching the codec", true);
  if (!bytes) {
    throw new MscnError(
      `${source}: made with codec ${bundleId}, which is not on this page; drop its .mscnb file here`,
    );
  }
  return addBundle(bytes, `codec ${bundleId}`);
}

function addBundle(bytes, name) {
  const bundle = new Bundle(bytes, name);
  bundles.push(bundle);
  return bundle;
}

/** A file with its codec, and those that its exact planes take besides. */
async function codecOf(container) {
  const [bundle, ...others] = await Promise.all(
    [container.bundleId, ...gridCodecs(container)].map((id) => bundleOf(id, container.source)),
  );
  return new Codec(container, bundle, others);
}

const calls = {
  addBundle(bytes, name) {
    const { id, name: own } = addBundle(bytes, name);
    return { id, name: own };
  },

  /** Opens a file and says what it holds. */
  async open(bytes, name) {
    const container = new Container(bytes, name);
    checkShown(container);
    codec = await codecOf(container);
    const { items, names, metadata, modality, length, samples, bundleId, errorBound } = container;
    const { name: codecName, size, kind } = codec.bundle;
    return {
      items, names, metadata, modality, length, samples, bundleId, errorBound, codecName, kind,
      codecBytes: size,
    };
  },

  /** What is known of an item without decoding it. */
  item(item) {
    const { container } = codec;
    const lossless = !container.coded(item).length;
    const within = codec.within(item);
    const stored = within ? `within ${within}` : "without loss";
    const quality = lossless ? stored : String(container.q16(item) / 16);
    return { shape: container.shape(item), quality, corrected: codec.corrects(item) };
  },

  /** A part of an item in a size: pixels of a picture, values of other signals. */
  view(view) {
    return codec.container.modality === "field" ? fieldView(codec, view) : codec.render(view);
  },

  /** A part of a picture in a size, as a bicubic zoom of the decoded pixels. */
  async bicubic({ item, start, extent, shape }) {
    const whole = codec.container.shape(item);
    const from = start.map((side) => Math.max(0, side - MARGIN));
    const own = start.map((side, axis) =>
      Math.min(whole[axis], side + extent[axis] + MARGIN) - from[axis]);
    const { pixels } = await codec.render({ item, start: from, extent: own, shape: own });
    const [rows, columns] = shape.map((out, axis) =>
      centres(start[axis] - from[axis], extent[axis], out));
    const enlarged = sample(pixels, [...own, 4], rows, columns);
    return { width: shape[1], height: shape[0], pixels: Uint8ClampedArray.from(enlarged) };
  },

  /** Latitudes and longitudes of a field's rows and columns, from the north on, in degrees. */
  axes(item) {
    return fieldAxes(codec.container, item);
  },

  /** A field on a grid of the whole sphere: rows from pole to pole, columns from 0 degrees east. */
  globe(item, rows, columns) {
    const latitudes = Float64Array.from({ length: rows }, (_, i) =>
      Math.PI / 2 - (i * Math.PI) / (rows - 1));
    const longitudes = Float64Array.from({ length: columns }, (_, i) => (i * 2 * Math.PI) / columns);
    return fieldAt(codec, item, [latitudes, longitudes]);
  },

  /** Takes a picture's file, to encode it with codecs of these ids: what came of its pixels. */
  async picture(file, ...ids) {
    original = await pictureOf(file);
    const [bundle, grids] = await Promise.all(ids.map((id) => bundleOf(id, file.name)));
    encoder = new PhotoEncoder(bundle, original, grids);
    const { width, height, channels, rgba } = original;
    return { width, height, channels, pixels: rgba };
  },

  /** About what a quality leaves of the picture, at once; null where more was asked meanwhile. */
  preview(q16) {
    if (waiting > 1) return null;
    const { width, height } = original;
    return { width, height, pixels: encoder.preview(q16) };
  },

  /** The picture encoded at a quality, and decoded again; null where more was asked meanwhile. */
  async encode(q16) {
    const began = performance.now();
    const steps = encoder.encoding(q16);
    let step = await steps.next();
    for (; !step.done; step = await steps.next()) {
      postMessage({ progress: step.value, what: "Encoding" });
      await new Promise((wake) => setTimeout(wake)); // takes messages in
      if (waiting > 1) return null;
    }
    const bytes = step.value;
    const milliseconds = performance.now() - began;
    const container = new Container(bytes, "the encoded picture");
    const made = await codecOf(container);
    const shape = container.shape(0);
    const raster = await made.render({ item: 0, start: [0, 0], extent: shape, shape });
    return { bytes, raster, milliseconds, psnr: psnrOf(original.rgba, raster.pixels) };
  },

  /** Nothing: that something else is asked for ends an encoding. */
  giveUp() {},

  /** Bytes that another format takes at about this PSNR; null where this browser has it not. */
  other(type, psnr) {
    return otherSize(original, type, psnr, psnrOf);
  },
};

/** PSNR in dB of RGBA pixels, by their colours. */
function psnrOf(before, after) {
  let sum = 0;
  for (let i = 0; i < before.length; i++) if (i % 4 < 3) sum += (before[i] - after[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * before.length * 0.75) / sum);
}

let queue = Promise.resolve();
let waiting = 0; // calls that aren't answered

onmessage = ({ data: { id, call, args } }) => {
  waiting += 1;
  queue = queue.then(async () => {
    try {
      postMessage({ id, result: await calls[call](...args) });
    } catch (error) {
      const line = error instanceof MscnError ? error.message : `unexpected: ${error.message}`;
      postMessage({ id, error: line });
    }
    waiting -= 1;
  });
};
