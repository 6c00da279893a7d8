// Decodes `.mscn` files at any resolution.

import { MscnError } from "./errors.js";
import { samplesOf, sizeText } from "./container.js";
import { axesOf } from "./grids.js";
import { boundOf, decodeExact, gridCodec, needsBefore } from "./exact.js";
import { Grids } from "./interpolations.js";
import { joinPlanes, toBytes, toRgba } from "./pixels.js";
import { correct, decodeResidual } from "./residuals.js";
import { resized } from "./sampling.js";
import { schemeOf } from "./schemes.js";
import { valuesAt } from "./sphere.js";

const PIXELS = ["image", "silhouette"];
const SHOWN = [...PIXELS, "field", "sound", "volume", "voxels", "mesh", "scene"];
const LARGEST = 2 ** 26; // samples of an item that a page can hold

/** A file with its codec. */
export class Codec {
  /**
   * @param {Container} container
   * @param {Bundle} bundle
   * @param {Bundle[]} [others] With those that `gridCodecs` names.
   * @throws {MscnError} They do not fit together, or the page can't show such a file.
   */
  constructor(container, bundle, others = []) {
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
    this.scheme = schemeOf(bundle);
    const impossible = [
      container.errorBound !== null && !this.scheme.keepsBounds && "an error bound",
      container.hasParents && !this.scheme.hasParents && "parents",
    ].find(Boolean);
    if (impossible) {
      throw new MscnError(
        `${source}: damaged (${impossible}, which files of ${bundle.name} can't have); `
        + "get a fresh copy",
      );
    }
    this.container = container;
    this.bundle = bundle;
    this._others = others;
    const { low = 0, high = 255, dtype = "uint8" } = manifest.values ?? {};
    this._range = { low, high, dtype };
    this._pixels = PIXELS.includes(container.modality);
    this._hasOccupancy = Boolean(bundle.members["prior/occupancy_bit.npy"]);
    this._reader = new this.scheme.Reader(container, bundle);
  }

  /**
   * An item, or a part of it, at a size.
   * @param {{item: number, start: number[], extent: number[], shape: number[]}} view As
   *   `TileReader.render` takes it.
   * @returns {Promise<{width: number, height: number, pixels?: Uint8ClampedArray,
   *   values?: Float32Array}>} RGBA pixels of a picture; values of other signals, row after row, of
   *   truth values about 1 inside and 0 outside.
   */
  async render(view) {
    const { container } = this;
    const { item, shape } = view;
    const width = shape[shape.length - 1];
    const height = samplesOf(shape) / width;
    const channels = container.planes(item);
    const coded = container.coded(item);
    const parts = [];
    const counts = [];
    for (let plane = 0; plane < channels.length; plane++) {
      if (container.isExact(item, plane)) {
        parts.push(this._exact(view, plane));
        counts.push(channels[plane]);
      } else if (plane === coded[0]) {
        parts.push(await this._coded(view, coded));
        counts.push(channels.filter((_, own) => coded.includes(own)).reduce((a, b) => a + b));
      }
    }
    if (!this._pixels) return { width, height, values: parts[0] };
    return { width, height, pixels: toRgba(joinPlanes(parts, counts), container.channels(item)) };
  }

  /** Those planes of an item that have tiles: bytes of a picture, or values of a field. */
  async _coded(view, coded) {
    const { item, start, extent, shape } = view;
    const values = await this._values(view, coded);
    // Residuals correct the original's samples, not those between them.
    const residual = shape.every((side, axis) => side === extent[axis]) && this._residual(item);
    const channels = values.length / samplesOf(shape);
    if (residual) correct(values, residual, this.container.shape(item), channels, start, shape);
    return values;
  }

  async _values(view, coded) {
    const { container } = this;
    if (!this._pixels) return this._restored(await this._reader.render(view, 0));
    const channels = coded.map((plane) => container.planes(view.item)[plane]);
    const planes = [];
    for (const [number, plane] of coded.entries()) {
      let values = await this._reader.render(view, plane);
      if (this._range.dtype === "bool") values = values.map((value) => (value >= 0.5 ? 1 : 0));
      planes.push(toBytes(values, container.codeChannels, channels[number]));
    }
    return joinPlanes(planes, channels);
  }

  /** An exact plane, as `_coded` gives others. */
  _exact({ item, start, extent, shape }, plane) {
    const { container } = this;
    const { low, high, dtype } = this._range;
    const channels = container.planes(item)[plane];
    const whole = [...container.shape(item), channels];
    const values = resized(this._exactSamples(item, plane), whole, start, extent, shape);
    if (!this._pixels) return values;
    if (dtype === "uint8") return Uint8ClampedArray.from(values);
    const unit = dtype === "bool"
      ? (value) => (value >= 0.5 ? 1 : 0) : (value) => (value - low) / (high - low);
    return toBytes(values.map(unit), channels, channels);
  }

