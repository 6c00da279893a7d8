// Decodes files away from the page's own thread. Each message is a call, each answer its result.

import { Bundle } from "./bundle.js";
import { Codec, checkShown, gridCodecs } from "./codec.js";
import { Container } from "./container.js";
import { MscnError } from "./errors.js";
import { centres, sample } from "./sampling.js";

const LARGEST_SHOWN = 2 ** 22; // pixels of a picture that is shown whole, pixel for pixel
const SHRUNK_SIDE = 2048; // of others
const MARGIN = 2; // pixels around a region that its bicubic zoom sees

const bundles = []; // that this worker knows
let codec = null;

/** A bundle that a file takes: one that is known, or else from this page's server. */
async function bundleOf(bundleId, source) {
  const known = bundles.find((bundle) => bundle.id.startsWith(bundleId));
  if (known) return known;
  const answer = await fetch(new URL(`bundles/${bundleId}.mscnb`, import.meta.url));
  if (!answer.ok) {
    throw new MscnError(
      `${source}: made with codec ${bundleId}, which is not on this page; drop its .mscnb file here`,
    );
  }
  return addBundle(new Uint8Array(await answer.arrayBuffer()), `codec ${bundleId}`);
}

function addBundle(bytes, name) {
  const bundle = new Bundle(bytes, name);
  bundles.push(bundle);
  return bundle;
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
    const [bundle, ...others] = await Promise.all(
      [container.bundleId, ...gridCodecs(container)].map((id) => bundleOf(id, name)),
    );
    codec = new Codec(container, bundle, others);
    const { items, names, modality, length, samples, bundleId, errorBound } = container;
    const { name: codecName, size } = codec.bundle;
    return {
      items, names, modality, length, samples, bundleId, errorBound, codecName,
      codecBytes: size, zoomed: codec.scheme.zoomed,
    };
  },

  /** An item, pixel for pixel where it isn't large. */
  async picture(item) {
    const whole = codec.container.shape(item);
    const shrink = whole[0] * whole[1] > LARGEST_SHOWN || Math.max(...whole) > 2 * SHRUNK_SIDE
      ? SHRUNK_SIDE / Math.max(...whole) : 1;
    const shape = whole.map((side) => Math.max(1, Math.round(side * shrink)));
    const began = performance.now();
    const raster = await codec.render({ item, start: [0, 0], extent: whole, shape });
    const milliseconds = performance.now() - began;
    const lossless = !codec.container.coded(item).length;
    const within = codec.within(item);
    const stored = within ? `within ${within}` : "without loss";
    const quality = lossless ? stored : String(codec.container.q16(item) / 16);
    return { raster, milliseconds, whole, quality };
  },

  /** A region twice: the function at new points, and the item's pixels in a bicubic zoom. */
  async zoom({ item, start, extent, shape }) {
    const whole = codec.container.shape(item);
    const evaluated = await codec.render({ item, start, extent, shape });
    const from = start.map((side) => Math.max(0, side - MARGIN));
    const own = start.map((side, axis) =>
      Math.min(whole[axis], side + extent[axis] + MARGIN) - from[axis]);
    const pixels = await codec.render({ item, start: from, extent: own, shape: own });
    const [rows, columns] = shape.map((out, axis) =>
      centres(start[axis] - from[axis], extent[axis], out));
    const enlarged = sample(
      pixels.pixels ?? pixels.values, [...own, pixels.pixels ? 4 : 1], rows, columns,
    );
    const [height, width] = shape;
    const bicubic = pixels.pixels
      ? { width, height, pixels: Uint8ClampedArray.from(enlarged) }
      : { width, height, values: enlarged };
    return { evaluated, bicubic };
  },

  /** A field on a grid of the whole sphere: rows from pole to pole, columns from 0 degrees east. */
  globe(item, rows, columns) {
    const latitudes = Float64Array.from({ length: rows }, (_, i) =>
      Math.PI / 2 - (i * Math.PI) / (rows - 1));
    const longitudes = Float64Array.from({ length: columns }, (_, i) => (i * 2 * Math.PI) / columns);
    return codec.evaluate(item, [latitudes, longitudes]);
  },
};

let queue = Promise.resolve();

onmessage = ({ data: { id, call, args } }) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id, result: await calls[call](...args) });
    } catch (error) {
      const line = error instanceof MscnError ? error.message : `unexpected: ${error.message}`;
      postMessage({ id, error: line });
    }
  });
};
