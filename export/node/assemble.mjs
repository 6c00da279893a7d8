// Puts the package together, in a folder from which npm packs it.
//
//     node export/node/assemble.mjs WEB OUT VERSION
//
// WEB is the built page, whose modules the decoder takes: those that it imports, and what these do.

import fs from "node:fs";
import path from "node:path";

const IMPORTS = /(?:from|import\()\s*"(\.\.?\/[^"]+)"/g;
const [web, out, version] = process.argv.slice(2);
const own = import.meta.dirname;

function take(name) {
  const target = path.join(out, "lib", name);
  if (fs.existsSync(target)) return;
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.copyFileSync(path.join(web, name), target);
  if (path.basename(name) === "ort.js") return; // one bundled file
  for (const [, other] of fs.readFileSync(target, "utf8").matchAll(IMPORTS)) {
    take(path.join(path.dirname(name), other));
  }
}

fs.rmSync(path.join(out, "lib"), { recursive: true, force: true });
fs.mkdirSync(out, { recursive: true });
for (const name of ["decode.mjs", "index.mjs", "outputs.mjs", "README.md"]) {
  fs.copyFileSync(path.join(own, name), path.join(out, name));
}
fs.copyFileSync(path.join(own, "..", "..", "LICENSE"), path.join(out, "LICENSE"));
const described = JSON.parse(fs.readFileSync(path.join(own, "package.json"), "utf8"));
fs.writeFileSync(path.join(out, "package.json"), JSON.stringify({ ...described, version }, null, 2));
for (const [, name] of fs.readFileSync(path.join(own, "index.mjs"), "utf8").matchAll(IMPORTS)) {
  take(name.replace("./lib/", ""));
}
for (const name of ["ort.wasm.gzip", "fflate.LICENSE", "hashes/LICENSE"]) {
  fs.copyFileSync(path.join(web, "vendor", name), path.join(out, "lib", "vendor", name));
}
