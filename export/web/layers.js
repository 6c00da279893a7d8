// What a viewer shows: pictures that are there, and those that are decoded as they are seen.

import { Blocks, COARSEST, drawPart } from "./blocks.js";
import { canvasOf } from "./colours.js";

const BASE_SAMPLES = 2 ** 20; // of the small version that is shown at first

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

/** How often a picture is halved for a scale. */
const halvings = (scale) => Math.min(Math.max(Math.floor(-Math.log2(scale)), 0), COARSEST);

/** An item of a file: all of it small, and what is seen in the resolution that it is seen in. */
export class DecodedLayer {
  /**
   * @param {function(Object): Promise<Object>} decode Gives the raster of a view: `{start, extent,
   *   shape}`.
   * @param {number[]} shape Rows and columns of the item.
   * @param {Object} base Raster of the whole item, halved `baseHalvings(shape)` times.
   * @param {number[]|null} range Of a field's colours.
   * @param {Blocks} [blocks] What is seen at its own size or smaller, where layers share it.
   */
  constructor(decode, shape, base, range, blocks = new Blocks(decode, shape, range)) {
    Object.assign(this, { _decode: decode, _shape: shape, _range: range, _blocks: blocks });
    this._base = canvasOf(base, range);
    this._detail = null; // what is enlarged
    this._running = null;
  }

  draw(context, viewer) {
    const [height, width] = this._shape;
    context.drawImage(this._base, 0, 0, width, height);
    this._blocks.draw(context, viewer.region, halvings(viewer.scale));
    if (this._detail && viewer.scale > 1) drawPart(context, this._detail);
  }

  /** Fetches what is seen, one part after the other: always of what is seen by then. */
  refresh(viewer) {
    this._running ??= this._fetch(viewer).finally(() => (this._running = null));
    return this._running;
  }

  async _fetch(viewer) {
    while (viewer.shows(this)) {
      const times = halvings(viewer.scale);
      if (viewer.scale > 1) {
        if (!(await this._enlarge(viewer))) return;
      } else if (times >= baseHalvings(this._shape) || !(await this._blocks.fetch(viewer.region, times))) {
        return;
      }
      viewer.redraw();
    }
  }

  /** Decodes a region at the points of the screen, unless it is there. */
  async _enlarge({ region: { start, extent }, scale }) {
    const view = { start, extent, shape: extent.map((side) => Math.round(side * scale)) };
    const name = JSON.stringify(view);
    if (this._detail?.name === name) return false;
    this._detail = { ...view, name, canvas: canvasOf(await this._decode(view), this._range) };
    return true;
  }
}
