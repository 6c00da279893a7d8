// Fields coded by interpolation, within a bound (docs/format.md, "Codecs of interpolation").

import { axesOf } from "./grids.js";
import { levelsOf, parentOf, unpackShares } from "./descents.js";
import { RangeDecoder, RangeEncoder, damaged } from "./range.js";
import { resized } from "./sampling.js";
import { valuesAt } from "./sphere.js";
import { Tables, checked, shaped } from "./tables.js";

const FRACTION = 10; // fractional bits of a step
const UNIT = 2 ** FRACTION;
const INPUTS = 34;
const NEIGHBOURS = 20;
const LARGEST = 2 ** 35;
const LARGEST_SHARE = 4096;
const REACH = 3; // of neighbours, in places of their level
const HEAD = 9;
const [PERIODIC, FOLLOWS] = [1, 2];
const LONGEST_CHAIN = 8;
const KEPT_VALUES = 2 ** 22; // of fields that others may follow

const PAIRS = [-3, -1, 1, 3].flatMap((y) => [-3, -1, 1, 3].map((x) => [y, x]))
  .sort((a, b) => a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2 || a[0] - b[0] || a[1] - b[1]);
const EDGE = [
  [-1, 0], [1, 0], [0, -1], [0, 1],
  [-1, -2], [-1, 2], [1, -2], [1, 2], [-2, -1], [-2, 1], [2, -1], [2, 1],
  [-3, 0], [3, 0], [0, -3], [0, 3],
];
const CORNERS = [[-1, -1], [-1, 1], [1, -1], [1, 1]];
const TWELVE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const PASSES = [
  { row: 1, column: 1, around: PAIRS, seen: TWELVE },
  { row: 1, column: 0, around: EDGE, seen: TWELVE },
  { row: 0, column: 1, around: [...EDGE, ...CORNERS], seen: [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7] },
];
const STEPS = Float64Array.from({ length: 256 }, (_, n) => Math.round(8 * Math.log2(1 + n)));
const THRESHOLDS = thresholds();

/** The smallest spread of each 32nd of an octave above 256, found in whole numbers. */
function thresholds() {
  return Float64Array.from({ length: 32 * 40 }, (_, part) => {
    const power = 1n << BigInt(part + 32 * 8);
    let spread = BigInt(Math.floor(2 ** (part / 32 + 8))) - 1n;
    while (spread ** 32n < power) spread++;
    return Number(spread);
  });
}

/** How many thresholds a spread reaches, less one. */
function octaveOf(spread) {
  let low = 0;
  let high = THRESHOLDS.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (THRESHOLDS[middle] <= spread) low = middle; else high = middle;
  }
  return low;
}

const rounded = (value, bits) => Math.floor(value / 2 ** bits + 0.5);
const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/** The networks of the three passes. */
class Nets {
  constructor(arrays) {
    const [, hidden, last] = checked(arrays, "second", 3).shape;
    const filters = checked(arrays, "filters", 3).shape[2];
    this.sizes = { hidden, last, filters };
    const shapes = {
      first: [3, INPUTS, hidden],
      first_bias: [3, hidden],
      second: [3, hidden, last],
      second_bias: [3, last],
      last: [3, last, 1 + filters],
      last_bias: [3, 1 + filters],
      filters: [3, NEIGHBOURS, filters],
      shift: [3],
      octave: [1],
    };
    this.arrays = {};
    for (const [name, shape] of Object.entries(shapes)) {
      this.arrays[name] = Float64Array.from(shaped(arrays, name, shape));
    }
    const counts = { first: hidden, second: last, last: 1 + filters };
    this._layers = Object.entries(counts).map(([name, count], n) => ({
      weights: this.arrays[name],
      bias: this.arrays[`${name}_bias`],
      unit: 2 ** -this.arrays.shift[n],
      sums: new Float64Array(count),
    }));
  }

