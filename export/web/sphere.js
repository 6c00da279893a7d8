// Coordinates of fields on the sphere.

import { MscnError } from "./errors.js";

/** Latitudes [H] from north to south and longitudes [W] from 0 degrees east, radians. */
export function globalGrid([height, width]) {
  return [
    Float64Array.from({ length: height }, (_, i) => Math.PI / 2 - ((i + 0.5) * Math.PI) / height),
    Float64Array.from({ length: width }, (_, i) => ((i + 0.5) * 2 * Math.PI) / width),
  ];
}

/** Those of a file's rows and columns: from its metadata, where it has them. */
export function sphereGrid(shape, metadata, source) {
  return globalGrid(shape).map((known, axis) => {
    const name = ["latitude", "longitude"][axis];
    const degrees = metadata?.[name];
    if (degrees === undefined) return known;
    const fits = Array.isArray(degrees) && degrees.length === known.length
      && degrees.every(Number.isFinite);
    if (!fits) {
      throw new MscnError(`${source}: damaged (${name} in its metadata); get a fresh copy`);
    }
    return Float64Array.from(degrees, (degree) => (degree * Math.PI) / 180);
  });
}

/** Coordinates at fractional positions, sample i being at i; straight beyond the outer ones. */
export function coordinatesAt(known, positions) {
  return positions.map((position) => {
    if (known.length === 1) return known[0];
    const left = Math.min(Math.max(Math.floor(position), 0), known.length - 2);
    const share = position - left;
    return known[left] * (1 - share) + known[left + 1] * share;
  });
}
