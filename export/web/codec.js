// Decodes `.mscn` files of pictures, silhouettes and fields at any resolution.

import { MscnError } from "./errors.js";
import { samplesOf, sizeText } from "./container.js";
import { joinPlanes, toBytes, toRgba } from "./pixels.js";
import { PyramidReader } from "./pyramids.js";
import { correct, decodeResidual } from "./residuals.js";
import { TileReader } from "./tiles.js";

const SHOWN = ["image", "field", "silhouette"];
const LARGEST = 2 ** 26; // samples of an item that a page can hold

/** A file with its codec. */
export class Codec {
  /**
   * @param {Container} container
   * @param {Bundle} bundle
   * @throws {MscnError} They do not fit together, or the page can't show such a file.
   */
  constructor(container, bundle) {
    const { source } = container;
    const { manifest } = bundle;
    checkShown(container);
    if (!bundle.id.startsWith(container.bundleId)) {
      throw new MscnError(
        `${source}: made with codec ${container.bundleId}, but ${bundle.name} is `
        + bundle.id.slice(0, 16),
      );
    }
    const agrees = manifest.modality === container.modality
      && manifest.tile_edge === container.tileEdge
      && (manifest.tile_overlap ?? 0) === container.tileOverlap
      && manifest.channels === container.codeChannels;
    const channels = container.modality === "image" ? [1, 2, 3, 4] : [manifest.channels];
    if (!agrees || container.channelCounts.some((count) => !channels.includes(count))) {
      throw new MscnError(`${source}: its header disagrees with codec ${bundle.name}; get a fresh copy`);
    }
    if (container.errorBound !== null && bundle.kind === "pyramid") {
      throw new MscnError(
        `${source}: damaged (an error bound, which files of ${bundle.name} can't have); `
        + "get a fresh copy",
      );
    }
    const readers = { basis: TileReader, pyramid: PyramidReader };
    if (!readers[bundle.kind]) {
      throw new MscnError(`bundle ${bundle.name}: a codec of kind ${bundle.kind}; get a newer page`);
    }
    this.container = container;
    this.bundle = bundle;
    const { low = 0, high = 255, dtype = "uint8" } = manifest.values ?? {};
    this._range = { low, high, dtype };
    this._reader = new readers[bundle.kind](container, bundle);
  }

  /**
   * An item, or a part of it, at a size.
   * @param {{item: number, start: number[], extent: number[], shape: number[]}} view As
   *   `TileReader.render` takes it.
   * @returns {Promise<{width: number, height: number, pixels?: Uint8ClampedArray,
   *   values?: Float32Array}>} RGBA pixels of a picture; values of a field in their unit.
   */
  async render(view) {
    const { item, start, extent, shape } = view;
    const [height, width] = shape;
    const channels = this.container.channels(item);
    const values = await this._values(view);
    // Residuals correct the original's samples, not those between them.
    const residual = shape.every((side, axis) => side === extent[axis]) && this._residual(item);
    if (residual) correct(values, residual, this.container.shape(item)[1], channels, start, shape);
    if (this.container.modality === "field") return { width, height, values };
    return { width, height, pixels: toRgba(values, channels) };
  }

  /** Bytes of a picture, or values of a field in their unit. */
  async _values(view) {
    const { container } = this;
    if (container.modality === "field") return this._restored(await this._reader.render(view, 0));
    const channels = container.planes(view.item);
    const planes = [];
    for (let plane = 0; plane < channels.length; plane++) {
      let values = await this._reader.render(view, plane);
      if (this._range.dtype === "bool") values = values.map((value) => (value >= 0.5 ? 1 : 0));
      planes.push(toBytes(values, container.codeChannels, channels[plane]));
    }
    return joinPlanes(planes, channels);
  }

  _restored(values) {
    const { low, high } = this._range;
    return Float32Array.from(values, (value) => low + (high - low) * value);
  }

  _residual(item) {
    const { errorBound, residuals } = this.container;
    if (errorBound === null || !residuals[item].length) return null;
    if (this._kept?.item !== item) {
      const size = [...this.container.shape(item), this.container.channels(item)];
      this._kept = { item, ...decodeResidual(this._reader.tables, residuals[item], size) };
    }
    return this._kept;
  }

  /** A field at any latitudes and longitudes, in radians. */
  async evaluate(item, points) {
    const values = this._restored(await this._reader.evaluate(item, points));
    const [height, width] = points.map((axis) => axis.length);
    return { width, height, values };
  }
}

/** Refuses files whose signals this page can't show, before their codec is fetched. */
export function checkShown(container) {
  const { source, modality } = container;
  if (!SHOWN.includes(modality)) {
    throw new MscnError(`${source}: holds ${modality}; this page shows pictures and fields`);
  }
  for (const shape of container.shapes) {
    if (samplesOf(shape) > LARGEST) {
      throw new MscnError(
        `${source}: ${sizeText(shape)} is too large for this page; decode it with mscn decode`,
      );
    }
  }
}
