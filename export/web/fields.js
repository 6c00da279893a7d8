// Fields of a file as maps: north up, in their own units.

import { gapsOf } from "./gaps.js";
import { axesOf, gridOf } from "./grids.js";
import { positionOf } from "./sphere.js";

const DEGREES = 180 / Math.PI;
const TURN = 2 * Math.PI;
const BEYOND = 1; // steps of a grid outside of it that its outer values are shown for

/** Whether rows go from south to north. */
function upsideDown([latitudes]) {
  return latitudes[latitudes.length - 1] > latitudes[0];
}

/**
 * Latitudes, from the north on, and longitudes of an item's rows and columns, in degrees; `placed`
 * is false where they are made up, as the file doesn't know them.
 */
export function fieldAxes(container, item) {
  const known = axesOf(container, item);
  const { placed } = gridOf(container.metadata, item);
  const [latitudes, longitudes] = known.map((axis) => axis.map((angle) => angle * DEGREES));
  return { latitudes: upsideDown(known) ? latitudes.reverse() : latitudes, longitudes, placed };
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
  const turned = upsideDown(axesOf(container, view.item));
  const top = turned ? whole[0] - view.start[0] - view.extent[0] : view.start[0];
  const found = await codec.render({ ...view, start: [top, view.start[1]] });
  const [rows, columns] = [top, view.start[1]].map((first, axis) =>
    Array.from({ length: view.shape[axis] }, (_, i) =>
      Math.floor(first + ((i + 0.5) * view.extent[axis]) / view.shape[axis])));
  const values = inUnits(found, container, view.item, rows, columns);
  return turned ? { ...found, values: flipped(values, found.width) } : { ...found, values };
}

/**
 * A field at any latitudes and longitudes, in radians, as `fieldView` gives it; outside of its grid
 * not a number.
 */
export async function fieldAt(codec, item, points) {
  const { container } = codec;
  const found = await codec.evaluate(item, points);
  const [latitudes, longitudes] = axesOf(container, item);
  const rows = Array.from(points[0], (angle) => nearest(latitudes, angle));
  const low = Math.min(longitudes[0], longitudes[longitudes.length - 1]);
  const columns = Array.from(points[1], (angle) => {
    const ahead = low + ((((angle - low) % TURN) + TURN) % TURN);
    return nearest(longitudes, ahead) ?? nearest(longitudes, ahead - TURN);
  });
  return { ...found, values: inUnits(found, container, item, rows, columns) };
}

/** Which of known coordinates is nearest; undefined where it is none of theirs. */
function nearest(known, coordinate) {
  if (known.length === 1) return 0;
  const place = positionOf(known, coordinate);
  if (place < -BEYOND || place > known.length - 1 + BEYOND) return undefined;
  return Math.min(Math.max(Math.round(place), 0), known.length - 1);
}

/** Values in the file's unit, of these rows and columns of samples, of which some may be missing. */
function inUnits({ values }, container, item, rows, columns) {
  const { scale, offset } = variableOf(container.metadata, item);
  const shape = container.shape(item);
  const gaps = gapsOf(container.metadata, item, shape);
  const width = columns.length;
  return Float32Array.from(values, (value, i) => {
    const at = rows[Math.floor(i / width)] * shape[1] + columns[i % width];
    return Number.isNaN(at) || gaps?.[at] ? NaN : value * scale + offset;
  });
}

function flipped(values, width) {
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += width) {
    out.set(values.subarray(at, at + width), values.length - width - at);
  }
  return out;
}
