// Decodes `.mscn` files in Node.js, with the page's modules.

import fs from "node:fs";
import { gunzipSync } from "node:zlib";
import { Bundle } from "./lib/bundle.js";
import { Codec } from "./lib/codec.js";
import { Container } from "./lib/container.js";
import { loadRuntime, useRuntime } from "./lib/network.js";

/**
 * Gets ready what runs codecs' networks; to be called once.
 * @param {"web" | "node"} [runtime] The WebAssembly that comes with this package, or the package
 *   onnxruntime-node, which is faster.
 */
export async function prepare(runtime = "web") {
  if (runtime === "node") {
    useRuntime((await import("onnxruntime-node")).default);
  } else {
    const binary = fs.readFileSync(new URL("lib/vendor/ort.wasm.gzip", import.meta.url));
    await loadRuntime(gunzipSync(binary));
  }
}

/** A file with its codec. */
export class Decoder {
  /**
   * @param {Uint8Array} file
   * @param {Uint8Array} bundle The codec that it was made with.
   * @param {string[]} [names] What errors call the two.
   * @param {Uint8Array[]} [others] Codecs that it takes besides: photographs without loss, `field`.
   * @throws {Error} They do not fit together, or hold what isn't decoded here.
   */
  constructor(file, bundle, names = ["input", "codec"], others = []) {
    this._container = new Container(new Uint8Array(file), names[0]);
    const bundles = [bundle, ...others].map((bytes) => new Bundle(new Uint8Array(bytes), names[1]));
    this._codec = new Codec(this._container, bundles[0], bundles.slice(1));
  }

  /**
   * An item.
   * @param {number} [item] From 0.
   * @param {number[]} [size] Samples along each axis, innermost first: width and height; default
   *   the original's.
   * @returns {Promise<{shape: number[], pixels?: Uint8Array, values?: Float32Array}>} Row-major, of
   *   this shape, the channels of the original last: pixels of a picture, alpha behind; values of
   *   other signals in their unit.
   * @throws {Error} There is no such item, or the file is damaged.
   */
  async decode(item = 0, size = undefined) {
    const extent = this._container.shape(item);
    const sides = size ? [...size].reverse() : extent;
    const start = extent.map(() => 0);
    const { pixels, values } = await this._codec.render({ item, start, extent, shape: sides });
    const channels = this._container.channels(item);
    const shape = [...sides, channels];
    return values ? { shape, values } : { shape, pixels: withoutRepeats(pixels, channels) };
  }
}

/** Pixels of 1 to 4 channels, of RGBA. */
function withoutRepeats(rgba, channels) {
  const places = [[0], [0, 3], [0, 1, 2], [0, 1, 2, 3]][channels - 1];
  const pixels = new Uint8Array((rgba.length / 4) * channels);
  for (let i = 0, at = 0; i < rgba.length; i += 4) for (const c of places) pixels[at++] = rgba[i + c];
  return pixels;
}
