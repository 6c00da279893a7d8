// Which grid an item of a file of fields lies on (docs/format.md, "Fields").

import { sphereGrid } from "./sphere.js";

/**
 * What metadata say of an item's grid.
 * @param {Object|null} metadata Of the file.
 * @returns {{grid: Object, number: number, placed: boolean}} With its `latitude`, `longitude` and
 *   `masks`, as far as there are; which of `grids`; whether its place on Earth is known.
 */
export function gridOf(metadata, item) {
  if (!metadata?.grids) return { grid: metadata ?? {}, number: 0, placed: true };
  const number = numberOf(metadata, item);
  const grid = metadata.grids[number] ?? {};
  return { grid, number, placed: Boolean(grid.latitude && grid.longitude) };
}

/** Latitudes and longitudes of an item's rows and columns, in radians. */
export function axesOf(container, item) {
  const { grid } = gridOf(container.metadata, item);
  return sphereGrid(container.shape(item), grid, container.source);
}

function numberOf({ fields = [] }, item) {
  let first = 0;
  for (const { count = 1, grid = 0 } of fields) {
    if (item < first + count) return grid;
    first += count;
  }
  return 0;
}
