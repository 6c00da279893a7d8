// Planes that are stored without loss (docs/format.md, "Exact planes").

import { samplesOf } from "./container.js";
import { levelsOf, parentOf, unpackShares } from "./descents.js";
import { MscnError } from "./errors.js";
import { decodeDrawing } from "./exact_drawings.js";
import { decodeWave, headOf } from "./exact_waves.js";
import { coarseOf, decodeWide, wideBound } from "./exact_wide.js";
import { Inflate } from "./vendor/fflate.js";

export const [SAMPLES, PALETTE, BITS, GRIDS, SLICES, WAVES, WIDE, DRAWING] = [0, 1, 2, 3, 4, 5, 6, 7]; // forms of a payload
const UNIT = 1024; // of grids, that a whole number has
export const EDGE = 1024; // of their tiles
export const ID_BYTES = 8; // of the codec whose networks they take
const HEAD = 1 + ID_BYTES + 16; // of slices
const TOGETHER = 16; // of them, of which each may follow from the one before
const LARGEST_PALETTE = 2 ** 16;
const SLICE = 1024; // bytes inflated at once: 1 MB at most comes of them
const NUMBERS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array };
const TYPES = {
  uint8: Uint8Array, bool: Uint8Array, int16: Int16Array, float32: Float32Array,
  uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, // and those of wide numbers
  float64: Float64Array, int64: BigInt64Array, uint64: BigUint64Array,
};

function damaged() {
  return new MscnError("an exact plane is damaged; get a fresh copy");
}

/** Inflates deflated data that must come to `size` bytes. */
export function inflated(packed, size) {
  const out = new Uint8Array(size);
  let at = 0;
  const inflater = new Inflate((part) => {
    if (at + part.length > size) throw damaged();
    out.set(part, at);
    at += part.length;
  });
  try {
    for (let from = 0; from < packed.length || !from; from += SLICE) {
      inflater.push(packed.subarray(from, from + SLICE), from + SLICE >= packed.length);
    }
  } catch {
    throw damaged();
  }
  if (at !== size) throw damaged();
  return out;
}

const sizeOf = ({ rows, samples, channels, width }) => rows + rows * samples * channels * width;

/** A table's numbers, its filters undone: each is a sum of those left of it and above it. */
function tableOf(bytes, { rows, samples, channels, width }) {
  const count = rows * samples * channels;
  const numbers = new NUMBERS[width](count);
  const parts = new Uint8Array(numbers.buffer); // lowest first, as all machines of today have them
  for (let byte = 0; byte < width; byte++) {
    const from = rows + byte * count;
    for (let i = 0; i < count; i++) parts[i * width + byte] = bytes[from + i];
  }
  const line = samples * channels;
  for (let row = 0, start = 0; row < rows; row++, start += line) {
    const filter = bytes[row];
    if (filter > 3) throw damaged();
    if (filter & 1) {
      for (let i = start + channels; i < start + line; i++) numbers[i] += numbers[i - channels];
    }
    if (filter & 2 && row) {
      for (let i = start; i < start + line; i++) numbers[i] += numbers[i - line];
    }
  }
  return numbers;
}

/** Consecutive tables of a stream. */
function tables(packed, kinds) {
  const bytes = inflated(packed, kinds.reduce((sum, kind) => sum + sizeOf(kind), 0));
  let at = 0;
  return kinds.map((kind) => {
    at += sizeOf(kind);
    return tableOf(bytes.subarray(at - sizeOf(kind), at), kind);
  });
}

/** The places of samples in a palette, bits or numbers. */
function placesOf(table, form, count) {
  if (form !== BITS) return table;
  return Uint8Array.from({ length: count }, (_, i) => (table[i >> 3] >> (7 - (i & 7))) & 1);
}

/**
 * The samples of an exact plane.
 * @param {Uint8Array} payload
 * @param {number[]} shape Of the plane, without channels.
 * @param {number} channels
 * @param {string} dtype "uint8", "bool", "int16" or "float32", in place of which may be wide numbers.
 * @param {Grids} [grids] What decodes grids, where `gridCodec` names a codec.
 * @param {Float32Array} [before] The plane before, where `needsBefore` says so.
 * @returns {Uint8Array | Int16Array | Float32Array | Float64Array} [.., channels].
 * @throws {MscnError} It is damaged.
 */
