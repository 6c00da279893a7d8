// Frequency tables of whole numbers (docs/format.md, "The bundle" and "A block's payload").

import { MscnError } from "./errors.js";
import { damaged } from "./range.js";

const TOTAL = 65536;
export const LARGEST_SYMBOL = 2 ** 31 - 1;
const ESCAPE_BYTES = 5;
const HALF = 2 ** 13;
const PER_ONE = 2 ** -14; // scale indices have 14 fractional bits
const BYTE_STARTS = Uint32Array.from({ length: 257 }, (_, byte) => byte * 256);

/** An array of the bundle, checked. */
export function checked(arrays, name, rank, whole = true) {
  const array = arrays[name];
  if (!array || array.shape.length !== rank || array.whole !== whole || !array.data.length) {
    throw new MscnError(`the bundle's array ${name} is missing or of the wrong kind`);
  }
  return array;
}

/** The data of an array of the bundle, checked to have a shape. */
export function shaped(arrays, name, shape, whole = true) {
  const array = checked(arrays, name, shape.length, whole);
  if (array.shape.some((side, axis) => side !== shape[axis])) {
    throw new MscnError(`the bundle's array ${name} has shape ${array.shape}, not ${shape}`);
  }
  return array.data;
}

/** T tables for symbols of either sign. */
export class Tables {
  /** @param {Object} arrays By name: support [T], frequencies, centroid [T, 2]. */
  constructor(arrays) {
    const support = checked(arrays, "support", 1).data;
    const frequencies = checked(arrays, "frequencies", 1).data;
    this.count = support.length;
    this.centroid = shaped(arrays, "centroid", [this.count, 2], false);
    this._support = support;
    this._frequencies = [];
    let at = 0;
    for (const s of support) {
      this._frequencies.push(frequencies.subarray(at, (at += 2 * s + 2)));
    }
    if (at !== frequencies.length) throw new MscnError("the bundle's tables do not fit together");
    this._starts = this._frequencies.map((part) => startsOf(part));
    this._lowest = support.map((s) => -s);
    this._cost = this._frequencies.map(bitsOf);
    // Places of pictures by table, kept between calls.
    this._order = new Uint32Array(0);
  }

  /** The same tables for symbols without their signs. */
  magnitudes() {
    const folded = Object.create(Tables.prototype, Object.getOwnPropertyDescriptors(this));
    folded._lowest = new Float64Array(this.count);
    folded._starts = this._frequencies.map((part, table) => {
      const s = this._support[table];
      const sizes = Array.from({ length: s + 1 }, (_, n) => part[s + n] + (n ? part[s - n] : 0));
      return startsOf([...sizes, part[2 * s + 1]]);
    });
    return folded;
  }

  /**
   * Decodes a group of symbols, table after table.
   * @param {RangeDecoder} decoder
   * @param {Uint16Array} index Table of each.
   * @param {number} count How many, from the start of `index`.
   * @param {Int32Array} out The symbols, [count].
   */
  decode(decoder, index, count, out) {
    const { order, ends } = this._sorted(index, count);
    for (let table = 0; table < this.count; table++) {
      const [from, to] = [ends[table], ends[table + 1]];
      if (from === to) continue;
      decoder.decode(this._starts[table], out, order, from, to, this._lowest[table]);
      const support = this._support[table];
      for (let i = from; i < to; i++) {
        if (out[order[i]] > support) out[order[i]] = decodeEscape(decoder, support);
      }
    }
  }

  /** Codes a group of symbols as `decode` reads them: `index` [count], `symbols` likewise. */
  encode(encoder, symbols, index) {
    const { order, ends } = this._sorted(index, symbols.length);
    for (let table = 0; table < this.count; table++) {
      const support = this._support[table];
      const starts = this._starts[table];
      const run = order.subarray(ends[table], ends[table + 1]);
      const isEscape = (symbol) => symbol > support || symbol < -support;
      for (const i of run) {
        const letter = isEscape(symbols[i]) ? support + 1 : symbols[i];
        encoder.encode(starts, letter - this._lowest[table]);
      }
      for (const i of run) if (isEscape(symbols[i])) encodeEscape(encoder, symbols[i], support);
    }
  }

