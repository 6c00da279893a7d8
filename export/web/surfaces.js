// Distances near surfaces (docs/format.md, "Codecs of surfaces"). All numbers are whole.

import { samplesOf } from "./container.js";
import { MscnError } from "./errors.js";
import { RangeDecoder, damaged } from "./range.js";
import { resized } from "./sampling.js";
import { Tables, shaped } from "./tables.js";

const CELL = 256;
const HEAD = 4; // bytes
const COARSEST = 7;
const LARGEST_STEP = 2 ** 13;
const FARTHEST = 2 ** 20;
const FAR = 8; // apart by more, all places are coded
const [NEAREST, ALL] = [[1, 3, 5, 9], [1, 5, 11, 21]];
const [BENDS, DEPTHS] = [[3, 7, 15, 30, 60], [3, 8]];
const NEIGHBOURS = 32;
const CONTEXTS = 450;

/** From a place to its neighbours in the pass along an axis. */
function neighboursOf(axis) {
  const along = [-1, 1, -3, 3].map((reach) => [0, 1, 2].map((i) => (i === axis ? reach : 0)));
  const ways = [];
  for (let x = -2; x <= 2; x++) {
    for (let y = -2; y <= 2; y++) {
      for (let z = -2; z <= 2; z++) {
        const way = [x, y, z];
        const others = way.filter((_, i) => i !== axis).map(Math.abs);
        if (Math.abs(way[axis]) !== 1 || Math.max(...others) === 0) continue;
        const known = axis === 2
          ? Math.max(...others) < 2 || (Math.max(...others) === 2 && Math.min(...others) === 0)
          : way.every((step, i) => i <= axis || step % 2 === 0);
        if (known) ways.push(way);
      }
    }
  }
  return [...along, ...ways];
}

const WAYS = [0, 1, 2].map(neighboursOf);
const clipped = (value) => Math.min(Math.max(value, -FARTHEST), FARTHEST);
const above = (limits, value) => limits.filter((limit) => limit <= value).length;

function mirrored(at, side) {
  return Math.max(side - 1 - Math.abs(side - 1 - Math.abs(at)), 0);
}

/** A grid of distances as far as it is known. */
class Walk {
  constructor(shape, tables, filters, contexts, payload) {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    if (payload.length < HEAD) throw damaged("cut short");
    [this._coarsest, this._finest, this._step] = [payload[0], payload[1], view.getUint16(2, true)];
    if (!(this._finest <= this._coarsest && this._coarsest <= COARSEST)) throw damaged("its step");
    if (!(this._step > 0 && this._step <= LARGEST_STEP)) throw damaged("its step");
    this._decoder = new RangeDecoder(payload.subarray(HEAD));
    Object.assign(this, { _shape: shape, _tables: tables, _filters: filters, _contexts: contexts });
    this.values = new Float64Array(samplesOf(shape));
    this._sizes = new Uint16Array(this.values.length);
    this._first();
    for (let k = this._coarsest - 1; k >= 0; k--) {
      for (let axis = 0; axis < 3; axis++) this._pass(2 ** k, axis, k >= this._finest);
    }
  }

  _symbols(index) {
    const out = new Int32Array(index.length);
    this._tables.decode(this._decoder, Uint16Array.from(index), index.length, out);
    return out;
  }

  _first() {
    const apart = 2 ** this._coarsest;
    const places = this._places(this._counts(apart), () => true).map((at) => this._at(at, apart));
    const symbols = this._symbols(places.map(() => this._tables.count - 1));
    places.forEach((at, i) => (this.values[at] = clipped(symbols[i] * 16 * this._step)));
  }

  _counts(apart) {
    return this._shape.map((side) => Math.ceil(side / apart));
  }

