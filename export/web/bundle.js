// The codec bundle: a zip file of arrays, a manifest and a network (docs/format.md, "The bundle").

import { MscnError } from "./errors.js";
import { readArray } from "./npy.js";
import { unzipSync } from "./vendor/fflate.js";
import { sha256 } from "./vendor/hashes/sha2.js";

const MAX_BYTES = 2 ** 28; // of all members, inflated

/** A codec without its code. */
export class Bundle {
  /**
   * @param {Uint8Array} bytes
   * @param {string} source What messages call it.
   * @throws {MscnError} Not a bundle, or damaged.
   */
  constructor(bytes, source) {
    let size = 0;
    const filter = (file) => (size += file.originalSize) <= MAX_BYTES;
    try {
      this.members = unzipSync(bytes, { filter });
      this.manifest = JSON.parse(new TextDecoder().decode(this.members["manifest.json"]));
    } catch {
      throw new MscnError(`${source}: not a codec bundle, or damaged; get a fresh .mscnb file`);
    }
    if (size > MAX_BYTES) throw new MscnError(`${source}: inflates to over ${MAX_BYTES} bytes`);
    if (this.manifest?.format !== "mscn-bundle" || this.manifest.version !== 1) {
      throw new MscnError(`${source}: not a codec bundle of version 1`);
    }
    this.id = contentId(this.members);
    // The id stands in the zip file's comment too, which ends the file.
    const comment = new TextDecoder("latin1").decode(bytes.subarray(-76));
    if (comment !== `mscn-bundle ${this.id}`) {
      throw new MscnError(`${source}: damaged (its content is not what its id says)`);
    }
    this.name = String(this.manifest.name);
    this.size = bytes.length;
  }

  /** The manifest's word for the kind of codec: see schemes.js. */
  get kind() {
    return this.manifest.codec ?? "tiles";
  }

  /** The arrays in a folder, by name. */
  arrays(folder) {
    const arrays = {};
    for (const [member, content] of Object.entries(this.members)) {
      if (!member.startsWith(`${folder}/`) || !member.endsWith(".npy")) continue;
      try {
        arrays[member.slice(folder.length + 1, -4)] = readArray(content);
      } catch (error) {
        throw new MscnError(`bundle ${this.name}: ${member}: ${error.message}`);
      }
    }
    return arrays;
  }

  /** The decoder's weights by name: whole numbers are multiplied by their steps. */
  weights() {
    const stored = this.arrays("weights");
    const weights = {};
    for (const [name, array] of Object.entries(stored)) {
      if (name.endsWith(".step")) continue;
      if (array.whole) multiply(array, stored[`${name}.step`], `bundle ${this.name}: ${name}`);
      weights[name] = array;
    }
    return weights;
  }
}

function contentId(members) {
  const encoder = new TextEncoder();
  const total = sha256.create();
  // JavaScript compares UTF-16 units, which is the order of code points for the names there are.
  for (const name of Object.keys(members).sort()) {
    total.update(encoder.encode(`${name}\0`)).update(sha256(members[name]));
  }
  return Array.from(total.digest(), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Multiplies an array by another whose shape broadcasts to its own. */
function multiply(array, step, what) {
  const axes = array.shape.length;
  const sides = step && [...Array(Math.max(axes - step.shape.length, 0)).fill(1), ...step.shape];
  if (!sides || sides.length !== axes
    || sides.some((side, axis) => side !== 1 && side !== array.shape[axis])) {
    throw new MscnError(`${what} lacks its steps`);
  }
  const { data } = array;
  for (let i = 0; i < data.length; i++) {
    let [rest, stride, at] = [i, 1, 0];
    for (let axis = axes - 1; axis >= 0; axis--) {
      const place = rest % array.shape[axis];
      rest = (rest - place) / array.shape[axis];
      if (sides[axis] > 1) at += place * stride;
      stride *= sides[axis];
    }
    data[i] *= step.data[at];
  }
}