  /** Sums of a layer's inputs for a pass; valid until the next call. */
  _sums({ weights, bias, sums }, pass, inputs) {
    const outputs = sums.length;
    for (let j = 0; j < outputs; j++) sums[j] = bias[pass * outputs + j];
    let at = pass * inputs.length * outputs;
    for (let i = 0; i < inputs.length; i++, at += outputs) {
      const input = inputs[i];
      if (input !== 0) for (let j = 0; j < outputs; j++) sums[j] += input * weights[at + j];
    }
    return sums;
  }

  /** Units of a hidden layer, likewise. */
  _units(layer, pass, inputs) {
    const sums = this._sums(layer, pass, inputs);
    for (let j = 0; j < sums.length; j++) {
      sums[j] = clip(Math.floor(sums[j] * layer.unit + 0.5), 0, 4095);
    }
    return sums;
  }

  /** A place's table, not yet clipped, and what corrects its prediction. */
  run(pass, inputs, differences, octave) {
    const { filters } = this.sizes;
    const { shift, filters: kernels } = this.arrays;
    const [first, second, last] = this._layers;
    const units = this._units(second, pass, this._units(first, pass, inputs));
    const sums = this._sums(last, pass, units);
    let total = 0;
    for (let f = 0; f < filters; f++) {
      const exact = sums[1 + f] * 2 ** (10 - shift[2]);
      const share = clip(Math.floor(exact + (shift[2] > 10 ? 0.5 : 0)), -LARGEST_SHARE, LARGEST_SHARE);
      let sum = 0;
      for (let i = 0, at = pass * NEIGHBOURS * filters + f; i < differences.length; i++, at += filters) {
        sum += kernels[at] * differences[i];
      }
      total += share * rounded(sum, 10);
    }
    const table = Math.floor((sums[0] + this.arrays.octave[0] * octave) * last.unit);
    return { table, correction: rounded(total, 10) };
  }
}

/** Codes grids with the networks of an interpolation codec. */
export class Grids {
  constructor(bundle) {
    const arrays = bundle.arrays("prior");
    this.tables = new Tables(arrays);
    this._nets = new Nets(arrays);
    this._around = { // of one place after the other
      places: new Float64Array(NEIGHBOURS),
      values: new Float64Array(NEIGHBOURS),
      inputs: new Float64Array(INPUTS),
    };
  }

  /**
   * What a payload stands for, in 1024ths of a step.
   * @param {Uint8Array} payload
   * @param {number[]} shape Rows and columns.
   * @param {boolean} periodic Whether the last column is followed by the first.
   * @param {{values: Float64Array, shares: number[]}=} parent What values are expected from: a grid
   *   in the same steps, and the share of it for each level, in eighths, coarsest first.
   * @returns {Float64Array} Whole numbers, the first one 0.
   */
  decode(payload, shape, periodic, parent = null) {
    const decoder = new RangeDecoder(payload);
    return this._walk(shape, periodic, parent, (index) => {
      const symbols = new Int32Array(index.length);
      this.tables.decode(decoder, index, index.length, symbols);
      return symbols;
    });
  }

  /**
   * The payload of whole numbers, without loss.
   * @param {Int32Array} numbers Row-major, the first one 0.
   * @param {number[]} shape Rows and columns.
   * @returns {Uint8Array}
   */
  encode(numbers, shape) {
    const encoder = new RangeEncoder();
    this._walk(shape, false, null, (index, predicted, places) => {
      const symbols = Int32Array.from(places, (at, n) =>
        rounded(UNIT * numbers[at] - predicted[n], FRACTION));
      this.tables.encode(encoder, symbols, index);
      return symbols;
    });
    return encoder.seal();
  }

