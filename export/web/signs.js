// The model of signs of pyramid codecs (docs/format.md).

import { bitsOf, checked, shaped, startsOf } from "./tables.js";

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
    this._first = Int32Array.from(
      shaped(arrays, "sign_first", [bands, 4, this._inputs, this._hidden]),
    );
    this._last = shaped(arrays, "sign_last", [bands, 4, levels, SIZES, this._hidden]);
    this._shift = shaped(arrays, "sign_shift", [2]);
    const pairs = Array.from(checked(arrays, "sign_frequencies", 1).data, (frequency) =>
      [frequency, 65536 - frequency]);
    this._starts = pairs.map(startsOf);
    this._cost = pairs.map(bitsOf);
    this._levels = levels;
    this._input = new Int32Array(this._inputs);
    this._sum = new Int32Array(this._hidden); // all sums stay below 2^24
  }

  /** How far from a place of a pass its inputs are, in `own` and in `parents`. */
  _offsetsOf(pass) {
    const { own, parents, band } = pass;
    if (this._offsets?.pass !== pass) {
      const [ownPlaces, parentPlaces] = this._places[band];
      const of = (places, { size, stride }) =>
        Int32Array.from(places, ([which, y, x]) => which * size + y * stride + x);
      this._offsets = { pass, near: of(ownPlaces, own), far: of(parentPlaces, parents) };
    }
    return this._offsets;
  }

  /** Takes in what surrounds coefficient i of a pass: the hidden layer, in `_sum`. */
  _look(pass, i) {
    const { own, parents, band } = pass;
    const [at, above] = [pass.at(i), pass.above(i)];
    const { near, far } = this._offsetsOf(pass);
    const input = this._input;
    for (let k = 0; k < near.length; k++) input[k] = own.data[at + near[k]];
    for (let k = 0; k < far.length; k++) input[near.length + k] = parents.data[above + far[k]];
    const channel = Math.floor(band / 3);
    for (let other = 0; other < this._inputs - this._seen; other++) {
      input[this._seen + other] = other < channel ? this._ratio(pass, at, above, channel - other) : 0;
    }
    const sum = this._sum.fill(2 ** (this._shift[0] - 1));
    const hidden = this._hidden;
    const first = this._first;
    let row = (band * 4 + pass.number) * this._inputs * hidden;
    for (let k = 0; k < input.length; k++, row += hidden) {
      const value = input[k];
      if (value === 0) continue;
      for (let h = 0; h < hidden; h++) sum[h] += Math.imul(value, first[row + h]);
    }
    for (let h = 0; h < hidden; h++) {
      const active = sum[h] >> this._shift[0];
      sum[h] = Math.min(Math.max(active, -LARGEST_ACTIVATION), LARGEST_ACTIVATION);
    }
  }

  /** Evidence that what was looked at is positive, if it is of this size. */
  _evidence({ level, band, number }, size) {
    const network = band * 4 + number;
    const hidden = this._hidden;
    const row = ((network * this._levels + level) * SIZES + Math.min(size, SIZES) - 1) * hidden;
    let evidence = 0;
    for (let h = 0; h < hidden; h++) evidence += this._last[row + h] * this._sum[h];
    return evidence;
  }

  /** What an earlier channel says, by its ratio to this one in places that both know. */
  _ratio(pass, at, above, channelsBack) {
    const { own, parents, band } = pass;
    const back = 3 * channelsBack;
    const { near, far } = this._offsetsOf(pass);
    let product = 0;
    let total = RATIO_DOUBT;
    const count = ({ data, size }, place, offsets) => {
      for (let k = 0; k < offsets.length; k++) {
        const here = place + offsets[k];
        const both = data[here] * data[here - back * size];
        product += both;
        total += Math.abs(both);
      }
    };
    count(own, at, near);
    count(parents, above, far);
    const here = own.data[(band - back) * own.size + at];
    return Math.floor((2 * product * here + total) / (2 * total));
  }

  /** Which frequency counts for evidence. */
  _table(evidence) {
    const table = Math.floor((Math.abs(evidence) + 2 ** (this._shift[1] - 1)) * 2 ** -this._shift[1]);
    return Math.min(table, this._starts.length - 1);
  }

  /**
   * Evidence on the coefficients of a pass that aren't zero, and the order that their signs are
   * coded in.
   * @param {Int32Array} symbols Of the pass, with or without signs.
   * @returns {{places: number[], evidence: Float64Array, runs: number[][]}} Where they are in the
   *   pass; and for each table, numbers within `places`.
   */
  _known(symbols, pass) {
    const places = [];
    symbols.forEach((symbol, i) => symbol && places.push(i));
    const runs = this._starts.map(() => []);
    const evidence = Float64Array.from(places, (i, number) => {
      this._look(pass, i);
      const found = this._evidence(pass, Math.abs(symbols[i]));
      runs[this._table(found)].push(number);
      return found;
    });
    return { places, evidence, runs };
  }

  /** Decodes the signs of one pass into symbols that have sizes only. */
  decode(decoder, symbols, pass) {
    const { places, evidence, runs } = this._known(symbols, pass);
    const wrong = new Int32Array(places.length);
    runs.forEach((order, table) => {
      decoder.decode(this._starts[table], wrong, order, 0, order.length, 0);
    });
    places.forEach((i, number) => {
      if ((wrong[number] === 1) !== evidence[number] < 0) symbols[i] = -symbols[i];
    });
  }

  /** Codes the signs of the symbols of one pass. */
  encode(encoder, symbols, pass) {
    const { places, evidence, runs } = this._known(symbols, pass);
    runs.forEach((order, table) => {
      for (const number of order) {
        const wrong = symbols[places[number]] < 0 !== evidence[number] < 0;
        encoder.encode(this._starts[table], Number(wrong));
      }
    });
  }

  /** Bits beyond one, rounded to float32, of a sign of coefficient i at sizes 1, 2 and larger. */
  prospects(pass, i, negative, out) {
    this._look(pass, i);
    for (let size = 1; size <= SIZES; size++) {
      const evidence = this._evidence(pass, size);
      const wrong = negative !== evidence < 0;
      out[size - 1] = this._cost[this._table(evidence)][Number(wrong)] - 1;
    }
  }
}
