// Scale indices of wavelet coefficients, by a network in whole numbers, and the order that
// coefficients are coded in (docs/format.md, "Codecs of pyramids").

import { MscnError } from "./errors.js";
import { around } from "./signs.js";
import { checked, shaped } from "./tables.js";
import { detailSizes, sizes } from "./wavelet.js";

const PASSES = [[0, 0], [1, 1], [0, 1], [1, 0]]; // first row and column
const MIDDLE_QUALITY = 88;
const LARGEST_ACTIVATION = 4095;
const MARGIN = 2; // coefficients that the network sees around a place
const MAGNITUDES = Uint8Array.from({ length: 256 }, (_, n) => Math.round(8 * Math.log2(1 + n)));

/** The band whose parent a coefficient's context has besides its own. */
function companion(band) {
  return band >= 3 ? band % 3 : [1, 0, 0][band];
}

/** Inputs of a band's network: whether of the coarser level, band, row and column from the place. */
function inputPlaces(bands, band) {
  const own = around(2).filter(([y, x]) => y || x).map(([y, x]) => [false, band, y, x]);
  const beside = (coarser, which) => around(1).map(([y, x]) => [coarser, which, y, x]);
  for (let earlier = 0; earlier < bands - 1; earlier++) own.push(...beside(false, earlier));
  return [...own, ...beside(true, band), ...beside(true, companion(band))];
}

/**
 * Signed magnitudes of the bands of a level, with zeros around; `busy` tells places near which a
 * magnitude is not zero, on this level or the coarser one.
 */
function planes(bands, height, width) {
  const stride = width + 2 * MARGIN;
  const size = (height + 2 * MARGIN) * stride;
  return { data: new Int8Array(bands * size), busy: new Uint8Array(size), stride, size };
}

/** Rows of weights and what they are multiplied with: those of a layer that are not zero. */
class Terms {
  constructor(capacity) {
    this.rows = new Int32Array(capacity);
    this.values = new Int32Array(capacity);
    this.count = 0;
  }

  /** Adds magnitudes around a place; the first one's weights are in row `first`. */
  addInputs(data, place, offsets, first) {
    let { count } = this;
    for (let k = 0; k < offsets.length; k++) {
      const input = data[place + offsets[k]];
      if (input === 0) continue;
      this.rows[count] = first + k;
      this.values[count++] = input < 0 ? -input : input;
    }
    this.count = count;
  }

  /** Takes a layer's sums, shifted and clipped. */
  activate(sums, shift) {
    let count = 0;
    for (let h = 0; h < sums.length; h++) {
      const value = sums[h] >> shift;
      if (value <= 0) continue;
      this.rows[count] = h;
      this.values[count++] = value > LARGEST_ACTIVATION ? LARGEST_ACTIVATION : value;
    }
    this.count = count;
  }

  /** Sums of a layer, into `out`; its width is a multiple of 4. */
  sum(out, bias, weights) {
    const { rows, values, count } = this;
    const width = out.length;
    for (let h = 0; h < width; h += 4) {
      let a = bias[h];
      let b = bias[h + 1];
      let c = bias[h + 2];
      let d = bias[h + 3];
      for (let k = 0; k < count; k++) {
        const value = values[k];
        const at = rows[k] * width + h;
        a += Math.imul(value, weights[at]);
        b += Math.imul(value, weights[at + 1]);
        c += Math.imul(value, weights[at + 2]);
        d += Math.imul(value, weights[at + 3]);
      }
      out[h] = a;
      out[h + 1] = b;
      out[h + 2] = c;
      out[h + 3] = d;
    }
  }
}

/** Rows of numbers as whole ones, with zeros after each up to a multiple of 4. */
function padded(numbers, width) {
  const wide = 4 * Math.ceil(width / 4);
  const out = new Int32Array((numbers.length / width) * wide);
  for (let i = 0; i < numbers.length; i++) out[Math.floor(i / width) * wide + (i % width)] = numbers[i];
  return out;
}
/** Every second row and column of a band of a level: coefficients that are coded together. */
class Pass {
  /** @param {number[]} size [rows, columns] of the band. */
  constructor(own, parents, level, band, number, [rows, columns]) {
    const [row, column] = PASSES[number];
    Object.assign(this, { own, parents, level, band, number, columns, _row: row, _column: column });
    this._across = Math.max(0, Math.ceil((columns - column) / 2));
    this._down = Math.max(0, Math.ceil((rows - row) / 2));
    this.count = this._down * this._across;
    this.indices = null; // the tables of its coefficients, Uint16Array [count]
  }

