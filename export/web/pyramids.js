// Files whose pictures are wavelet pyramids.

import { REACH as TAPS_REACH, differenceBound, filtered } from "./adaptive_filter.js";
import { MscnError } from "./errors.js";
import { grid } from "./container.js";
import { MARGIN, PostFilter, padded } from "./post_filter.js";
import { PyramidPrior } from "./pyramid.js";
import { centres, sample } from "./sampling.js";
import { detailSizes, sizes, synthesise } from "./wavelet.js";

const KEPT = 32; // decoded tiles, of some 12 MB each
const TAP = 4; // coarse coefficients around a part that synthesis looks at
const REACH = 8; // pixels that a coefficient of the finest level reaches; of each further one twice that

/** Source pixels [first, last) that interpolation at positions of a skipped level touches. */
function span(positions, side, skip) {
  const scale = 2 ** skip;
  const first = Math.max(Math.floor(positions[0]) - 1, 0) * scale;
  const last = (Math.floor(positions[positions.length - 1]) + 3) * scale;
  return [first, Math.min(last, side)];
}

/** Decodes the pictures of a file of a pyramid codec. */
export class PyramidReader {
  constructor(container, bundle) {
    this._container = container;
    this._prior = new PyramidPrior(bundle.arrays("prior"));
    this.tables = this._prior.tables;
    const { channels } = this._prior;
    this._colour = bundle.weights().colour;
    this._filter = PostFilter.of(bundle);
    const edge = container.tileEdge;
    if (this._colour?.data.length !== channels ** 2 || edge % 2 ** this._prior.levels) {
      throw new MscnError(`bundle ${bundle.name}: its arrays disagree on channels or levels`);
    }
    this._kept = new Map(); // tiles, those used last at the end
  }

  /** Values of a plane of a picture, as `TileReader.render` gives them. */
  async render({ item, start, extent, shape }, plane) {
    const side = this._container.shape(item);
    const shrink = Math.min(extent[0] / shape[0], extent[1] / shape[1]);
    const skip = Math.min(Math.max(Math.floor(Math.log2(shrink)), 0), this._prior.levels);
    const positions = shape.map((out, i) =>
      centres(start[i], extent[i], out).map((position) => position / 2 ** skip));
    const [[top, bottom], [left, right]] = positions.map((p, i) => span(p, side[i], skip));
    const { values, size } = await this._filtered(item, plane, skip, [top, bottom], [left, right]);
    const [rows, columns] = [top, left].map((first, i) =>
      positions[i].map((position) => position - first / 2 ** skip));
    return sample(values, size, rows, columns);
  }

  /** The same as `_mended`, and filtered by the tiles' own taps. */
  async _filtered(item, plane, skip, ...spans) {
    const pieces = this._filter && this._prior.taps && !skip ? this._pieces([item, plane, skip], spans) : [];
    const some = pieces.filter(({ coefficients: { taps } }) => taps.some((own) => own.some((tap) => tap)));
    if (!some.length) return this._mended(item, plane, skip, ...spans);
    const shape = this._container.shape(item);
    const wide = spans.map(([first, last], i) =>
      [Math.max(first - TAPS_REACH, 0), Math.min(last + TAPS_REACH, shape[i])]);
    const { values, size } = await this._mended(item, plane, skip, ...wide);
    const before = wide.map(([first], i) => first - spans[i][0]);
    const bound = differenceBound(this._filter.error(this._container.q16(item)));
    const [height, width] = spans.map(([first, last]) => last - first);
    const out = padded(values, size, before, [height, width, size[2]]);
    for (const { corner: [top, left], sides: [rows, columns], coefficients: { taps } } of some) {
      const around = [rows + 2 * TAPS_REACH, columns + 2 * TAPS_REACH, size[2]];
      const piece = padded(values, size, [before[0] + TAPS_REACH - top, before[1] + TAPS_REACH - left], around);
      const own = filtered(piece, around, taps, bound);
      for (let row = 0; row < rows; row++) {
        const line = own.subarray(row * columns * size[2], (row + 1) * columns * size[2]);
        out.set(line, ((top + row) * width + left) * size[2]);
      }
    }
    return { values: out, size: [height, width, size[2]] };
  }

