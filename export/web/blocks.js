// Parts of a picture, each in one of its scales: decoded one after the other, drawn, and kept.

import { canvasOf } from "./colours.js";

// Samples of a block's side, in its own scale. Blocks start in the middle of one, so that at a picture's own
// size some lie within a tile of `photo`, which are 1024 long, and take no other.
const SIDE = 512;
const FIRST = SIDE / 2;
const KEPT = 2 ** 25; // samples of blocks that are kept, 4 bytes each
export const COARSEST = 5; // halvings at most: what pyramid codecs can leave out

/** Rows and columns of a part that is halved so often. */
export const halved = (extent, times) =>
  extent.map((side) => Math.max(1, Math.floor(side / 2 ** times)));

/** What of a picture is decoded. */
export class Blocks {
  /**
   * @param {function(Object): Promise<Object>} decode Gives the raster of a view: `{start, extent,
   *   shape}`.
   * @param {number[]} shape Rows and columns of the picture.
   * @param {number[]|null} range Of a field's colours.
   */
  constructor(decode, shape, range) {
    Object.assign(this, { _decode: decode, _shape: shape, _range: range });
    this._kept = new Map(); // blocks by their names, those seen last at the end
    this._samples = 0;
    this._pending = new Map(); // promises of blocks
  }

  /** The views of a region's blocks of so many halvings, nearest to its middle first. */
  _views({ start, extent }, times) {
    const unit = 2 ** times;
    const counts = halved(this._shape, times);
    const spans = start.map((first, axis) => {
      const last = Math.min(Math.ceil((first + extent[axis]) / unit), counts[axis]);
      const from = Math.min(Math.floor(first / unit), last - 1);
      return [Math.floor((from + FIRST) / SIDE), Math.ceil((last + FIRST) / SIDE)];
    });
    const middle = start.map((first, axis) => first + extent[axis] / 2);
    const views = [];
    for (let row = spans[0][0]; row < spans[0][1]; row++) {
      for (let column = spans[1][0]; column < spans[1][1]; column++) {
        views.push(this._view([row, column], counts, times));
      }
    }
    const away = (view) => Math.hypot(...middle.map((at, axis) =>
      at - view.start[axis] - view.extent[axis] / 2));
    return views.sort((a, b) => away(a) - away(b));
  }

  /** A block. The last ones take in what is left of a side that is no multiple. */
  _view(place, counts, times) {
    const unit = 2 ** times;
    const from = place.map((at) => Math.max(at * SIDE - FIRST, 0));
    const to = place.map((at, axis) => Math.min((at + 1) * SIDE - FIRST, counts[axis]));
    const start = from.map((first) => first * unit);
    const end = to.map((last, axis) => (last === counts[axis] ? this._shape[axis] : last * unit));
    return {
      name: [times, ...place].join(),
      start,
      extent: end.map((last, axis) => last - start[axis]),
      shape: to.map((last, axis) => last - from[axis]),
    };
  }

  /** Whether a block of a region is missing still; one of these is there when this is answered. */
  async fetch(region, times) {
    const views = this._views(region, times);
    const missing = views.find(({ name }) => !this._kept.has(name));
    if (!missing) return false;
    const { name } = missing;
    if (!this._pending.has(name)) {
      this._pending.set(name, this._add(missing).finally(() => this._pending.delete(name)));
    }
    await this._pending.get(name);
    return true;
  }

  async _add({ name, ...view }) {
    const raster = await this._decode(view);
    this._kept.set(name, { ...view, canvas: canvasOf(raster, this._range) });
    this._samples += raster.width * raster.height;
    for (const [old, { canvas }] of this._kept) {
      if (this._samples <= KEPT || old === name) break;
      this._kept.delete(old);
      this._samples -= canvas.width * canvas.height;
    }
  }

  /** Draws what is there of a region: coarse blocks, and finer ones over them. */
  draw(context, region, times) {
    for (let level = COARSEST; level >= times; level--) {
      for (const { name } of this._views(region, level)) {
        const block = this._kept.get(name);
        if (!block) continue;
        this._kept.delete(name);
        this._kept.set(name, block);
        drawPart(context, block);
      }
    }
  }
}

/** Draws a part over what is there, to whole pixels of the canvas: neighbours show no seam. */
export function drawPart(context, { canvas, start, extent }) {
  const { a: scale, e: x, f: y } = context.getTransform();
  const [top, left] = [y, x].map((from, axis) => Math.round(from + start[axis] * scale));
  const [bottom, right] = [y, x].map((from, axis) =>
    Math.round(from + (start[axis] + extent[axis]) * scale));
  context.save();
  context.resetTransform();
  context.clearRect(left, top, right - left, bottom - top);
  context.drawImage(canvas, left, top, right - left, bottom - top);
  context.restore();
}
