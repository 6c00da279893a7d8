// Fields coded by interpolation, within a bound (docs/format.md, "Codecs of interpolation").

import { RangeDecoder, damaged } from "./range.js";
import { resized } from "./sampling.js";
import { sphereGrid, valuesAt } from "./sphere.js";
import { Tables, checked, shaped } from "./tables.js";

const UNIT = 1024; // whole numbers that a step has
const INPUTS = 34;
const NEIGHBOURS = 20;
const LARGEST = 2 ** 35;
const LARGEST_SHARE = 4096;
const HEAD = 9;

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
  }

  /** Sums of a layer's inputs for a pass. */
  _layer(name, pass, inputs, outputs) {
    const weights = this.arrays[name];
    const sums = this.arrays[`${name}_bias`].slice(pass * outputs, (pass + 1) * outputs);
    let at = pass * inputs.length * outputs;
    for (const input of inputs) {
      if (input) for (let j = 0; j < outputs; j++) sums[j] += input * weights[at + j];
      at += outputs;
    }
    return sums;
  }

  /** A place's table, not yet clipped, and what corrects its prediction. */
  run(pass, inputs, differences, octave) {
    const { hidden, last, filters } = this.sizes;
    const { shift, filters: kernels } = this.arrays;
    const active = (sums, bits) => sums.map((sum) => clip(rounded(sum, bits), 0, 4095));
    let units = active(this._layer("first", pass, inputs, hidden), shift[0]);
    units = active(this._layer("second", pass, units, last), shift[1]);
    const [number, ...shares] = this._layer("last", pass, units, 1 + filters);
    let total = 0;
    for (let f = 0; f < filters; f++) {
      const exact = shares[f] * 2 ** (10 - shift[2]);
      const share = clip(Math.floor(exact + (shift[2] > 10 ? 0.5 : 0)), -LARGEST_SHARE, LARGEST_SHARE);
      let sum = 0;
      differences.forEach((e, i) => { sum += kernels[(pass * NEIGHBOURS + i) * filters + f] * e; });
      total += share * rounded(sum, 10);
    }
    const table = Math.floor((number + this.arrays.octave[0] * octave) / 2 ** shift[2]);
    return { table, correction: rounded(total, 10) };
  }
}

/** Decodes grids with the networks of an interpolation codec. */
export class Grids {
  constructor(bundle) {
    const arrays = bundle.arrays("prior");
    this._tables = new Tables(arrays);
    this._nets = new Nets(arrays);
  }

  /**
   * What a payload stands for, in 1024ths of a step.
   * @param {Uint8Array} payload
   * @param {number[]} shape Rows and columns.
   * @param {boolean} periodic Whether the last column is followed by the first.
   * @returns {Float64Array} Whole numbers, the first one 0.
   */
  decode(payload, [rows, columns], periodic) {
    const decoder = new RangeDecoder(payload);
    const grid = { values: new Float64Array(rows * columns), steps: new Float64Array(rows * columns) };
    let apart = 1;
    while (apart < Math.max(rows, columns)) apart *= 2;
    for (apart /= 2; apart >= 1; apart /= 2) {
      const level = {
        apart, columns, sides: [Math.ceil(rows / apart), Math.ceil(columns / apart)],
        turns: periodic && columns % (2 * apart) === 0,
      };
      PASSES.forEach((pass, number) => this._pass(decoder, grid, level, pass, number));
    }
    return grid.values;
  }

  _pass(decoder, grid, level, pass, number) {
    const [height, width] = level.sides;
    const places = [];
    for (let y = pass.row; y < height; y += 2) {
      for (let x = pass.column; x < width; x += 2) places.push([y, x]);
    }
    if (!places.length) return;
    const index = new Uint16Array(places.length);
    const predicted = new Float64Array(places.length);
    places.forEach((place, n) => {
      const known = this._predict(grid, level, pass, number, place);
      index[n] = clip(known.table, 0, this._tables.count - 1);
      predicted[n] = known.prediction;
    });
    const symbols = new Int32Array(places.length);
    this._tables.decode(decoder, index, places.length, symbols);
    places.forEach(([y, x], n) => {
      const at = y * level.apart * level.columns + x * level.apart;
      grid.values[at] = clip(predicted[n] + UNIT * symbols[n], -LARGEST, LARGEST);
      grid.steps[at] = Math.abs(symbols[n]);
    });
  }

  _predict(grid, level, pass, number, place) {
    const around = pass.around.map((offset) => neighbour(level, place, offset));
    const w = around.map((at) => grid.values[at]);
    const sum = (from, to) => w.slice(from, to).reduce((total, value) => total + value, 0);
    const prediction = number === 0
      ? rounded(81 * sum(0, 4) - 9 * sum(4, 12) + sum(12, 16), 8)
      : rounded(9 * sum(0, 4) - sum(12, 16), 5);
    const differences = w.map((value) => value - prediction);
    const sizes = differences.map(Math.abs);
    const total = (values) => values.reduce((all, value) => all + value, 0);
    const spread = Math.floor(total(sizes) / sizes.length)
      + Math.floor(total(sizes.slice(0, 4)) / 4) + 256;
    const octave = octaveOf(spread);
    const inputs = new Float64Array(INPUTS);
    differences.forEach((e, i) => { inputs[i] = clip(Math.floor((32 * e) / spread), -127, 127); });
    pass.seen.forEach((i, n) => {
      inputs[NEIGHBOURS + n] = STEPS[Math.min(grid.steps[around[i]], 255)];
    });
    inputs[INPUTS - 2] = Math.min(Math.floor(octave / 4), 255);
    inputs[INPUTS - 1] = Math.min(16 * Math.log2(level.apart), 255);
    const { table, correction } = this._nets.run(number, inputs, differences, octave);
    return { table, prediction: prediction + correction };
  }
}

/** Decodes the fields of a file of an interpolation codec. */
export class InterpolationReader {
  constructor(container, bundle) {
    this._container = container;
    this._grids = new Grids(bundle);
    this._kept = { item: -1, values: null };
  }

  /** Values in the codec's own unit, Float32Array [h, w]. */
  render({ item, start, extent, shape }) {
    const size = [...this._container.shape(item), 1];
    return resized(this._values(item), size, start, extent, shape);
  }

  /** Values at latitudes and longitudes, in radians. */
  evaluate(item, points) {
    const { metadata, source } = this._container;
    const grid = sphereGrid(this._container.shape(item), metadata, source);
    return valuesAt(this._values(item), grid, points);
  }

  _values(item) {
    if (this._kept.item !== item) {
      const payload = this._container.blocks[this._container.firstTile(item)];
      this._kept = { item, values: this._field(payload, this._container.shape(item)) };
    }
    return this._kept.values;
  }

  _field(payload, shape) {
    if (payload.length < HEAD) throw damaged("a head that is cut short");
    const head = new DataView(payload.buffer, payload.byteOffset, HEAD);
    const [flags, first, step] = [head.getUint8(0), head.getFloat32(1, true), head.getFloat32(5, true)];
    if (flags > 1 || !Number.isFinite(first) || !Number.isFinite(step) || step <= 0) {
      throw damaged("its step");
    }
    const values = this._grids.decode(payload.subarray(HEAD), shape, flags === 1);
    return Float32Array.from(values, (value) => first + value * (step / UNIT));
  }
}

/** Where the neighbour of a place lies among the grid's values. */
function neighbour({ apart, columns, sides, turns }, [y, x], [down, right]) {
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