  /** Places of a level that a test takes, row-major. */
  _places([depth, height, width], test) {
    const found = [];
    for (let x = 0; x < depth; x++) {
      for (let y = 0; y < height; y++) {
        for (let z = 0; z < width; z++) if (test(x, y, z)) found.push([x, y, z]);
      }
    }
    return found;
  }

  _at([x, y, z], apart) {
    return ((x * this._shape[1] + y) * this._shape[2] + z) * apart;
  }

  _pass(apart, axis, coded) {
    const counts = this._counts(apart);
    const kind = Math.min(Math.log2(apart), 2);
    const filter = this._filters.subarray((kind * 3 + axis) * NEIGHBOURS);
    const own = (...at) => at.every((place, i) => (i < axis ? true : place % 2 === (i === axis ? 1 : 0)));
    const asked = [];
    const tables = [];
    const found = [];
    for (const place of this._places(counts, own)) {
      const known = (way) => this._at(place.map((p, i) => mirrored(p + way[i], counts[i])), apart);
      const nearest = [known(WAYS[axis][0]), known(WAYS[axis][1])];
      let value = Math.floor((this.values[nearest[0]] + this.values[nearest[1]]) / 2);
      if (apart > FAR || Math.abs(value) < 2 * apart * CELL) {
        const around = WAYS[axis].map(known);
        const sum = around.reduce((total, at, i) => total + filter[i] * this.values[at], 0);
        value = clipped(Math.floor((sum + 2 ** 11) / 2 ** 12));
        if (coded && (apart > FAR || Math.abs(value) < apart * CELL + CELL / 2)) {
          const far = Math.max(Math.abs(value) - CELL, 0);
          const step = this._step + Math.floor((this._step * far) / CELL);
          asked.push([found.length, step]);
          tables.push(this._contexts[(3 * kind + axis) * CONTEXTS + this._context(around, value, apart, step)]);
        }
      }
      found.push([this._at(place, apart), value]);
    }
    this._symbols(tables).forEach((symbol, i) => {
      const [number, step] = asked[i];
      found[number][1] = clipped(found[number][1] + symbol * step);
      this._sizes[found[number][0]] = Math.min(Math.abs(symbol), 256);
    });
    for (const [at, value] of found) this.values[at] = value;
  }

  _context(around, value, apart, step) {
    const sizes = around.map((at) => this._sizes[at]);
    const [a, b, c, d] = around.map((at) => this.values[at]);
    const bend = Math.floor(Math.abs(a + b - c - d) / 2);
    const nearest = above(NEAREST, 2 * (sizes[0] + sizes[1]));
    const all = above(ALL, 2 * sizes.reduce((sum, size) => sum + size, 0));
    const depth = above(DEPTHS, Math.floor((10 * Math.abs(value)) / (apart * CELL)));
    return ((nearest * 5 + all) * 6 + above(BENDS, Math.floor((10 * bend) / step))) * 3 + depth;
  }
}

/** Decodes items of a file; keeps the last one. */
export class SurfaceReader {
  constructor(container, bundle) {
    const arrays = bundle.arrays("prior");
    this._container = container;
    this.tables = new Tables(arrays);
    this._filters = shaped(arrays, "filters", [3, 3, NEIGHBOURS]);
    this._contexts = shaped(arrays, "contexts", [9, CONTEXTS]);
    if (this._contexts.some((table) => !(table >= 0 && table < this.tables.count))) {
      throw new MscnError(`bundle ${bundle.name}: a table that there is not`);
    }
  }

  /** An item's distances, in cells, or a part of them at a size. */
  async render({ item, start, extent, shape }) {
    const { _container: container } = this;
    if (this._item !== item) {
      const whole = container.shape(item);
      const payload = container.blocks[container.firstTile(item)];
      const walk = new Walk(whole, this.tables, this._filters, this._contexts, payload);
      this._values = Float32Array.from(walk.values, (value) => value / CELL);
      this._item = item;
    }
    return resized(this._values, [...container.shape(item), 1], start, extent, shape);
  }
}
