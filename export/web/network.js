// The network of a tile codec, run in float64 by onnxruntime-web.

import { download } from "./download.js";
import { MscnError } from "./errors.js";
import { gunzipSync } from "./vendor/fflate.js";

const AXES = ["slices", "rows", "cols"];
const OWN = ["code", "quality", ...AXES];

let runtime = null;
let provider = "wasm";

/** Takes another ONNX Runtime than onnxruntime-web: in Node.js, onnxruntime-node. */
export function useRuntime(ort) {
  runtime = ort;
  provider = "cpu";
}

/**
 * Loads onnxruntime-web; the first call takes the longest.
 * @param {Uint8Array} [binary] Its WebAssembly, where it can't be fetched.
 */
export async function loadRuntime(binary) {
  if (!runtime) {
    const ort = await import("./vendor/ort.js");
    ort.env.wasm.numThreads = 1; // more need headers that a static server doesn't send
    // Given as bytes it runs from servers that don't know the type of .wasm files.
    ort.env.wasm.wasmBinary = binary ?? (await fetched());
    runtime = ort;
  }
  return runtime;
}

/** It comes compressed, from servers that don't compress, too: a quarter of the bytes. */
async function fetched() {
  const url = new URL("vendor/ort.wasm.gzip", import.meta.url);
  const bytes = await download(url, "Fetching what runs networks");
  if (!bytes) throw new MscnError(`${url.pathname} is missing on this server`);
  return gunzipSync(bytes);
}

/** What runs a graph of a bundle. */
export async function createSession(bundle, member) {
  const ort = await loadRuntime();
  try {
    // Further optimisations fold factors into matrix products, in single precision.
    return await ort.InferenceSession.create(bundle.members[member], {
      executionProviders: [provider],
      graphOptimizationLevel: "basic",
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new MscnError(`bundle ${bundle.name}: unusable ${member} (${error.message})`);
  }
}

/** A bundle's decoder. */
export class Network {
  /** @param {Bundle} bundle */
  static async load(bundle) {
    const ort = await loadRuntime();
    const network = new Network();
    network._name = bundle.name;
    network._session = await createSession(bundle, "decoder.onnx");
    const weights = bundle.weights();
    const names = network._session.inputNames;
    if (names.some((name) => !OWN.includes(name) && !weights[name])) {
      throw new MscnError(`bundle ${bundle.name}: the decoder's inputs are not all there`);
    }
    network._axes = AXES.filter((name) => names.includes(name));
    network._feed = {};
    for (const name of names) {
      if (OWN.includes(name)) continue;
      const { data, shape } = weights[name];
      network._feed[name] = new ort.Tensor("float64", data, shape);
    }
    network._hasQuality = names.includes("quality");
    return network;
  }

  /**
   * Values at the points of B grids.
   * @param {Float64Array} code [B, M].
   * @param {Float64Array[]} grid Of each axis, outermost first, coordinates [B, n].
   * @param {Float64Array} quality [B].
   * @returns {Promise<Float64Array>} [B, .., C].
   */
  async values(code, grid, quality) {
    const { Tensor } = runtime;
    const batch = quality.length;
    const tensor = (data) => new Tensor("float64", data, [batch, data.length / batch]);
    const feed = { ...this._feed, code: tensor(code) };
    if (this._hasQuality) feed.quality = new Tensor("float64", quality, [batch]);
    this._axes.forEach((name, axis) => (feed[name] = tensor(grid[axis])));
    try {
      return (await this._session.run(feed)).values.data;
    } catch (error) {
      throw new MscnError(`bundle ${this._name}: the decoder fails (${error.message})`);
    }
  }
}
