// Files whose pictures are wavelet pyramids.

import { MscnError } from "./errors.js";
import { grid } from "./container.js";
import { MARGIN, PostFilter, padded } from "./post_filter.js";
import { PyramidPrior } from "./pyramid.js";
import { centres, sample } from "./sampling.js";
import { detailSizes, sizes, synthesise } from "./wavelet.js";

const KEPT = 32; // decoded tiles, of some 12 MB each
const TAP = 4; // synthesis looks so many coefficients around at each level

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
    const { values, size } = await this._mended(item, plane, skip, [top, bottom], [left, right]);
    const [rows, columns] = [top, left].map((first, i) =>
      positions[i].map((position) => position - first / 2 ** skip));
    return sample(values, size, rows, columns);
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
    const mended = await this._filter.mend(padded(values, size, before, whole), whole, q16);
    const [rows, columns] = spans.map(([first, last]) => last - first);
    const out = new Float32Array(rows * columns * size[2]);
    const stride = (width - 2 * MARGIN) * size[2];
    for (let row = 0; row < rows; row++) {
      const from = (row + (spans[0][0] % 2)) * stride + (spans[1][0] % 2) * size[2];
      out.set(mended.subarray(from, from + columns * size[2]), row * columns * size[2]);
    }
    return { values: out, size: [rows, columns, size[2]] };
  }

  /** [h, w, C] of source pixels, less the skipped levels. */
  _values(item, plane, skip, [top, bottom], [left, right]) {
    const shape = this._container.shape(item);
    const side = this._container.tileSide(item);
    const reach = TAP * 2 ** this._prior.levels;
    const [firstRow, firstColumn] = [top, left].map((low) =>
      Math.floor(Math.max(low - reach, 0) / side));
    const [lastRow, lastColumn] = [bottom, right].map((high, i) =>
      Math.ceil(Math.min(high + reach, shape[i]) / side));
    const [y, x] = [firstRow * side, firstColumn * side];
    const height = Math.min(lastRow * side, shape[0]) - y;
    const width = Math.min(lastColumn * side, shape[1]) - x;
    const joined = this._joined([item, plane, skip], [firstRow, lastRow], [firstColumn, lastColumn]);
    const { channels } = this._prior;
    const scale = 2 ** skip;
    const planes = Array.from({ length: channels }, (_, c) =>
      synthesise(
        joined(null, c), [...Array(this._prior.levels).keys()].map((level) =>
          level < skip ? null : [0, 1, 2].map((direction) => joined(level, 3 * c + direction))),
        height, width, skip,
      ));
    const stride = Math.ceil(width / scale);
    const [fromRow, fromColumn] = [(top - y) / scale, (left - x) / scale];
    const rows = Math.ceil((bottom - y) / scale) - fromRow;
    const columns = Math.ceil((right - x) / scale) - fromColumn;
    const values = new Float32Array(rows * columns * channels);
    const colour = this._colour.data;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const place = (row + fromRow) * stride + column + fromColumn;
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

  /** A function that gives a band of a level, or a coarse channel, of tiles put together. */
  _joined(what, rows, columns) {
    const lines = [];
    for (let row = rows[0]; row < rows[1]; row++) {
      lines.push([]);
      for (let column = columns[0]; column < columns[1]; column++) {
        lines[lines.length - 1].push(this._tile(what, row, column));
      }
    }
    const { levels } = this._prior;
    return (level, band) => {
      const part = (tile) => {
        const shapes = sizes(tile.height, tile.width, levels);
        return level === null
          ? [tile.coefficients.coarse[band], shapes[levels]]
          : [tile.coefficients.details[level][band], detailSizes(...shapes[level])[band % 3]];
      };
      const parts = lines.map((line) => line.map(part));
      if (parts.length === 1 && parts[0].length === 1) return parts[0][0][0];
      const width = parts[0].reduce((sum, [, size]) => sum + size[1], 0);
      const height = parts.reduce((sum, [[, size]]) => sum + size[0], 0);
      const out = new Float32Array(height * width);
      let y = 0;
      for (const line of parts) {
        let x = 0;
        const [, [lineHeight]] = line[0];
        for (const [values, [, w]] of line) {
          for (let row = 0; row < lineHeight; row++) {
            out.set(values.subarray(row * w, (row + 1) * w), (y + row) * width + x);
          }
          x += w;
        }
        y += lineHeight;
      }
      return out;
    };
  }
}
