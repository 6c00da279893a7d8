// Where fields have no values (docs/format.md, "Fields").

import { MscnError } from "./errors.js";
import { inflated } from "./exact.js";
import { gridOf } from "./grids.js";
import { decodeGroup4 } from "./group4.js";

const ZLIB_HEAD = 2; // bytes before deflated ones

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/**
 * The mask of an item.
 * @param {Object|null} metadata Of the file.
 * @param {number[]} shape Rows and columns, as the file has them.
 * @returns {Uint8Array|null} Row-major, 1 where there is no value; null where there are no gaps.
 * @throws {MscnError} It is damaged.
 */
export function gapsOf(metadata, item, shape) {
  const number = metadata?.mask?.[item] ?? -1;
  const { grid: { masks }, number: own } = gridOf(metadata, item);
  if (number < 0 || masks === undefined) return null;
  try {
    const ofGrid = metadata.mask.filter((_, other) => gridOf(metadata, other).number === own);
    return typeof masks === "string"
      ? ofAll(bytesOf(masks), 1 + Math.max(...ofGrid), shape)(number)
      : decodeGroup4(bytesOf(masks[number]), shape);
  } catch (error) {
    if (error instanceof MscnError) throw error;
    throw new MscnError("a mask of the file is damaged; get a fresh copy");
  }
}

/** Masks that are packed together, each as its difference from the one before. */
function ofAll(packed, count, [height, width]) {
  const size = Math.ceil((height * width) / 8);
  const bits = inflated(packed.subarray(ZLIB_HEAD), count * size);
  for (let i = size; i < bits.length; i++) bits[i] ^= bits[i - size];
  return (number) => Uint8Array.from({ length: height * width }, (_, i) =>
    (bits[number * size + (i >> 3)] >> (7 - (i & 7))) & 1);
}
