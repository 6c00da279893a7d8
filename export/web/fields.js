// Fields of a file as maps: north up, in their own units.

import { gapsOf } from "./gaps.js";
import { positionOf, sphereGrid } from "./sphere.js";

const DEGREES = 180 / Math.PI;

/** Whether rows go from south to north. */
function upsideDown([latitudes]) {
  return latitudes[latitudes.length - 1] > latitudes[0];
}

/** Latitudes, from the north on, and longitudes of an item's rows and columns, in degrees. */
export function fieldAxes(container, item) {
  const known = sphereGrid(container.shape(item), container.metadata, container.source);
  const [latitudes, longitudes] = known.map((axis) => axis.map((angle) => angle * DEGREES));
  return { latitudes: upsideDown(known) ? latitudes.reverse() : latitudes, longitudes };
}

/** What the numbers of an item stand for: `{name, units, scale, offset}`. */
export function variableOf(metadata, item) {
  let first = 0;
  for (const { name, count = 1, units = "", scale = 1, offset = 0, raw = false } of metadata?.fields ?? []) {
    if (item < first + count) return { name, units, scale: raw ? 1 : scale, offset };
    first += count;
  }
  return { name: "", units: "K", scale: 1, offset: 0 };
}

/** A part of a field in a size, counted from the north, not a number where there are no values. */
export async function fieldView(codec, view) {
  const { container } = codec;
  const whole = container.shape(view.item);
  const turned = upsideDown(sphereGrid(whole, container.metadata, container.source));
  const top = turned ? whole[0] - view.start[0] - view.extent[0] : view.start[0];
  const found = await codec.render({ ...view, start: [top, view.start[1]] });
  const [rows, columns] = [top, view.start[1]].map((first, axis) =>
    Array.from({ length: view.shape[axis] }, (_, i) =>
      Math.floor(first + ((i + 0.5) * view.extent[axis]) / view.shape[axis])));
  const values = inUnits(found, container, view.item, rows, columns);
  return turned ? { ...found, values: flipped(values, found.width) } : { ...found, values };
}

/** A field at any latitudes and longitudes, in radians, as `fieldView` gives it. */
export async function fieldAt(codec, item, [latitudes, longitudes]) {
  const { container } = codec;
  const found = await codec.evaluate(item, [latitudes, longitudes]);
  const known = sphereGrid(container.shape(item), container.metadata, container.source);
  const [rows, columns] = [latitudes, longitudes].map((points, axis) => {
    const { length } = known[axis];
    const turn = 2 * Math.PI;
    const low = axis ? Math.min(known[1][0], known[1][length - 1]) : 0;
    const around = (angle) => (axis ? low + ((((angle - low) % turn) + turn) % turn) : angle);
    return Array.from(points, (angle) => (length === 1 ? 0
      : Math.min(Math.max(Math.round(positionOf(known[axis], around(angle))), 0), length - 1)));
  });
  return { ...found, values: inUnits(found, container, item, rows, columns) };
}

/** Values in the file's unit, of these rows and columns of samples. */
function inUnits({ values }, container, item, rows, columns) {
  const { scale, offset } = variableOf(container.metadata, item);
  const shape = container.shape(item);
  const gaps = gapsOf(container.metadata, item, shape);
  const width = columns.length;
  return Float32Array.from(values, (value, i) =>
    (gaps?.[rows[Math.floor(i / width)] * shape[1] + columns[i % width]] ? NaN : value * scale + offset));
}

function flipped(values, width) {
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += width) {
    out.set(values.subarray(at, at + width), values.length - width - at);
  }
  return out;
}