  /** Place in the band, row-major, of coefficient i. */
  place(i) {
    const [y, x] = [Math.floor(i / this._across), i % this._across];
    return (2 * y + this._row) * this.columns + 2 * x + this._column;
  }

  /** Coefficients of the band, row-major, that are in this pass. */
  gather(values) {
    const out = new values.constructor(this.count);
    for (let y = 0, i = 0; y < this._down; y++) {
      let at = (2 * y + this._row) * this.columns + this._column;
      for (let x = 0; x < this._across; x++, i++, at += 2) out[i] = values[at];
    }
    return out;
  }

  /** Writes `values` of this pass among those of the band, row-major. */
  scatter(values, band) {
    for (let y = 0, i = 0; y < this._down; y++) {
      let at = (2 * y + this._row) * this.columns + this._column;
      for (let x = 0; x < this._across; x++, i++, at += 2) band[at] = values[i];
    }
  }

  /** Place of coefficient i within a plane of `own`. */
  at(i) {
    const [y, x] = [Math.floor(i / this._across), i % this._across];
    return (2 * y + this._row + MARGIN) * this.own.stride + 2 * x + this._column + MARGIN;
  }

  /** Place of what lies above coefficient i within a plane of `parents`. */
  above(i) {
    const [y, x] = [Math.floor(i / this._across), i % this._across];
    return (y + MARGIN) * this.parents.stride + x + MARGIN;
  }

  /** Makes symbols known to the passes that follow. */
  mark(symbols) {
    const { own, band } = this;
    for (let i = 0; i < this.count; i++) {
      const symbol = symbols[i];
      if (!symbol) continue;
      const seen = MAGNITUDES[Math.min(Math.abs(symbol), 255)];
      const here = this.at(i);
      own.data[band * own.size + here] = symbol < 0 ? -seen : seen;
      for (let row = -MARGIN; row <= MARGIN; row++) {
        const middle = here + row * own.stride;
        own.busy.fill(1, middle - MARGIN, middle + MARGIN + 1);
      }
    }
  }
}

/** The networks of pictures of C channels, with B = 3 C bands a level. */
export class Scales {
  /**
   * @param {Object} arrays By name, those of docs/format.md.
   * @param {number} count Of tables: indices are less.
   */
  constructor(arrays, count) {
    const [levels, bands] = checked(arrays, "base", 2).shape;
    const [, , hidden, last] = checked(arrays, "second", 4).shape;
    if (bands % 3) throw new MscnError("the bundle's bands are no whole number of channels");
    Object.assign(this, { levels, bands });
    const inputs = 24 + 9 * (bands - 1) + 18;
    const first = shaped(arrays, "first", [bands, 4, inputs, hidden]);
    this._bias = shaped(arrays, "bias", [bands, 4, levels, hidden]);
    this._quality = shaped(arrays, "quality", [bands, 4, hidden]);
    this._second = shaped(arrays, "second", [bands, 4, hidden, last]);
    this._secondBias = shaped(arrays, "second_bias", [bands, 4, last]);
    this._last = shaped(arrays, "last", [bands, 4, last]);
    this._base = shaped(arrays, "base", [levels, bands]);
    this._slope = shaped(arrays, "slope", [levels, bands]);
    this._shift = shaped(arrays, "shift", [3]);
    Object.assign(this, { _hidden: hidden, _lastWidth: last, _count: count });
    this._nets = Array.from({ length: 4 * bands }, (_, network) =>
      this._net(first, network, inputPlaces(bands, network >> 2)));
  }