  /** The grid that follows from the symbols that `code` gives for the places of each pass. */
  _walk([rows, columns], periodic, parent, code) {
    const grid = { values: new Float64Array(rows * columns), steps: new Float64Array(rows * columns) };
    const levels = levelsOf([rows, columns]);
    for (let number = 0; number < levels; number++) {
      const apart = 2 ** (levels - 1 - number);
      const share = parent?.shares[number];
      const level = {
        apart, columns, sides: [Math.ceil(rows / apart), Math.ceil(columns / apart)],
        turns: periodic && columns % (2 * apart) === 0,
        expected: share ? (at) => rounded(share * parent.values[at], 3) : () => 0,
      };
      PASSES.forEach((pass, number) => this._pass(code, grid, level, pass, number));
    }
    return grid.values;
  }

  _pass(code, grid, level, pass, number) {
    const [height, width] = level.sides;
    const { apart, columns } = level;
    const places = [];
    for (let y = pass.row; y < height; y += 2) {
      for (let x = pass.column; x < width; x += 2) places.push([y, x]);
    }
    if (!places.length) return;
    const index = new Uint16Array(places.length);
    const predicted = new Float64Array(places.length);
    places.forEach((place, n) => {
      const { table, prediction } = this._predict(grid, level, pass, number, place);
      index[n] = clip(table, 0, this.tables.count - 1);
      predicted[n] = prediction;
    });
    const known = places.map(([y, x]) => (y * columns + x) * apart);
    const symbols = code(index, predicted, known);
    known.forEach((at, n) => {
      grid.values[at] = clip(predicted[n] + UNIT * symbols[n], -LARGEST, LARGEST);
      grid.steps[at] = Math.abs(symbols[n]);
    });
  }

  _predict(grid, level, pass, number, place) {
    const { places, values, inputs } = this._around;
    const count = pass.around.length;
    const sums = [0, 0, 0]; // of the four nearest, of those up to the twelfth, and to the sixteenth
    for (let i = 0; i < count; i++) {
      places[i] = neighbour(level, place, pass.around[i]);
      values[i] = grid.values[places[i]] - level.expected(places[i]);
      if (i < 16) sums[i < 4 ? 0 : i < 12 ? 1 : 2] += values[i];
    }
    const prediction = number === 0
      ? rounded(81 * sums[0] - 9 * sums[1] + sums[2], 8)
      : rounded(9 * sums[0] - sums[2], 5);
    const differences = values.subarray(0, count);
    let [near, all] = [0, 0];
    for (let i = 0; i < count; i++) {
      differences[i] -= prediction;
      all += Math.abs(differences[i]);
      if (i === 3) near = all;
    }
    const spread = Math.floor(all / count) + Math.floor(near / 4) + 256;
    const octave = octaveOf(spread);
    inputs.fill(0, count, NEIGHBOURS);
    for (let i = 0; i < count; i++) {
      inputs[i] = clip(Math.floor((32 * differences[i]) / spread), -127, 127);
    }
    for (let n = 0; n < pass.seen.length; n++) {
      inputs[NEIGHBOURS + n] = STEPS[Math.min(grid.steps[places[pass.seen[n]]], 255)];
    }
    inputs[INPUTS - 2] = Math.min(Math.floor(octave / 4), 255);
    inputs[INPUTS - 1] = Math.min(16 * Math.log2(level.apart), 255);
    const { table, correction } = this._nets.run(number, inputs, differences, octave);
    const at = (place[0] * level.columns + place[1]) * level.apart;
    return { table, prediction: level.expected(at) + prediction + correction };
  }
}

/** Decodes the fields of a file of an interpolation codec. */
export class InterpolationReader {
  constructor(container, bundle) {
    this._container = container;
    this._grids = new Grids(bundle);
    this._kept = new Map(); // fields by item, the last ones
  }

  /** Values in the codec's own unit, Float32Array [h, w]. */
  render({ item, start, extent, shape }) {
    const size = [...this._container.shape(item), 1];
    return resized(this._values(item), size, start, extent, shape);
  }

