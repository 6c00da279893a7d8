// Exact planes of sounds: form 5 (docs/format.md, "Exact planes"). Sums stay below 2^53.

import { MscnError } from "./errors.js";
import { RangeDecoder } from "./range.js";

const GROUP = 2 ** 18; // samples of blocks that are coded together
const LARGEST_ORDER = 32;
const LARGEST_SAMPLE = 2 ** 25;
const OWN = [4, 3, 2]; // expected sizes of a block's order, first size and share
const COEFFICIENTS = [58, 36, 19, 19, 16, 16, 16, 16, ...Array(8).fill(10), ...Array(16).fill(6)];

function damaged() {
  return new MscnError("an exact plane is damaged; get a fresh copy");
}

/** Place of the first of rising values that is at least so large, or their count. */
function firstAtLeast(values, wanted) {
  let low = 0;
  for (let high = values.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (values[middle] >= wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Tables by the sizes of what they code, in 256ths. */
class Sizes {
  constructor(tables) {
    this.tables = tables;
    this._means = tables.means().map((mean) => Math.floor((mean + 128) / 256));
    const last = this._means.length - 1;
    const plain = this._means[Math.min(firstAtLeast(this._means, 16 * 256), last)];
    this._larger = Array.from({ length: 24 }, (_, i) => (plain + 1) * 2 ** i);
  }

  /** Table, and how many bits lie apart. */
  choose(expected) {
    const shift = firstAtLeast(this._larger, expected + 1);
    return [this._table(Math.floor(expected / 2 ** shift)), shift];
  }

  _table(expected) {
    return Math.min(firstAtLeast(this._means, expected), this._means.length - 1);
  }

  /** A block's own numbers. */
  row(decoder, expected) {
    const index = Uint16Array.from(expected, (size) => this._table(256 * size));
    const out = new Int32Array(index.length);
    this.tables.decode(decoder, index, index.length, out);
    return out;
  }
}

/** The predictors of orders 0, 1, .. of coded reflections. */
function predictors(coded) {
  const found = [[]];
  for (const q of coded) {
    const last = found[found.length - 1];
    const k = q * (256 - Math.abs(q));
    const next = last.map((w, i) => w - Math.floor((k * last[last.length - 1 - i] + 2 ** 13) / 2 ** 14));
    next.push(4 * k);
    if (next.reduce((sum, w) => sum + Math.abs(w), 0) > 2 ** 27) throw damaged();
    found.push(next);
  }
  return found;
}

/** What blocks begin with: shares, first expected sizes and predictors. */
function headsOf(decoder, sizes, count, limit, shared) {
  const sums = [0, 0, 0];
  const rows = Array.from({ length: count }, () => {
    sizes.row(decoder, OWN.slice(0, shared ? 3 : 2)).forEach((value, i) => (sums[i] += value));
    const [order, octaves, share] = sums;
    if (!(order >= 0 && order <= limit && octaves >= 0 && octaves <= 80 && Math.abs(share) <= 32)) {
      throw damaged();
    }
    return [order, octaves, share];
  });
  let known = Array(LARGEST_ORDER).fill(0);
  return rows.map(([order, octaves, share]) => {
    const left = sizes.row(decoder, COEFFICIENTS.slice(0, order));
    known = known.map((q, i) => (i < order ? left[i] + Math.floor((5 * q) / 8) : 0));
    if (known.some((q) => Math.abs(q) > 127)) throw damaged();
    const whole = 2 ** (octaves >> 1);
    const first = octaves % 2 ? Math.floor(1.5 * whole) : whole;
    return { share, first, predictors: predictors(known.slice(0, limit)) };
  });
}

/** What predictions of blocks lack, but for the bits that lie apart; and how many these are. */
function numbersOf(decoder, sizes, heads, lengths) {
  const averages = heads.map(({ first }) => [first, first, first]);
  const lacking = lengths.map((length) => new Float64Array(length));
  const shifts = lengths.map((length) => new Uint8Array(length));
  const index = new Uint16Array(lengths.length);
  const out = new Int32Array(lengths.length);
  for (let time = 0; time < lengths[0]; time++) {
    const alive = time < lengths[lengths.length - 1] ? lengths.length : lengths.length - 1;
    for (let block = 0; block < alive; block++) {
      const [a, b, c] = averages[block];
      [index[block], shifts[block][time]] = sizes.choose(Math.floor((2 * a + 3 * b + 3 * c) / 8));
    }
    sizes.tables.decode(decoder, index, alive, out);
    for (let block = 0; block < alive; block++) {
      const unit = 2 ** shifts[block][time];
      lacking[block][time] = out[block] * unit - Math.floor(unit / 2);
      const size = Math.min(Math.abs(out[block]) * unit, 2 ** 26) * 256;
      averages[block] = averages[block].map((a, i) => a + Math.floor((size - a) / [2, 8, 64][i]));
    }
  }
  return { lacking, shifts };
}

/** Samples of a block. */
function restored(lacking, weights) {
  const order = weights.length - 1;
  const out = new Float64Array(lacking.length);
  for (let time = 0; time < out.length; time++) {
    const predictor = weights[Math.min(time, order)];
    let sum = 2 ** 15;
    for (let back = 0; back < predictor.length; back++) sum += predictor[back] * out[time - 1 - back];
    out[time] = lacking[time] + Math.floor(sum / 2 ** 16);
    if (Math.abs(out[time]) > LARGEST_SAMPLE) throw damaged();
  }
  return out;
}

/** Samples of a group of blocks, one after the other. */
function groupOf(strings, sizes, length, block, beside) {
  const long = Math.min(2 ** block, length);
  const count = Math.ceil(length / long);
  const lengths = Array.from({ length: count }, (_, i) => Math.min(long, length - i * long));
  const decoder = new RangeDecoder(strings[0]);
  const limit = Math.min(LARGEST_ORDER, long - 1);
  const heads = headsOf(decoder, sizes, count, limit, beside !== null);
  const { lacking, shifts } = numbersOf(decoder, sizes, heads, lengths);
  const total = shifts.reduce((sum, row) => row.reduce((a, b) => a + b, sum), 0);
  if (strings[1].length !== Math.ceil(total / 8)) throw damaged();
  const out = new Float64Array(length);
  let bit = 0;
  heads.forEach(({ share, predictors: weights }, i) => {
    lacking[i].forEach((number, time) => {
      if (Math.abs(number) > 2 ** 30) throw damaged();
      let low = 0;
      for (const end = bit + shifts[i][time]; bit < end; bit++) {
        low = 2 * low + ((strings[1][bit >> 3] >> (7 - (bit & 7))) & 1);
      }
      lacking[i][time] = number + low;
    });
    restored(lacking[i], weights).forEach((sample, time) => {
      const at = i * long + time;
      out[at] = sample + (beside ? Math.floor((share * beside[at] + 8) / 16) : 0);
    });
  });
  return out;
}

/** What a payload says, behind its form and its codec's id. */
export function headOf(reader) {
  const [exponent, packed] = reader.take(2);
  const [grain, within] = [reader.varint(), reader.varint()];
  const block = packed & 127;
  if (!(exponent <= 40 && block >= 2 && block <= 15 && grain >= 1)) throw damaged();
  if (!(grain < 2 ** 32 && within < 2 ** 32)) throw damaged();
  return { shared: packed > 127, block, step: grain * 2 ** -exponent, within };
}

/**
 * The samples of a sound.
 * @param {{take: Function, varint: Function, left: Function}} reader Behind the codec's id.
 * @param {number} length
 * @param {Tables} tables Of that codec.
 * @param {Float32Array} [before] The plane before, where `shared` of the head says so.
 * @returns {Float32Array}
 * @throws {MscnError} It is damaged.
 */
export function decodeWave(reader, length, tables, before) {
  const { shared, block, step, within } = headOf(reader);
  if (shared && before?.length !== length) throw damaged();
  const unit = (2 * within + 1) * step;
  const others = shared ? Float64Array.from(before, (x) => Math.floor(x / unit + 0.5)) : null;
  if (others?.some((x) => Math.abs(x) > LARGEST_SAMPLE)) throw damaged();
  const sizes = new Sizes(tables);
  const out = new Float32Array(length);
  for (let start = 0; start < length; start += GROUP) {
    const count = Math.min(GROUP, length - start);
    const strings = [0, 1].map(() => reader.take(reader.varint()));
    const beside = others && others.subarray(start, start + count);
    const numbers = groupOf(strings, sizes, count, block, beside);
    numbers.forEach((number, i) => (out[start + i] = number * unit));
  }
  if (reader.left()) throw damaged();
  return out;
}