  /** Inputs that have weights, and these. */
  _net(first, network, places) {
    const hidden = this._hidden;
    const rows = places.map((_, i) => {
      const at = (network * places.length + i) * hidden;
      return first.subarray(at, at + hidden);
    });
    const used = places.map((_, i) => i).filter((i) => rows[i].some((weight) => weight));
    const part = (array, size) => array.subarray(network * size, (network + 1) * size);
    const last = this._lastWidth;
    return {
      places: used.map((i) => places[i]),
      first: padded(Float64Array.from(used.flatMap((i) => Array.from(rows[i]))), hidden),
      second: padded(part(this._second, hidden * last), last),
      secondBias: padded(part(this._secondBias, last), last)
        .map((value) => value + 2 ** (this._shift[1] - 1)),
      last: Int32Array.from(part(this._last, last)),
    };
  }
  /**
   * Goes over the passes of a tile in coding order, coarsest level first, and stops after each level.
   * @param {function(Pass): Int32Array} visit Gives a pass's symbols, row-major.
   */
  *walk(height, width, q16, visit) {
    const shapes = sizes(height, width, this.levels + 1);
    let own = null;
    for (let level = this.levels - 1; level >= 0; level--) {
      const [h, w] = shapes[level + 1];
      const parents = this._parents(own, Math.ceil(h / 2), Math.ceil(w / 2));
      own = planes(this.bands, h + 1, w + 1);
      this._markChildren(parents, own);
      const counts = detailSizes(...shapes[level]);
      for (let band = 0; band < this.bands; band++) {
        for (let number = 0; number < PASSES.length; number++) {
          const pass = new Pass(own, parents, level, band, number, counts[band % 3]);
          if (!pass.count) continue;
          pass.indices = this._indices(pass, q16);
          pass.mark(visit(pass));
        }
      }
      yield level;
    }
  }

  /** The planes of the coarser level, in a size that fits the one below. */
  _parents(own, height, width) {
    const parents = planes(this.bands, height, width);
    if (!own) return parents;
    for (let band = 0; band < this.bands; band++) {
      for (let y = MARGIN; y < height + MARGIN; y++) {
        const from = band * own.size + y * own.stride + MARGIN;
        parents.data.set(
          own.data.subarray(from, from + width), band * parents.size + y * parents.stride + MARGIN,
        );
      }
    }
    return parents;
  }

  /** Marks places whose context sees the coarser level. */
  _markChildren(parents, own) {
    for (let i = 0; i < parents.data.length; i++) {
      if (!parents.data[i]) continue;
      const at = i % parents.size;
      const [y, x] = [Math.floor(at / parents.stride), at % parents.stride];
      const [top, left] = [y, x].map((place) => Math.max(2 * (place - MARGIN - 1) + MARGIN, 0));
      const bottom = 2 * (y - MARGIN + 2) + MARGIN;
      const right = Math.min(2 * (x - MARGIN + 2) + MARGIN, own.stride);
      for (let row = top; row < bottom; row++) {
        own.busy.fill(1, row * own.stride + left, row * own.stride + right);
      }
    }
  }
  /** Tables of the coefficients of a pass. */
  _indices(pass, q16) {
    const { own, parents, level, band, number, count } = pass;
    const network = band * 4 + number;
    const hidden = this._hidden;
    const net = this._nets[network];
    const offsets = (coarser, { size, stride }) =>
      Int32Array.from(
        net.places.filter((place) => place[0] === coarser), ([, which, y, x]) => which * size + y * stride + x,
      );
    const ownOffsets = offsets(false, own);
    const parentOffsets = offsets(true, parents);
    const quality = q16 - MIDDLE_QUALITY;
    const bias = padded(Float64Array.from({ length: hidden }, (_, h) =>
      this._bias[(network * this.levels + level) * hidden + h]
      + this._quality[network * hidden + h] * quality + 2 ** (this._shift[0] - 1)), hidden);
    const constant = this._base[level * this.bands + band]
      + this._slope[level * this.bands + band] * quality + 2 ** (this._shift[2] - 1);
    const terms = new Terms(Math.max(net.places.length, bias.length));
    const firstSums = new Int32Array(bias.length);
    const secondSums = new Int32Array(net.secondBias.length);
    const index = () => {
      terms.sum(firstSums, bias, net.first);
      terms.activate(firstSums, this._shift[0]);
      terms.sum(secondSums, net.secondBias, net.second);
      terms.activate(secondSums, this._shift[1]);
      let total = constant;
      for (let k = 0; k < terms.count; k++) total += terms.values[k] * net.last[terms.rows[k]];
      terms.count = 0;
      return Math.min(Math.max(total >> this._shift[2], 0), this._count - 1);
    };
    const quiet = index(); // where all inputs are zero
    const indices = new Uint16Array(count).fill(quiet);
    for (let i = 0; i < count; i++) {
      const here = pass.at(i);
      if (!own.busy[here]) continue;
      terms.addInputs(own.data, here, ownOffsets, 0);
      terms.addInputs(parents.data, pass.above(i), parentOffsets, ownOffsets.length);
      indices[i] = index();
    }
    return indices;
  }
}
