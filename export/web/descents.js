// What a grid that follows from another one expects of it (docs/format.md, "Descent").

import { damaged } from "./range.js";

const WHOLE_SHARE = 8;
const LARGEST_PARENT = 2 ** 33;

/** Levels of a grid of so many rows and columns. */
export function levelsOf(shape) {
  return 32 - Math.clz32(Math.max(...shape) - 1);
}

/** Shares of so many levels, two a byte. */
export function unpackShares(bytes, levels) {
  const shares = [...bytes].flatMap((byte) => [byte & 15, byte >> 4]);
  if (shares.length < levels || shares.some((share, level) => share > (level < levels ? WHOLE_SHARE : 0))) {
    throw damaged("a parent's shares");
  }
  return shares.slice(0, levels);
}

/**
 * A parent as `Grids.decode` takes it.
 * @param {Float64Array} values Numbers of the parent, in 1024ths of its steps.
 * @param {number} ratio Of its step to that of the grid which follows.
 * @param {number[]} shares Of the levels.
 */
export function parentOf(values, ratio, shares) {
  const scaled = values.map((value) =>
    Math.min(Math.max(Math.floor(value * ratio + 0.5), -LARGEST_PARENT), LARGEST_PARENT));
  return { values: scaled, shares };
}
