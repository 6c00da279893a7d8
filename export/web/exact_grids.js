// Exact planes of photographs, as `mscn_tf.runtime.exact_grids` codes them where nothing is lost.

import { EDGE, ID_BYTES, orderOf } from "./exact.js";
import { Grids } from "./interpolations.js";
import { joinBytes, varint } from "./tables.js";

const SAMPLE = 128; // pixels along a side that show which channel is to stand by itself
const LITTLE = 2 ** 13; // values: of fewer it is the one in the middle

/** Some rows and columns of a plane, from a place on and as far as they reach. */
function partOf({ data, width, channels }, top, left, side) {
  const columns = Math.min(side, width - left);
  const rows = Math.min(side, data.length / channels / width - top);
  const lines = Array.from({ length: rows }, (_, row) => {
    const from = ((top + row) * width + left) * channels;
    return data.subarray(from, from + columns * channels);
  });
  return { data: joinBytes(lines), width: columns, channels };
}

/** The middle of a plane. */
export function middleOf(plane) {
  const sides = [plane.data.length / plane.channels / plane.width, plane.width];
  const [top, left] = sides.map((side) => Math.floor(Math.max(0, side - SAMPLE) / 2));
  return partOf(plane, top, left, SAMPLE);
}

/** Codes planes with the networks of a codec of interpolation. */
export class GridEncoder {
  /** @param {Bundle} bundle */
  constructor(bundle) {
    this._grids = new Grids(bundle);
    this._id = Uint8Array.from({ length: ID_BYTES }, (_, i) =>
      parseInt(bundle.id.slice(2 * i, 2 * i + 2), 16));
  }

  /**
   * The payload of a plane, behind its form.
   * @param {{data: Uint8Array, width: number, channels: number}} plane
   * @returns {Uint8Array}
   */
  encode(plane) {
    const { data, width, channels } = plane;
    const middle = middleOf(plane);
    const every = Array.from({ length: channels }, (_, channel) => channel);
    const bases = middle.data.length > LITTLE ? every : [channels >> 1];
    const lengths = bases.map((base) => this._coded(middle, base).length);
    const base = bases[lengths.indexOf(Math.min(...lengths))];
    const tiles = [];
    for (let top = 0; top < data.length / channels / width; top += EDGE) {
      for (let left = 0; left < width; left += EDGE) {
        tiles.push(this._coded(partOf(plane, top, left, EDGE), base));
      }
    }
    return joinBytes([this._id, [base, 0], ...tiles]); // within a bound of 0
  }

  /** Each grid of a tile: first value, length and payload. */
  _coded({ data, width, channels }, base) {
    const count = data.length / channels;
    return joinBytes(orderOf(channels, base).flatMap(([channel, other]) => {
      const numbers = Int32Array.from({ length: count }, (_, i) =>
        data[i * channels + channel] - (other === null ? 0 : data[i * channels + other]));
      const [first] = numbers;
      const payload = this._grids.encode(numbers.map((n) => n - first), [count / width, width]);
      return [[...varint(2 * Math.abs(first) + (first < 0 ? 1 : 0)), ...varint(payload.length)], payload];
    }));
  }
}
