// What a viewer shows: pictures that are there, and those that are decoded as they are seen.

import { pixelsOf } from "./colours.js";

const BASE_SAMPLES = 2 ** 20; // of the small version that is shown at first
const COARSEST = 5; // halvings at most: what pyramid codecs can leave out

/** A raster as a canvas that can be drawn. */
export function canvasOf(raster, range) {
  const canvas = new OffscreenCanvas(raster.width, raster.height);
  const image = new ImageData(pixelsOf(raster, range), raster.width, raster.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A picture of which all pixels are there. */
export class StillLayer {
  /** @param {CanvasImageSource} picture */
  constructor(picture) {
    this._picture = picture;
  }

  draw(context) {
    context.drawImage(this._picture, 0, 0);
  }

  async refresh() {}
}

/** How often a picture of this shape is halved for its first, small version. */
export function baseHalvings(shape) {
  const samples = shape[0] * shape[1];
  return Math.min(Math.max(Math.ceil(Math.log2(samples / BASE_SAMPLES) / 2), 0), COARSEST);
}

/** Rows and columns of a part that is halved so often. */
export const halved = (extent, times) =>
  extent.map((side) => Math.max(1, Math.floor(side / 2 ** times)));

/** An item of a file: all of it small, and what is seen in its own resolution. */
export class DecodedLayer {
  /**
   * @param {function(Object): Promise<Object>} decode Gives the raster of a view: `{start, extent,
   *   shape}`.
   * @param {number[]} shape Rows and columns of the item.
   * @param {Object} base Raster of the whole item, small.
   * @param {number[]|null} range Of a field's colours.
   */
  constructor(decode, shape, base, range) {
    Object.assign(this, { _decode: decode, _shape: shape, _range: range });
    this._base = canvasOf(base, range);
    this._native = base.width === shape[1] && base.height === shape[0];
    this._detail = null;
    this._running = null;
  }

  draw(context) {
    const [height, width] = this._shape;
    context.drawImage(this._base, 0, 0, width, height);
    if (!this._detail) return;
    const { canvas, start, extent } = this._detail;
    context.drawImage(canvas, start[1], start[0], extent[1], extent[0]);
  }

  /** The view that a viewer's region needs. */
  _wanted(viewer) {
    const { start, extent } = viewer.region;
    if (viewer.scale > 1) {
      return { start, extent, shape: extent.map((side) => Math.round(side * viewer.scale)) };
    }
    const times = Math.min(Math.floor(Math.log2(1 / viewer.scale)), COARSEST);
    const unit = 2 ** times;
    const from = start.map((side) => Math.floor(side / unit) * unit);
    const to = start.map((side, axis) =>
      Math.min(Math.ceil((side + extent[axis]) / unit) * unit, this._shape[axis]));
    const whole = to.map((end, axis) => end - from[axis]);
    return { start: from, extent: whole, shape: halved(whole, times) };
  }

  /** Fetches what is seen, one part after the other: the last one that was wanted. */
  refresh(viewer) {
    this._running ??= this._fetch(viewer).finally(() => (this._running = null));
    return this._running;
  }

  async _fetch(viewer) {
    for (;;) {
      const wanted = this._wanted(viewer);
      const key = JSON.stringify(wanted);
      if (this._key === key || (this._native && viewer.scale <= 1)) return;
      const raster = await this._decode(wanted);
      this._detail = { ...wanted, canvas: canvasOf(raster, this._range) };
      this._key = key;
      viewer.redraw();
    }
  }
}
