// The model of signs of pyramid codecs (docs/format.md).

import { checked, shaped, startsOf } from "./tables.js";

const LARGEST_ACTIVATION = 4095;
const RATIO_DOUBT = 64;
const SIZES = 3;

/** Offsets of places around one, row-major. */
export function around(reach) {
  const offsets = [];
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) offsets.push([y, x]);
  }
  return offsets;
}

const OWN = around(2).filter(([y, x]) => y || x);

/** Signed magnitudes that the network of a band sees: band, row and column from the place. */
function inputPlaces(band) {
  const first = band - (band % 3);
  const of = (reach) =>
    [0, 1, 2].flatMap((direction) => around(reach).map(([y, x]) => [first + direction, y, x]));
  return [[...OWN.map(([y, x]) => [band, y, x]), ...of(1)], of(2)];
}

/** Predicts signs from the signed magnitudes around a coefficient. */
export class Signs {
  constructor(arrays, levels, channels) {
    const bands = 3 * channels;
    const first = checked(arrays, "sign_first", 4);
    this._places = Array.from({ length: bands }, (_, band) => inputPlaces(band));
    const [own, parents] = this._places[0];
    this._seen = own.length + parents.length;
    this._inputs = this._seen + channels - 1;
    this._hidden = first.shape[3];
    this._first = shaped(arrays, "sign_first", [bands, 4, this._inputs, this._hidden]);
    this._last = shaped(arrays, "sign_last", [bands, 4, levels, SIZES, this._hidden]);
    this._shift = shaped(arrays, "sign_shift", [2]);
    this._starts = Array.from(checked(arrays, "sign_frequencies", 1).data, (frequency) =>
      startsOf([frequency, 65536 - frequency]));
    this._levels = levels;
    this._input = new Float64Array(this._inputs);
    this._sum = new Float64Array(this._hidden);
  }

  /**
   * Evidence that a coefficient of known size is positive.
   * @param own, parents Planes of signed magnitudes with their margins: `{data, stride, size}`.
   * @param {number} at Place within a plane of `own`.
   * @param {number} above Place within a plane of `parents`.
   */
  _evidence(own, parents, at, above, level, band, pass, size) {
    const input = this._input;
    const [ownPlaces, parentPlaces] = this._places[band];
    let i = 0;
    for (const [which, y, x] of ownPlaces) {
      input[i++] = own.data[which * own.size + at + y * own.stride + x];
    }
    for (const [which, y, x] of parentPlaces) {
      input[i++] = parents.data[which * parents.size + above + y * parents.stride + x];
    }
    const channel = Math.floor(band / 3);
    for (let other = 0; other < this._inputs - this._seen; other++) {
      input[i++] = other < channel ? this._ratio(own, parents, at, above, band, channel - other) : 0;
    }
    const sum = this._sum.fill(2 ** (this._shift[0] - 1));
    const hidden = this._hidden;
    const network = band * 4 + pass;
    for (i = 0; i < this._inputs; i++) {
      if (!input[i]) continue;
      const row = (network * this._inputs + i) * hidden;
      for (let h = 0; h < hidden; h++) sum[h] += input[i] * this._first[row + h];
    }
    const scale = 2 ** -this._shift[0];
    const row = ((network * this._levels + level) * SIZES + Math.min(size, SIZES) - 1) * hidden;
    let evidence = 0;
    for (let h = 0; h < hidden; h++) {
      const active = Math.floor(sum[h] * scale);
      evidence += this._last[row + h]
        * Math.min(Math.max(active, -LARGEST_ACTIVATION), LARGEST_ACTIVATION);
    }
    return evidence;
  }

  /** What an earlier channel says, by its ratio to this one in places that both know. */
  _ratio(own, parents, at, above, band, channelsBack) {
    const back = 3 * channelsBack;
    const [ownPlaces, parentPlaces] = this._places[band];
    let product = 0;
    let total = RATIO_DOUBT;
    const count = (planes, place, which, y, x) => {
      const here = which * planes.size + place + y * planes.stride + x;
      const both = planes.data[here] * planes.data[here - back * planes.size];
      product += both;
      total += Math.abs(both);
    };
    for (const [which, y, x] of ownPlaces) count(own, at, which, y, x);
    for (const [which, y, x] of parentPlaces) count(parents, above, which, y, x);
    const here = own.data[(band - back) * own.size + at];
    return Math.floor((2 * product * here + total) / (2 * total));
  }

  /**
   * Decodes the signs of one pass into symbols that have sizes only.
   * @param {Int32Array} symbols Of the pass.
   * @param {number[][]} places Of the symbols that are not zero: `[i, at, above]`, rising.
   */
  decode(decoder, symbols, places, own, parents, level, band, pass) {
    const count = places.length;
    const sums = new Float64Array(count);
    const runs = this._starts.map(() => []);
    const half = 2 ** (this._shift[1] - 1);
    const scale = 2 ** -this._shift[1];
    places.forEach(([i, at, above], number) => {
      const sum = this._evidence(own, parents, at, above, level, band, pass, symbols[i]);
      sums[number] = sum;
      const table = Math.floor((Math.abs(sum) + half) * scale);
      runs[Math.min(table, runs.length - 1)].push(number);
    });
    const wrong = new Int32Array(count);
    runs.forEach((order, table) => {
      decoder.decode(this._starts[table], wrong, order, 0, order.length, 0);
    });
    places.forEach(([i], number) => {
      if ((wrong[number] === 1) !== sums[number] < 0) symbols[i] = -symbols[i];
    });
  }
}