  /** [h, w, C] of source pixels, less the skipped levels, or else mended. */
  async _mended(item, plane, skip, ...spans) {
    if (!this._filter || skip) return this._values(item, plane, skip, ...spans);
    const shape = this._container.shape(item);
    const wide = spans.map(([first, last]) =>
      [2 * Math.floor(first / 2) - MARGIN, 2 * Math.ceil(last / 2) + MARGIN]);
    const inside = wide.map(([first, last], i) => [Math.max(first, 0), Math.min(last, shape[i])]);
    const { values, size } = this._values(item, plane, skip, ...inside);
    const [height, width] = wide.map(([first, last]) => last - first);
    const before = inside.map(([first], i) => first - wide[i][0]);
    const whole = [height, width, size[2]];
    const q16 = this._container.q16(item);
    const blocks = wide.map(([first, last]) => [first + MARGIN, last - MARGIN]);
    const updates = this._pieces([item, plane, skip], blocks);
    const mended = await this._mend(padded(values, size, before, whole), whole, q16, updates);
    const [rows, columns] = spans.map(([first, last]) => last - first);
    const out = new Float32Array(rows * columns * size[2]);
    const stride = (width - 2 * MARGIN) * size[2];
    for (let row = 0; row < rows; row++) {
      const from = (row + (spans[0][0] % 2)) * stride + (spans[1][0] % 2) * size[2];
      out.set(mended.subarray(from, from + columns * size[2]), row * columns * size[2]);
    }
    return { values: out, size: [rows, columns, size[2]] };
  }

  /** Mended values of [h, w, C], in pieces where tiles have updates of their own. */
  async _mend(values, [height, width, channels], q16, pieces) {
    const [{ filterUpdate: first }] = pieces.map(({ coefficients }) => coefficients);
    if (pieces.every(({ coefficients }) => `${coefficients.filterUpdate}` === `${first}`)) {
      return this._filter.mend(values, [height, width, channels], q16, first);
    }
    const stride = (width - 2 * MARGIN) * channels;
    const mended = new values.constructor((height - 2 * MARGIN) * stride);
    for (const { corner: [top, left], sides: [rows, columns], coefficients } of pieces) {
      const size = [rows + 2 * MARGIN, columns + 2 * MARGIN, channels];
      const piece = padded(values, [height, width, channels], [-top, -left], size);
      const found = await this._filter.mend(piece, size, q16, coefficients.filterUpdate);
      for (let row = 0; row < rows; row++) {
        const own = found.subarray(row * columns * channels, (row + 1) * columns * channels);
        mended.set(own, (top + row) * stride + left * channels);
      }
    }
    return mended;
  }

  /** Each tile's part of spans, and its coefficients. */
  _pieces(place, spans) {
    const side = this._container.tileSide(place[0]);
    const parts = spans.map(([first, last]) =>
      numbers(Math.floor(first / side), Math.ceil(last / side)).map((tile) => {
        const start = Math.max(first, tile * side);
        return { tile, start: start - first, side: Math.min(last, (tile + 1) * side) - start };
      }));
    return parts[0].flatMap((down) => parts[1].map((along) => ({
      corner: [down.start, along.start],
      sides: [down.side, along.side],
      coefficients: this._tile(place, down.tile, along.tile).coefficients,
    })));
  }