export function decodeExact(payload, shape, channels, dtype, grids, before) {
  const Type = TYPES[dtype];
  const width = Type.BYTES_PER_ELEMENT;
  const total = samplesOf(shape);
  const samples = shape[shape.length - 1];
  const rows = total / samples;
  const typed = (numbers) => {
    const values = new Type(numbers.buffer);
    return dtype === "bool" ? values.map((value) => (value ? 1 : 0)) : values;
  };
  const form = payload[0];
  if (form === SAMPLES) {
    return typed(tables(payload.subarray(1), [{ rows, samples, channels, width }])[0]);
  }
  if (form === GRIDS && grids && dtype === "uint8") return ofGrids(payload, shape, channels, grids);
  if (form === SLICES && grids && dtype === "float32" && shape.length === 3 && channels === 1) {
    return ofSlices(payload, shape, grids);
  }
  if (form === WAVES && grids && dtype === "float32" && shape.length === 1) {
    return decodeWave(readerOf(payload, 1 + ID_BYTES), total, grids.tables, before);
  }
  if (form === WIDE && dtype === "float32" && channels === 1) {
    return decodeWide(payload, shape, readerOf, (part, sides, type) => decodeExact(part, sides, 1, type, grids));
  }
  if (form === DRAWING && dtype === "uint8" && shape.length === 2 && (channels === 1 || channels === 3)) {
    return decodeDrawing(payload.subarray(1), shape, channels);
  }
  if (form !== PALETTE && form !== BITS) throw damaged();
  const { count, next } = varint(payload, 1);
  if (count < 1 || count > Math.min(LARGEST_PALETTE, total) || (form === BITS && count !== 2)) {
    throw damaged();
  }
  const kinds = [{ rows: 1, samples: count, channels, width }];
  if (form === BITS) kinds.push({ rows: 1, samples: Math.ceil(total / 8), channels: 1, width: 1 });
  else if (count > 1) kinds.push({ rows, samples, channels: 1, width: count <= 256 ? 1 : 2 });
  const [listed, index] = tables(payload.subarray(next), kinds);
  const palette = typed(listed);
  const out = new Type(total * channels);
  if (count === 1) {
    for (let i = 0; i < out.length; i++) out[i] = palette[i % channels];
    return out;
  }
  placesOf(index, form, total).forEach((place, i) => {
    if (place >= count) throw damaged();
    for (let c = 0; c < channels; c++) out[i * channels + c] = palette[place * channels + c];
  });
  return out;
}

