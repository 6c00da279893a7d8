// Files whose signals are cut into tiles, each decoded by a network on its own.

import { MscnError } from "./errors.js";
import { grid, samplesOf } from "./container.js";
import { Network } from "./network.js";
import { Prior } from "./prior.js";
import { centres } from "./sampling.js";
import { coordinatesAt, sphereGrid } from "./sphere.js";

// A run of the network makes so many points at most: what bounds the memory.
const BOX_POINTS = 2 ** 16;
const SPHERE_POINTS = 2 ** 12;
const KEPT_BLOCKS = 16;

/** Cuts output positions [start, stop) of a tile into pieces of at most `size`. */
function pieces(tile, start, stop, size, coordinates, share) {
  const cut = [];
  for (let from = start; from < stop; from += size) {
    const to = Math.min(from + size, stop);
    const part = { tile, start: from, coordinates: coordinates.slice(from - start, to - start) };
    cut.push({ ...part, share: share?.slice(from - start, to - start) });
  }
  return cut;
}

/** Pieces of an axis of a signal of so many tiles. */
function boxAxis(start, extent, out, edge, overlap, tiles, size) {
  const source = centres(start, extent, out).map((position) => position + 0.5);
  const stride = edge - overlap;
  const last = Math.min(Math.floor((start + extent - 1) / stride), tiles - 1);
  const cut = [];
  for (let tile = Math.floor(Math.max(start - overlap, 0) / stride); tile <= last; tile++) {
    let from = source.findIndex((position) => position >= tile * stride);
    if (from < 0) from = out;
    let to = source.findIndex((position) => position >= tile * stride + edge);
    if (to < 0 || tile === last) to = out;
    if (to <= from) continue;
    const within = source.slice(from, to).map((position) => position - tile * stride);
    let share = null;
    if (overlap) {
      const clip = (value) => Math.min(Math.max(value, 0), 1);
      share = within.map((position) =>
        (tile > 0 ? clip(position / overlap) : 1)
        * (tile < tiles - 1 ? 1 - clip((position - stride) / overlap) : 1));
    }
    cut.push(...pieces(tile, from, to, size, within.map((u) => (2 * u) / edge - 1), share));
  }
  return cut;
}

/** Every choice of one element of each list, the last list fastest. */
function product(lists) {
  return lists.reduce(
    (all, list) => all.flatMap((start) => list.map((next) => [...start, next])), [[]],
  );
}

/** Decodes the items of a file of a tile codec. */
export class TileReader {
  constructor(container, bundle) {
    this._container = container;
    this._bundle = bundle;
    this._prior = new Prior(bundle.arrays("prior"));
    this.tables = this._prior.tables;
    this._blocks = new Map();
    this._network = null;
  }

  async _load() {
    this._network ??= await Network.load(this._bundle);
    return this._network;
  }

  /** Codes of the tiles of a block. */
  _block(number) {
    if (!this._blocks.has(number)) {
      const { blocks } = this._container;
      if (this._blocks.size >= KEPT_BLOCKS) this._blocks.delete(this._blocks.keys().next().value);
      const q16 = this._container.q16OfBlock(number);
      this._blocks.set(number, { q16, codes: this._prior.decode(blocks[number], q16) });
    }
    return this._blocks.get(number);
  }

  /**
   * Values of a plane of an item, or of a part of it.
   * @param {{item: number, start: number[], extent: number[], shape: number[]}} view First source
   *   samples, counts of them, and samples of the output along each axis.
   * @param {number} plane
   * @returns {Promise<Float64Array>} [.., C], nominally in [0, 1].
   */
  async render({ item, start, extent, shape }, plane) {
    const { tileEdge, tileOverlap, metadata, source } = this._container;
    const whole = this._container.shape(item);
    const field = this._container.modality === "field";
    if (field) {
      const known = sphereGrid(whole, metadata, source);
      const points = known.map((axis, i) =>
        coordinatesAt(axis, centres(start[i], extent[i], shape[i])));
      return this.evaluate(item, points);
    }
    const size = Math.round(BOX_POINTS ** (1 / shape.length));
    const across = grid(whole, tileEdge, tileOverlap);
    const axes = shape.map((out, i) =>
      boxAxis(start[i], extent[i], out, tileEdge, tileOverlap, across[i], size));
    const first = this._container.firstTile(item, plane);
    return this._run(first, axes, across, shape, BOX_POINTS);
  }

  /** Values of a field at any latitudes and longitudes, in radians. */
  async evaluate(item, points) {
    const size = Math.round(SPHERE_POINTS ** 0.5);
    const axes = points.map((axis) => pieces(0, 0, axis.length, size, axis, null));
    const shape = points.map((axis) => axis.length);
    return this._run(this._container.firstTile(item), axes, [1, 1], shape, SPHERE_POINTS);
  }

  async _run(first, axes, across, shape, points) {
    const network = await this._load();
    const { codeChannels, tilesPerBlock } = this._container;
    const out = new Float64Array(samplesOf(shape) * codeChannels);
    const widths = axes.map((axis) => Math.max(...axis.map((p) => p.coordinates.length)));
    const jobs = product(axes).map((parts) => ({
      parts,
      tile: first + parts.reduce((tile, part, axis) => tile * across[axis] + part.tile, 0),
    }));
    jobs.sort((a, b) => a.tile - b.tile);
    const chunk = Math.max(1, Math.floor(points / samplesOf(widths)));
    for (let begin = 0; begin < jobs.length; begin += chunk) {
      const part = jobs.slice(begin, begin + chunk);
      const count = this._prior.coefficients;
      const code = new Float64Array(part.length * count);
      const quality = new Float64Array(part.length);
      part.forEach(({ tile }, i) => {
        const block = this._block(Math.floor(tile / tilesPerBlock));
        const at = tile % tilesPerBlock;
        code.set(block.codes.subarray(at * count, (at + 1) * count), i * count);
        quality[i] = block.q16[at] / 16;
      });
      const coordinates = widths.map((width, axis) => {
        const table = new Float64Array(part.length * width);
        part.forEach(({ parts }, i) => {
          const own = parts[axis].coordinates;
          table.fill(own[own.length - 1], i * width, (i + 1) * width); // pads short pieces
          table.set(own, i * width);
        });
        return table;
      });
      const values = await network.values(code, coordinates, quality);
      const size = samplesOf(widths) * codeChannels;
      if (values.length !== size * part.length) {
        throw new MscnError(`bundle ${this._bundle.name}: its network gives other channels`);
      }
      part.forEach(({ parts }, i) => {
        place(values.subarray(i * size, (i + 1) * size), widths, parts, out, shape, codeChannels);
      });
    }
    return out;
  }
}

/** Adds the values of a job, weighted where tiles overlap, to the output. */
function place(values, widths, parts, out, shape, channels) {
  const walk = (axis, from, to, weight) => {
    const { start, coordinates, share } = parts[axis];
    for (let i = 0; i < coordinates.length; i++) {
      const [source, target] = [from * widths[axis] + i, to * shape[axis] + start + i];
      const own = share ? weight * share[i] : weight;
      if (axis + 1 < parts.length) {
        walk(axis + 1, source, target, own);
        continue;
      }
      for (let c = 0; c < channels; c++) {
        out[target * channels + c] += own * values[source * channels + c];
      }
    }
  };
  walk(0, 0, 0, 1);
}