  /** Places by table, and where those of each end, rising within a table. */
  _sorted(index, count) {
    const ends = new Uint32Array(this.count + 1);
    for (let i = 0; i < count; i++) ends[index[i] + 1]++;
    for (let table = 0; table < this.count; table++) ends[table + 1] += ends[table];
    if (this._order.length < count) this._order = new Uint32Array(count);
    const order = this._order;
    const next = ends.slice();
    for (let i = 0; i < count; i++) order[next[index[i]]++] = i;
    return { order, ends };
  }

  /** What a symbol that isn't negative costs by its table, in bits. */
  bits(symbol, table) {
    const support = this._support[table];
    if (symbol <= support) return this._cost[table][support + symbol];
    return this._cost[table][2 * support + 1] + 8 * escapeBytes(symbol, support).length;
  }

  /** Mean sizes of the tables' symbols, times 65536, each at least the one before. */
  means() {
    let largest = 0;
    return Float64Array.from(this._frequencies, (frequencies, table) => {
      const support = this._support[table];
      // The escape is the letter after that of the symbol S, and counts as S + 1.
      const mean = frequencies.reduce((sum, f, letter) => sum + f * Math.abs(letter - support), 0);
      return (largest = Math.max(largest, mean));
    });
  }

  /** What a symbol stands for, in steps. */
  dequantise(symbol, table) {
    if (symbol === 0) return 0;
    return symbol > 0
      ? symbol - this.centroid[2 * table + (symbol > 1 ? 1 : 0)]
      : symbol + this.centroid[2 * table + (symbol < -1 ? 1 : 0)];
  }
}

/** What letters of a table of frequencies cost, in bits. */
export function bitsOf(frequencies) {
  return Float64Array.from(frequencies, (frequency) => 16 - Math.log2(frequency));
}

/** Where the letters of a table of frequencies start, and its end. */
export function startsOf(frequencies) {
  const starts = new Uint32Array(frequencies.length + 1);
  frequencies.forEach((frequency, letter) => {
    if (!(frequency >= 1)) throw new MscnError("a frequency in the bundle is below 1");
    starts[letter + 1] = starts[letter] + frequency;
  });
  if (starts[frequencies.length] !== TOTAL) {
    throw new MscnError("a table's frequencies in the bundle do not add up to 65536");
  }
  return starts;
}

function decodeEscape(decoder, support) {
  const byte = new Int32Array(1);
  let number = 0;
  for (let place = 0; place < ESCAPE_BYTES; place++) {
    decoder.decode(BYTE_STARTS, byte, [0], 0, 1, 0);
    number += (byte[0] & 127) * 2 ** (7 * place);
    if (byte[0] < 128) {
      const value = support + 1 + Math.floor(number / 2);
      if (value > LARGEST_SYMBOL) break;
      return number % 2 ? -value : value;
    }
  }
  throw damaged("a symbol is too large");
}

/** LEB128 of twice how far a symbol lies beyond its table's support, and its sign. */
function escapeBytes(symbol, support) {
  return varint(2 * (Math.abs(symbol) - support - 1) + (symbol < 0 ? 1 : 0));
}

function encodeEscape(encoder, symbol, support) {
  for (const byte of escapeBytes(symbol, support)) encoder.encode(BYTE_STARTS, byte);
}

/** LEB128 of a whole number, below 2^53. */
export function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

/** Byte arrays one after the other. */
export function joinBytes(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whole scale index, below `tables`, of one in fixed point. */
export function scaleIndex(fixed, tables) {
  return Math.min(Math.max(Math.floor((fixed + HALF) * PER_ONE), 0), tables - 1);
}

/** 16 times the values between two quality levels of `table` [10, n], at sixteenths q16. */
export function betweenQualities(table, q16) {
  const size = table.length / 10;
  const low = Math.floor(q16 / 16) - 1;
  const high = Math.min(low + 1, 9);
  const share = q16 % 16;
  return Float64Array.from({ length: size }, (_, i) =>
    table[low * size + i] * (16 - share) + table[high * size + i] * share);
}
