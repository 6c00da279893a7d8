#!/usr/bin/env node
// Decodes a `.mscn` file into a picture or an array.
//
//     mscn-decode IN.mscn CODEC.mscnb OUT.png|OUT.pam|OUT.npy [ITEM [WIDTHxHEIGHT]]
//
// Prints, in JSON, the shape of what it holds and the milliseconds that opening and decoding took. With
// --runtime=node the package onnxruntime-node, if it is installed, runs the codec's network. Photographs
// without loss take the networks of another codec: give --grids=field.mscnb, too.

import fs from "node:fs";
import { parseArgs } from "node:util";
import { Decoder, prepare } from "./index.mjs";
import { written } from "./outputs.mjs";

const USAGE = "usage: mscn-decode [--runtime=web|node] [--grids=CODEC.mscnb] IN.mscn CODEC.mscnb OUT.png|OUT.pam|OUT.npy"
  + " [ITEM [WIDTHxHEIGHT]]";

async function main() {
  const { values: options, positionals } = parseArgs({
    options: {
      runtime: { type: "string", default: "web" },
      repeat: { type: "string", default: "1" },
      grids: { type: "string" },
    },
    allowPositionals: true,
  });
  const [source, bundle, target, item = "0", size] = positionals;
  if (!target || !["web", "node"].includes(options.runtime)) throw new Error(USAGE);
  const begin = performance.now();
  await prepare(options.runtime);
  const [file, codec, ...others] = [source, bundle, ...(options.grids ? [options.grids] : [])]
    .map((path) => fs.readFileSync(path));
  const decoder = new Decoder(file, codec, [source, bundle], others);
  const wanted = [Number(item), size?.split("x").map(Number)];
  let decoded = await decoder.decode(...wanted);
  const first = performance.now() - begin;
  let best = first; // the blocks of a tile codec are decoded once, its network runs every time
  for (let i = 1; i < Number(options.repeat); i++) {
    const start = performance.now();
    decoded = await decoder.decode(...wanted);
    best = Math.min(best, performance.now() - start);
  }
  fs.writeFileSync(target, written(target, decoded));
  console.log(JSON.stringify({ shape: decoded.shape, first, best }));
}

try {
  await main();
} catch (error) {
  console.error(`mscn-decode: ${error.message.split("\n")[0]}`);
  process.exit(2);
}
