// Exact planes of float64 and of wide integers (docs/format.md, "Exact planes", form 6).

import { MscnError } from "./errors.js";

const TYPES = ["float64", "int32", "uint32", "int64", "uint64"];
const [PLAIN, TIMES, OVER, NEAR, ORDERED] = [0, 1, 2, 3, 4]; // ways to write numbers
const HEAD = 34; // bytes of what all but the plain way begin with
const [GRIDS, FORMS, SLICES] = [3, 3, 4]; // of payloads of the parts
const LARGEST_COARSE = 2 ** 23;
const LOT = 52n; // bits of ranks that are of one lot
const SIGN = 1n << 63n;
const wrapped = (number) => BigInt.asUintN(64, number);

function damaged() {
  return new MscnError("an exact plane is damaged; get a fresh copy");
}

/** Type and way of a payload, and its parts: `coarse` and `rest`, payloads themselves. */
function partsOf(payload, readerOf) {
  const reader = readerOf(payload, 1);
  const [kind, way] = reader.take(2);
  if (!(kind < TYPES.length) || way > ORDERED || (kind && way > TIMES)) throw damaged();
  const dtype = TYPES[kind];
  if (way === PLAIN) return { dtype, way, bound: 0, rest: reader.take(reader.left()) };
  const bytes = reader.take(HEAD);
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD);
  const real = kind === 0 && way !== ORDERED;
  const [step, offset] = [8, 16].map((at) => (real ? head.getFloat64(at, true) : head.getBigUint64(at, true)));
  const [bound, first] = [head.getFloat64(0, true), head.getBigInt64(24, true)];
  const [shift, width] = [head.getUint8(32), head.getUint8(33)];
  const finite = !real || (Number.isFinite(step) && Number.isFinite(offset));
  if (!finite || !step || !(bound >= 0) || bound === Infinity) throw damaged();
  if (shift > 63 || ![0, 1, 2, 4, 8].includes(width)) throw damaged();
  const coarse = reader.take(reader.varint());
  const rest = reader.take(reader.left());
  if (!width && rest.length) throw damaged();
  return { dtype, way, real, step, offset, bound, first, shift, width, coarse, rest };
}

/** The part of a payload that may be grids. */
export function coarseOf(payload, readerOf) {
  return partsOf(payload, readerOf).coarse ?? payload.subarray(0, 0);
}

/** How far values may be off. */
export function wideBound(payload, readerOf) {
  return partsOf(payload, readerOf).bound;
}

/**
 * The values of a plane; integers of 8 bytes are rounded to doubles.
 * @param {Uint8Array} payload
 * @param {number[]} shape Of the plane, of one channel.
 * @param {Function} readerOf Of bytes, from a place on.
 * @param {Function} decode Of a payload, a shape and a type: the samples of another plane.
 * @returns {Float64Array}
 * @throws {MscnError} It is damaged.
 */
export function decodeWide(payload, shape, readerOf, decode) {
  const { dtype, way, real, step, offset, first, shift, width, coarse, rest } = partsOf(payload, readerOf);
  if (way === PLAIN) {
    if (!(rest[0] < FORMS)) throw damaged();
    return Float64Array.from(decode(rest, shape, dtype), Number);
  }
  if (coarse[0] === GRIDS || coarse[0] > SLICES || (width && !(rest[0] < FORMS))) throw damaged();
  const [height, columns] = [1, ...shape].slice(-2);
  const depth = shape.slice(0, -2).reduce((product, side) => product * side, 1);
  const high = decode(coarse, [depth, height, columns], "float32");
  const low = width ? decode(rest, shape, `uint${8 * width}`) : null;
  const numbers = Array.from(high, (value, i) => {
    if (!(value >= 0 && value <= LARGEST_COARSE && Number.isInteger(value))) throw damaged();
    const number = first + (BigInt(value) << BigInt(shift));
    return wrapped(low && way !== NEAR ? number + BigInt(low[i]) : number);
  });
  if (!real) {
    const found = numbers.map((number) => wrapped(offset + number * step));
    if (way === ORDERED) return Float64Array.from(found, ofRank);
    const [signed, bits] = [dtype.startsWith("int"), dtype.endsWith("32") ? 32 : 64];
    return Float64Array.from(found, (number) =>
      Number(signed ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number)));
  }
  const values = Float64Array.from(numbers, (number) => {
    const k = Number(BigInt.asIntN(64, number));
    return offset + (way === OVER ? k / step : k * step);
  });
  if (way !== NEAR || !low) return values;
  const ranks = Array.from(values, rankOf);
  const lots = ranks.map((rank) => Number(rank >> LOT));
  Array.from(lots.keys()).sort((a, b) => lots[a] - lots[b] || a - b).forEach((place, i) => {
    const far = BigInt(low[i]);
    values[place] = ofRank(wrapped(ranks[place] + (far & 1n ? -((far + 1n) >> 1n) : far >> 1n)));
  });
  return values;
}

const double = new DataView(new ArrayBuffer(8));

/** The place of a double among all. */
function rankOf(value) {
  double.setFloat64(0, value);
  const bits = double.getBigUint64(0);
  return bits & SIGN ? wrapped(~bits) : bits | SIGN;
}

function ofRank(rank) {
  double.setBigUint64(0, rank & SIGN ? rank ^ SIGN : wrapped(~rank));
  return double.getFloat64(0);
}
