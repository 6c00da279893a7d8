// Planes of bytes without loss (docs/format.md, "Exact planes"), as `mscn_tf.runtime.exact` codes them.

import { BITS, DRAWING, GRIDS, PALETTE, SAMPLES } from "./exact.js";
import { encodeDrawing, isDrawn } from "./exact_drawings.js";
import { inFewColours } from "./few_colours.js";
import { middleOf } from "./exact_grids.js";
import { joinBytes, varint } from "./tables.js";
import { deflateRaw } from "./vendor/pako.js";

const LARGEST_PALETTE = 2 ** 16;
const STRIP = 2 ** 18; // samples that are looked at to see whether there are few different ones
const SAMPLE = 2 ** 17; // bytes that an estimate looks at
const STRIPS = 8; // in which they lie
const [FAST, GOOD, BEST] = [1, 6, 9]; // levels of zlib
const [LARGE, HUGE] = [2 ** 19, 2 ** 22]; // bytes
const LARGEST_GRIDS = 2 ** 20; // samples of a plane that networks are run on in a page
const SMALL = 2 ** 9; // bytes of a payload that nothing else is tried for
const DRAWN = 4; // times what their own form takes deflated drawings are estimated to take
const LEARNT = 1.5; // times what others take of a sample a drawing may take, which learns on the way

/** A table's bytes: the filter of each row, then what is left of its numbers, byte after byte. */
function filtered({ data, width, channels }, choose) {
  const line = width * channels;
  const rows = line ? data.length / line : 0;
  const size = data.BYTES_PER_ELEMENT;
  const out = new Uint8Array(rows + data.length * size);
  const mask = 2 ** (8 * size) - 1;
  const value = (filter, row, k) => {
    const at = row * line + k;
    const above = (i) => (filter & 2 && row ? data[i - line] : 0);
    const here = data[at] - above(at);
    return (filter & 1 && k >= channels ? here - data[at - channels] + above(at - channels) : here) & mask;
  };
  for (let row = 0; row < rows; row++) {
    let [filter, least] = [0, Infinity];
    for (let kind = 0; choose && kind < 4; kind++) {
      let sum = 0;
      for (let k = 0; k < line; k++) {
        const number = value(kind, row, k);
        sum += Math.min(number, mask + 1 - number);
      }
      if (sum < least) [filter, least] = [kind, sum];
    }
    out[row] = filter;
    for (let k = 0; k < line; k++) {
      const number = value(filter, row, k);
      for (let byte = 0; byte < size; byte++) {
        out[rows + byte * data.length + row * line + k] = number >> (8 * byte);
      }
    }
  }
  return out;
}

/** One way to write a plane: the payload at a level of zlib. */
function packed({ form, palette, table, choose }, level) {
  const parts = [];
  if (palette) parts.push(filtered(palette, true));
  if (!palette || palette.width > 1) parts.push(filtered(table, choose));
  const bytes = deflateRaw(joinBytes(parts), { level, legacyHash: true });
  const head = palette ? [form, ...varint(palette.width)] : [form];
  return joinBytes([Uint8Array.from(head), bytes]);
}

/** Each sample as one number; those of up to four channels fit. */
function samplesOf({ data, channels }) {
  return Float64Array.from({ length: data.length / channels }, (_, i) => {
    let number = 0;
    for (let c = 0; c < channels; c++) number = number * 256 + data[i * channels + c];
    return number;
  });
}

/** Ways to write a plane, one of which will be shortest. */
function waysOf(plane) {
  const { data, width, channels } = plane;
  const samples = samplesOf(plane);
  const [first] = samples;
  if (data.length > STRIP && samples.every((sample) => sample === first)) {
    const palette = { data: data.subarray(0, channels), width: 1, channels };
    return [{ form: PALETTE, palette, table: null, choose: false }];
  }
  const ways = [true, false].map((choose) =>
    ({ form: SAMPLES, palette: null, table: plane, choose }));
  const stride = Math.max(1, Math.floor(samples.length / STRIP));
  if (new Set(samples.filter((_, i) => i % stride === 0)).size > LARGEST_PALETTE) return ways;
  const different = Float64Array.from(new Set(samples)).sort();
  const count = different.length;
  if (count > Math.min(LARGEST_PALETTE, Math.max(1, Math.floor(samples.length / 2)))) return ways;
  const colours = new Uint8Array(count * channels);
  const places = new Map();
  different.forEach((sample, place) => {
    places.set(sample, place);
    for (let c = channels - 1, rest = sample; c >= 0; c--, rest = Math.floor(rest / 256)) {
      colours[place * channels + c] = rest % 256;
    }
  });
  const palette = { data: colours, width: count, channels };
  const index = (count <= 256 ? Uint8Array : Uint16Array).from(samples, (s) => places.get(s));
  const table = { data: index, width, channels: 1 };
  ways.push({ form: PALETTE, palette, table, choose: true });
  ways.push({ form: PALETTE, palette, table, choose: false });
  if (count === 2) {
    const bits = new Uint8Array(Math.ceil(index.length / 8));
    index.forEach((bit, i) => (bits[i >> 3] |= bit << (7 - (i & 7))));
    const row = { data: bits, width: bits.length, channels: 1 };
    ways.push({ form: BITS, palette, table: row, choose: false });
  }
  return ways;
}

