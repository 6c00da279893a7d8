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

/** Where a coordinate lies among known ones that rise or fall: the inverse of `coordinatesAt`. */
export function positionOf(known, coordinate) {
  const direction = Math.sign(known[known.length - 1] - known[0]);
  let left = 0;
  while (left < known.length - 2 && (known[left + 1] - coordinate) * direction <= 0) left++;
  return left + (coordinate - known[left]) / (known[left + 1] - known[left]);
}

/**
 * A field's values between its samples, along straight lines; columns go around the sphere.
 * @param {Float32Array} values [H, W].
 * @param {Float64Array[]} known Latitudes and longitudes of its rows and columns, in radians.
 * @param {Float64Array[]} points Those that are wanted.
 * @returns {Float32Array} [rows, columns].
 */
export function valuesAt(values, known, points) {
  const [height, width] = known.map((axis) => axis.length);
  const rows = Array.from(points[0], (latitude) =>
    Math.min(Math.max(height > 1 ? positionOf(known[0], latitude) : 0, 0), height - 1));
  const turn = 2 * Math.PI;
  const around = Float64Array.from({ length: width + 1 }, (_, i) => known[1][i] ?? known[1][0]);
  around[width] += turn * (Math.sign(known[1][width - 1] - known[1][0]) || 1);
  const low = Math.min(around[0], around[width]);
  const columns = Array.from(points[1], (longitude) =>
    positionOf(around, low + ((((longitude - low) % turn) + turn) % turn)));
  const out = new Float32Array(rows.length * columns.length);
  rows.forEach((row, r) => {
    const top = Math.floor(row);
    columns.forEach((column, c) => {
      const left = Math.floor(column);
      const line = (y) => {
        const [a, b] = [left, left + 1].map((x) => values[Math.min(y, height - 1) * width + (x % width)]);
        return a + (b - a) * (column - left);
      };
      out[r * columns.length + c] = line(top) + (line(top + 1) - line(top)) * (row - top);
    });
  });
  return out;
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
