// Arrays in NumPy's .npy files.

import { MscnError } from "./errors.js";

const READERS = {
  "|b1": [1, (view, at) => view.getUint8(at)],
  "|i1": [1, (view, at) => view.getInt8(at)],
  "|u1": [1, (view, at) => view.getUint8(at)],
  "<i2": [2, (view, at) => view.getInt16(at, true)],
  "<u2": [2, (view, at) => view.getUint16(at, true)],
  "<i4": [4, (view, at) => view.getInt32(at, true)],
  "<u4": [4, (view, at) => view.getUint32(at, true)],
  "<i8": [8, (view, at) => Number(view.getBigInt64(at, true))],
  "<u8": [8, (view, at) => Number(view.getBigUint64(at, true))],
  "<f4": [4, (view, at) => view.getFloat32(at, true)],
  "<f8": [8, (view, at) => view.getFloat64(at, true)],
};

/**
 * Reads an array.
 * @param {Uint8Array} bytes
 * @returns {{shape: number[], whole: boolean, data: Float64Array}} Row-major; `whole` tells
 *   arrays of integers.
 * @throws {MscnError} The bytes are no such array.
 */
export function readArray(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw new MscnError("no .npy array");
  }
  const [start, length] =
    bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const head = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const descr = /'descr': '([^']+)'/.exec(head)?.[1];
  const sides = /'shape': \(([\d, ]*)\)/.exec(head)?.[1];
  if (!READERS[descr] || sides === undefined || !head.includes("'fortran_order': False")) {
    throw new MscnError(`an array of a kind that this page does not read: ${head.trim()}`);
  }
  const shape = sides.split(",").filter((side) => side.trim()).map(Number);
  const count = shape.reduce((product, side) => product * side, 1);
  const [size, read] = READERS[descr];
  if (start + length + count * size !== bytes.length) throw new MscnError("an array is cut short");
  const data = new Float64Array(count);
  for (let i = 0, at = start + length; i < count; i++, at += size) data[i] = read(view, at);
  return { shape, whole: !descr.includes("f"), data };
}