  /** Values at latitudes and longitudes, in radians. */
  evaluate(item, points) {
    return valuesAt(this._values(item), axesOf(this._container, item), points);
  }

  _values(item) {
    const chain = this._chain(item);
    const known = chain.findLastIndex((member) => this._kept.has(member));
    for (const member of chain.slice(known + 1)) this._keep(member, this._field(member));
    return this._kept.get(item).values;
  }

  _keep(item, field) {
    const most = this._container.hasParents ? Math.floor(KEPT_VALUES / field.values.length) : 1;
    this._kept.set(item, field);
    for (const first of this._kept.keys()) {
      if (this._kept.size > Math.max(most, 1)) this._kept.delete(first);
    }
  }

  /** The items that one follows from, each from the one before, and itself at the end. */
  _chain(item) {
    const found = [item];
    const shape = this._container.shape(item);
    for (let { distance } = this._head(item); distance; ({ distance } = this._head(found[0]))) {
      const parent = found[0] - distance;
      const known = this._container.hasParents && parent >= 0 && this._container.coded(parent).length;
      if (!known || found.length === LONGEST_CHAIN) throw damaged("what a field follows from");
      if (this._container.shape(parent).some((side, axis) => side !== shape[axis])) {
        throw damaged("a field that follows from one of another size");
      }
      found.unshift(parent);
    }
    return found;
  }

  /** What comes before the string of the range coder, and where that begins. */
  _head(item) {
    const payload = this._container.blocks[this._container.firstTile(item)];
    if (payload.length < HEAD) throw damaged("a head that is cut short");
    const head = new DataView(payload.buffer, payload.byteOffset, HEAD);
    const [flags, first, step] = [head.getUint8(0), head.getFloat32(1, true), head.getFloat32(5, true)];
    if (flags > PERIODIC + FOLLOWS || !Number.isFinite(first) || !Number.isFinite(step) || step <= 0) {
      throw damaged("its step");
    }
    const periodic = Boolean(flags & PERIODIC);
    if (!(flags & FOLLOWS)) return { first, step, periodic, distance: 0, payload: payload.subarray(HEAD) };
    const levels = levelsOf(this._container.shape(item));
    const end = HEAD + 1 + Math.ceil(levels / 2);
    if (!payload[HEAD]) throw damaged("its parent");
    const shares = unpackShares(payload.subarray(HEAD + 1, end), levels);
    return { first, step, periodic, distance: payload[HEAD], shares, payload: payload.subarray(end) };
  }

  /** A field whose parent is kept: its step, numbers of steps, and values. */
  _field(item) {
    const { first, step, periodic, distance, shares, payload } = this._head(item);
    let parent = null;
    if (distance) {
      const before = this._kept.get(item - distance);
      parent = parentOf(before.numbers, before.step / step, shares);
    }
    const numbers = this._grids.decode(payload, this._container.shape(item), periodic, parent);
    const values = Float32Array.from(numbers, (number) => first + number * (step / UNIT));
    return { step, numbers, values };
  }
}

/** Where the neighbour of a place lies among the grid's values. */
function neighbour({ apart, columns, sides, turns }, [y, x], [down, right]) {
  if (y >= REACH && x >= REACH && y + REACH < sides[0] && x + REACH < sides[1]) {
    return ((y + down) * columns + x + right) * apart;
  }
  let [row, column] = [down, right];
  if (sides[0] === 1) [row, column] = [0, right % 2 === 0 ? right + down : right];
  else if (sides[1] === 1) [row, column] = [down % 2 === 0 ? down + right : down, 0];
  const at = turns ? (x + column + sides[1]) % sides[1] : mirrored(x + column, sides[1]);
  return mirrored(y + row, sides[0]) * apart * columns + at * apart;
}

function mirrored(at, side) {
  if (side === 1) return 0;
  let place = at;
  while (place < 0 || place >= side) place = place < 0 ? -place : 2 * (side - 1) - place;
  return place;
}