  /** [h, w, C] of source pixels, less the skipped levels. */
  _values(item, plane, skip, ...spans) {
    const shape = this._container.shape(item);
    const { channels, levels } = this._prior;
    const unit = 2 ** levels;
    const window = spans.map(([first, last], axis) => [
      Math.max(Math.floor(first / unit) - TAP, 0) * unit,
      Math.min((Math.ceil(last / unit) + TAP) * unit, shape[axis]),
    ]);
    const [height, width] = window.map(([first, last]) => last - first);
    const joined = this._joined([item, plane, skip], spans, window);
    const scale = 2 ** skip;
    const planes = Array.from({ length: channels }, (_, c) =>
      synthesise(
        joined(null, c), [...Array(levels).keys()].map((level) =>
          level < skip ? null : [0, 1, 2].map((direction) => joined(level, 3 * c + direction))),
        height, width, skip,
      ));
    const stride = Math.ceil(width / scale);
    const from = spans.map(([first], axis) => (first - window[axis][0]) / scale);
    const [rows, columns] = spans.map(([, last], axis) =>
      Math.ceil((last - window[axis][0]) / scale) - from[axis]);
    const values = new Float32Array(rows * columns * channels);
    const colour = this._colour.data;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = (row + from[0]) * stride + column + from[1];
        for (let c = 0; c < channels; c++, at++) {
          let sum = 0;
          for (let k = 0; k < channels; k++) sum += colour[k * channels + c] * planes[k][place];
          values[at] = sum / scale + 0.5;
        }
      }
    }
    return { values, size: [rows, columns, channels] };
  }

  /** A tile, its `skip` finest levels maybe left out; those used last are kept. */
  _tile([item, plane, skip], row, column) {
    const place = `${item}/${plane}/${row}/${column}`;
    const tile = this._kept.get(place) ?? this._coded(item, plane, row, column);
    this._kept.delete(place);
    tile.coefficients.upTo(skip);
    this._kept.set(place, tile);
    if (this._kept.size > KEPT) this._kept.delete(this._kept.keys().next().value);
    return tile;
  }

  _coded(item, plane, row, column) {
    const shape = this._container.shape(item);
    const side = this._container.tileSide(item);
    const number = this._container.firstTile(item, plane) + row * grid(shape, side, 0)[1] + column;
    const [height, width] = [row, column].map((at, i) => Math.min(side, shape[i] - at * side));
    const payload = this._container.blocks[number];
    const q16 = this._container.q16(item);
    return { coefficients: this._prior.tile(payload, height, width, q16), height, width };
  }

  /**
   * A function that gives a band of a level, or a coarse channel, of a window of the picture. Of
   * tiles beside the wanted spans only the levels are decoded that reach into these.
   */
  _joined([item, plane, skip], spans, window) {
    const shape = this._container.shape(item);
    const side = this._container.tileSide(item);
    const { levels } = this._prior;
    const [rows, columns] = window.map(([first, last]) =>
      numbers(Math.floor(first / side), Math.ceil(last / side)));
    const tiles = rows.flatMap((row) => columns.map((column) => {
      const corner = [row * side, column * side];
      const own = corner.map((at, axis) => Math.min(side, shape[axis] - at));
      const far = Math.max(...spans.map(([first, last], axis) =>
        Math.max(first - corner[axis] - own[axis], corner[axis] - last) + 1));
      const out = far < REACH ? 0 : Math.floor(Math.log2(far / REACH)) + 1;
      const wanted = [item, plane, Math.min(Math.max(skip, out), levels)];
      return { corner, coefficients: this._tile(wanted, row, column).coefficients, sides: sizes(...own, levels) };
    }));
    const sides = sizes(...window.map(([first, last]) => last - first), levels);
    return (level, band) => {
      const scale = 2 ** (level === null ? levels : level + 1);
      const shapeOf = (all) =>
        (level === null ? all[levels] : detailSizes(...all[level])[band % 3]);
      const wanted = shapeOf(sides);
      const out = new Float32Array(wanted[0] * wanted[1]);
      for (const { corner, coefficients, sides: own } of tiles) {
        const values = (level === null ? coefficients.coarse : coefficients.details[level])?.[band];
        if (values) {
          place(values, shapeOf(own), out, wanted, corner.map((at, axis) => (at - window[axis][0]) / scale));
        }
      }
      return out;
    };
  }
}

/** Whole numbers from the first to before the last. */
const numbers = (first, last) => Array.from({ length: last - first }, (_, i) => first + i);

/** Writes values [h, w] into an array at a place that may lie partly outside of it. */
function place(values, [height, width], out, [rows, columns], [top, left]) {
  const [first, last] = [Math.max(-left, 0), Math.min(width, columns - left)];
  if (last <= first) return;
  for (let row = Math.max(-top, 0); row < Math.min(height, rows - top); row++) {
    const from = row * width;
    out.set(values.subarray(from + first, from + last), (row + top) * columns + left + first);
  }
}
