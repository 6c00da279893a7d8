// Decodes a `.mscn` file of a picture in Node.js, with the page's modules and onnxruntime-node.
//
//     node export/node/decode.mjs IN.mscn CODEC.mscnb OUT.ppm [ITEM [WIDTHxHEIGHT]]
//
// Photographs without loss take the networks of another codec: give --grids=field.mscnb, too.
// Prints, in JSON, the size of the picture and the milliseconds that opening and decoding took. With
// --runtime=web it runs the page's own onnxruntime-web instead. `make node` fetches what it needs.

import fs from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const build = new URL("../../build/", import.meta.url);
const { Bundle } = await import(new URL("web/bundle.js", build));
const { Codec } = await import(new URL("web/codec.js", build));
const { Container } = await import(new URL("web/container.js", build));
const { loadRuntime, useRuntime } = await import(new URL("web/network.js", build));

const { values: options, positionals } = parseArgs({
  options: { runtime: { type: "string", default: "node" }, repeat: { type: "string", default: "1" }, grids: { type: "string" } },
  allowPositionals: true,
});
const [source, bundlePath, target, item = "0", size] = positionals;
if (!target) {
  console.error("usage: node decode.mjs IN.mscn CODEC.mscnb OUT.ppm [ITEM [WIDTHxHEIGHT]]");
  process.exit(2);
}

try {
  const begin = performance.now();
  if (options.runtime === "web") {
    await loadRuntime(fs.readFileSync(new URL("web/vendor/ort.wasm", build)));
  } else {
    useRuntime(createRequire(new URL("node/", build))("onnxruntime-node"));
  }
  const container = new Container(new Uint8Array(fs.readFileSync(source)), source);
  const [bundle, ...others] = [bundlePath, options.grids].filter(Boolean).map((path) =>
    new Bundle(new Uint8Array(fs.readFileSync(path)), path));
  const codec = new Codec(container, bundle, others);
  const extent = container.shape(Number(item));
  const shape = size ? size.split("x").map(Number).reverse() : extent;
  const view = { item: Number(item), start: [0, 0], extent, shape };
  let { width, height, pixels } = await codec.render(view);
  const first = performance.now() - begin;
  let best = first; // the blocks of a tile codec are decoded once, its network runs every time
  for (let i = 1; i < Number(options.repeat); i++) {
    const start = performance.now();
    ({ width, height, pixels } = await codec.render(view));
    best = Math.min(best, performance.now() - start);
  }
  const rgb = Buffer.alloc(3 * width * height);
  for (let i = 0; i < width * height; i++) rgb.set(pixels.subarray(4 * i, 4 * i + 3), 3 * i);
  fs.writeFileSync(target, Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), rgb]));
  console.log(JSON.stringify({ width, height, first, best }));
} catch (error) {
  console.error(`decode.mjs: ${error.message}`);
  process.exit(2);
}