/** The first digits of the id of the codec whose networks a payload takes, or null. */
export function gridCodec(payload) {
  if (payload[0] === WIDE) return gridCodec(coarseOf(payload, readerOf));
  if (![GRIDS, SLICES, WAVES].includes(payload[0]) || payload.length <= ID_BYTES) return null;
  return Array.from(payload.subarray(1, 1 + ID_BYTES), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** How far values of a plane may be off: 0 where it is without loss. */
export function boundOf(payload) {
  if (payload[0] === WIDE) return wideBound(payload, readerOf);
  if (payload[0] === GRIDS) return payload[2 + ID_BYTES];
  if (payload[0] === DRAWING) return payload[1] ?? 0;
  if (payload[0] === SLICES && payload.length >= HEAD) return sliceHead(payload).getFloat64(0, true);
  if (payload[0] !== WAVES) return 0;
  const { step, within } = headOf(readerOf(payload, 1 + ID_BYTES));
  return step * within;
}

/** Whether a plane is decoded from that of the item before. */
export function needsBefore(payload) {
  return payload[0] === WAVES && headOf(readerOf(payload, 1 + ID_BYTES)).shared;
}

/** Of slices: bound, first value and step. */
function sliceHead(payload) {
  return new DataView(payload.buffer, payload.byteOffset + 1 + ID_BYTES, HEAD - 1 - ID_BYTES);
}

/** Channels as they are coded, the base first, each with what it is coded less. */
export function orderOf(channels, base) {
  const order = [[base, null]];
  for (let channel = base - 1; channel >= 0; channel--) order.push([channel, channel + 1]);
  for (let channel = base + 1; channel < channels; channel++) order.push([channel, channel - 1]);
  return order;
}

/** Pixels of a plane whose channels are grids. */
function ofGrids(payload, [height, width], channels, grids) {
  const [base, bound] = payload.subarray(1 + ID_BYTES);
  if ((channels !== 1 && channels !== 3) || !(base < channels) || !(bound < 128)) throw damaged();
  const unit = ((2 * bound + 1) * (bound ? UNIT - 1 : UNIT)) / UNIT ** 2;
  const out = new Uint8Array(height * width * channels);
  let at = 3 + ID_BYTES;
  const grid = (shape) => {
    const first = varint(payload, at);
    const size = varint(payload, first.next);
    at = size.next + size.count;
    if (at > payload.length) throw damaged();
    const start = first.count % 2 ? -(first.count - 1) / 2 : first.count / 2;
    return grids.decode(payload.subarray(size.next, at), shape, false)
      .map((value) => start + Math.ceil(value * unit - 0.5));
  };
  for (let top = 0; top < height; top += EDGE) {
    for (let left = 0; left < width; left += EDGE) {
      const shape = [Math.min(EDGE, height - top), Math.min(EDGE, width - left)];
      const known = [];
      for (const [channel, other] of orderOf(channels, base)) {
        known[channel] = grid(shape).map((value, i) => value + (other === null ? 0 : known[other][i]));
        known[channel].forEach((value, i) => {
          if (value < -bound || value > 255 + bound) throw damaged();
          const place = (top + Math.floor(i / shape[1])) * width + left + (i % shape[1]);
          out[place * channels + channel] = Math.min(Math.max(value, 0), 255);
        });
      }
    }
  }
  if (at !== payload.length) throw damaged();
  return out;
}

/** Values of a volume whose slices are grids, each of which may follow from the one before. */
function ofSlices(payload, [depth, height, width], grids) {
  if (payload.length < HEAD) throw damaged();
  const head = sliceHead(payload);
  const bound = head.getFloat64(0, true);
  const [first, step] = [head.getFloat32(8, true), head.getFloat32(12, true)];
  if (!(bound >= 0) || ![bound, first, step].every(Number.isFinite) || !(step > 0)) throw damaged();
  const out = new Float32Array(depth * height * width);
  const shareBytes = Math.ceil(levelsOf([height, width]) / 2);
  let [at, end, values] = [HEAD, HEAD, null];
  for (let slice = 0; slice < depth; slice++) {
    if (slice % TOGETHER === 0) {
      const series = varint(payload, at);
      if (at !== end || series.next + series.count > payload.length) throw damaged();
      [at, end] = [series.next, series.next + series.count];
    }
    const origin = varint(payload, at);
    const size = varint(payload, origin.next);
    const follows = size.count % 2 === 1;
    const start = size.next + (follows ? shareBytes : 0);
    at = start + Math.floor(size.count / 2);
    if (at > end || (follows && slice % TOGETHER === 0)) throw damaged();
    const shares = follows
      ? unpackShares(payload.subarray(size.next, start), levelsOf([height, width])) : null;
    const parent = follows ? parentOf(values, 1, shares) : null;
    values = grids.decode(payload.subarray(start, at), [height, width], false, parent);
    const zero = origin.count % 2 ? -(origin.count - 1) / 2 : origin.count / 2;
    values.forEach((value, i) => {
      const found = first + (value + zero) * (step / UNIT);
      out[slice * values.length + i] = bound ? found : Math.ceil(found - 0.5);
    });
  }
  if (at !== end || at !== payload.length) throw damaged();
  return out;
}

/** Reads bytes one after the other. */
function readerOf(payload, start) {
  let at = start;
  return {
    take(count) {
      if (!(at + count <= payload.length)) throw damaged();
      at += count;
      return payload.subarray(at - count, at);
    },
    varint() {
      const { count, next } = varint(payload, at);
      at = next;
      return count;
    },
    left: () => payload.length - at,
  };
}

function varint(bytes, at) {
  let count = 0;
  for (let place = 0; ; place++) {
    const byte = bytes[at + place];
    if (byte === undefined || place === 9 || (byte === 0 && place)) throw damaged();
    count += (byte & 127) * 2 ** (7 * place);
    if (byte < 128) return { count, next: at + place + 1 };
  }
}
