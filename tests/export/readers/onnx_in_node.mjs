// ONNX Runtime's WebAssembly in Node.js runs a graph: node onnx_in_node.mjs VENDOR MODEL INPUTS.json VALUES
import fs from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

const [vendor, model, given, found] = process.argv.slice(2);
const ort = await import(path.join(vendor, "ort.js"));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = gunzipSync(fs.readFileSync(path.join(vendor, "ort.wasm.gzip")));
const session = await ort.InferenceSession.create(fs.readFileSync(model), { logSeverityLevel: 3 });
const arrays = { int32: Int32Array, float32: Float32Array };
const feed = {};
for (const [name, { type, shape, data }] of Object.entries(JSON.parse(fs.readFileSync(given)))) {
  feed[name] = new ort.Tensor(type, arrays[type].from(data), shape);
}
fs.writeFileSync(found, new Uint8Array((await session.run(feed)).values.data.buffer));