  /** Decoded samples; those of the last item are kept. */
  _exactSamples(item, plane) {
    if (this._samples?.item !== item) this._samples = { item, planes: [] };
    const { container } = this;
    const payload = container.exactBlock(item, plane);
    this._samples.planes[plane] ??= this._decodedExact(
      item, plane, needsBefore(payload) ? this._before(item, plane) : undefined,
    );
    return this._samples.planes[plane];
  }

  _decodedExact(item, plane, before) {
    const { container } = this;
    const payload = container.exactBlock(item, plane);
    return decodeExact(payload, container.shape(item), container.planes(item)[plane],
      this._range.dtype, this._gridsOf(payload), before);
  }

  /** The plane of the item before, from which an item's is decoded; that one stands for itself. */
  _before(item, plane) {
    const { container } = this;
    if (!item || !container.isExact(item - 1, plane)) {
      throw new MscnError(`${container.source}: damaged (channels); get a fresh copy`);
    }
    return this._decodedExact(item - 1, plane);
  }

  /** How far values of an item's exact planes may be off. */
  within(item) {
    const { container } = this;
    const exact = [...container.planes(item).keys()].filter((plane) => container.isExact(item, plane));
    return Math.max(0, ...exact.map((plane) => boundOf(container.exactBlock(item, plane))));
  }

  /** What decodes the grids of an exact plane; nothing where it has none. */
  _gridsOf(payload) {
    const id = gridCodec(payload);
    if (!id) return undefined;
    const bundle = this._others.find((one) => one.id.startsWith(id) && one.kind === "interpolation");
    if (!bundle) {
      throw new MscnError(`${this.container.source}: codec ${id} is wanted, too; give its .mscnb file`);
    }
    return new Grids(bundle);
  }

  /** A signal's own values of those that the codec gives, whole ones where its type is whole. */
  _restored(values) {
    if (this.scheme.inUnits) return values;
    const { low, high, dtype } = this._range;
    const own = Float32Array.from(values, (value) => low + (high - low) * value);
    if (dtype !== "int16") return own;
    return own.map((value) => Math.min(Math.max(roundEven(value), low), high));
  }

  /** Whether an item comes back within its file's bound: codes of truth values aren't read here. */
  corrects(item) {
    const { errorBound, residuals } = this.container;
    return errorBound === null || !this._hasOccupancy || !residuals[item]?.length;
  }

  _residual(item) {
    const { errorBound, residuals } = this.container;
    if (errorBound === null || !residuals[item]?.length || !this.corrects(item)) return null;
    if (this._kept?.item !== item) {
      const planes = this.container.planes(item);
      const channels = this.container.coded(item).reduce((sum, plane) => sum + planes[plane], 0);
      const size = [...this.container.shape(item), channels];
      this._kept = { item, ...decodeResidual(this._reader.tables, residuals[item], size) };
    }
    return this._kept;
  }

  /** A field at any latitudes and longitudes, in radians. */
  async evaluate(item, points) {
    const { container } = this;
    const values = container.isExact(item, 0)
      ? valuesAt(this._exactSamples(item, 0), axesOf(container, item), points)
      : this._restored(await this._reader.evaluate(item, points));
    const [height, width] = points.map((axis) => axis.length);
    return { width, height, values };
  }
}

/** The first digits of the ids of codecs that exact planes of a file take besides its own. */
export function gridCodecs(container) {
  const ids = new Set();
  for (let item = 0; item < container.items; item++) {
    container.planes(item).forEach((_, plane) => {
      if (container.isExact(item, plane)) ids.add(gridCodec(container.exactBlock(item, plane)));
    });
  }
  ids.delete(null);
  return [...ids];
}

/** The nearest whole number, of two the even one. */
function roundEven(value) {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 ? nearest - 1 : nearest;
}

/** Refuses files whose signals this page can't show, before their codec is fetched. */
export function checkShown(container) {
  const { source, modality } = container;
  if (!SHOWN.includes(modality)) {
    throw new MscnError(`${source}: holds a ${modality}, which this page can't show`);
  }
  for (const shape of container.shapes) {
    if (samplesOf(shape) > LARGEST) {
      throw new MscnError(
        `${source}: ${sizeText(shape)} is too large for this page; decode it with mscn decode`,
      );
    }
  }
}