/** The shortest of some byte arrays, the first one of several. */
const shortest = (arrays) => arrays.reduce((best, next) => (next.length < best.length ? next : best));

/** Lengths of a plane's ways at the fast level. */
const fastSizes = (ways) => ways.map((way) => packed(way, FAST).length);

/**
 * The payload of a plane.
 * @param {{data: Uint8Array, width: number, channels: number}} plane Its samples, row-major.
 * @param {GridEncoder|null} grids What codes photographs; without it they take more bytes.
 */
export function encodeExact(plane, grids) {
  const deflated = deflatedOf(plane);
  const { length } = plane.data;
  if (deflated.length < SMALL) return deflated;
  const middle = middleOf(plane);
  const whole = middle.data.length === length;
  const least = Math.min(...fastSizes(waysOf(middle)));
  const withGrids = grids && length <= LARGEST_GRIDS;
  const gridded = whole || !withGrids ? least : grids.encode(middle).length;
  const tried = [deflated];
  if (isDrawn(plane, middle)) {
    let drawn = encodeDrawing(middle);
    if (drawn && !whole) drawn = drawn.length <= LEARNT * Math.min(least, gridded) ? encodeDrawing(plane) : null;
    if (drawn) tried.push(joinBytes([[DRAWING], drawn]));
  }
  if (withGrids && gridded <= least) tried.push(joinBytes([[GRIDS], grids.encode(plane)]));
  return shortest(tried);
}

/** Whether a plane may well be a drawing. */
export const isDrawing = (plane) => isDrawn(plane, middleOf(plane));

/**
 * The payload of a drawing in fewer colours, and their PSNR in dB; null where it decodes slowly.
 * @param {number} price Squared error, summed over channels, that a bit is worth.
 */
export function encodeInFewColours(plane, price) {
  const reduced = inFewColours(plane, price);
  let [farthest, error] = [0, 0];
  plane.data.forEach((value, i) => {
    farthest = Math.max(farthest, Math.abs(value - reduced.data[i]));
    error += (value - reduced.data[i]) ** 2;
  });
  const drawn = encodeDrawing(reduced, farthest);
  const psnr = 10 * Math.log10((255 ** 2 * plane.data.length) / error);
  return drawn && { payload: joinBytes([[DRAWING], drawn]), psnr };
}

function deflatedOf(plane) {
  let ways = waysOf(plane);
  const { length } = plane.data;
  if (length > LARGE) { // which way is shortest, the fast level tells mostly
    const sizes = fastSizes(ways);
    const fast = ways[sizes.indexOf(Math.min(...sizes))];
    ways = ways.filter((way) => way === fast || way.table.data.byteLength <= LARGE);
  }
  return shortest(ways.map((way) => packed(way, length <= HUGE ? BEST : GOOD)));
}

/** About how many bytes `encodeExact` makes, from a few rows. */
export function estimateExact(plane) {
  const { data, width, channels } = plane;
  const line = width * channels;
  const rows = data.length / line;
  let part = data;
  if (rows === 1) {
    part = data.subarray(0, SAMPLE * channels);
  } else if (data.length > SAMPLE) {
    const height = Math.max(1, Math.floor(SAMPLE / (STRIPS * line)));
    const tops = Array.from({ length: STRIPS }, (_, i) =>
      Math.round((i * (rows - height)) / (STRIPS - 1)));
    part = joinBytes([...new Set(tops)].map((top) =>
      data.subarray(top * line, (top + height) * line)));
  }
  const wide = Math.min(width, part.length / channels);
  const sizes = fastSizes(waysOf({ data: part, width: wide, channels }));
  const about = (Math.min(...sizes) * data.length) / part.length;
  return about > SMALL && isDrawing(plane) ? about / DRAWN : about;
}
