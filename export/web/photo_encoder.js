// Encodes pictures with a codec of pyramids, to the bytes that `mscn encode --quality` gives.

import { crc32, grid, tileSide } from "./container.js";
import { MscnError } from "./errors.js";
import { encodeExact, encodeInFewColours, estimateExact, isDrawing } from "./exact_encoding.js";
import { GridEncoder } from "./exact_grids.js";
import { suitedTo } from "./filter_update_fit.js";
import { joinPlanes, toBytes, toRgba, toValues } from "./pixels.js";
import { PostFilter } from "./post_filter.js";
import { PyramidPrior } from "./pyramid.js";
import { addedBy, quantise, toChannels } from "./pyramid_fit.js";
import { joinBytes, varint } from "./tables.js";
import { analyse, detailSizes, sizes, synthesise } from "./wavelet.js";

export const LARGEST_ENCODED = 2 ** 25; // pixels whose coefficients fit into a page's memory
const DEFAULT_EFFORT = 3; // passes in which symbols are chosen
const PREVIEW_DEAD_ZONE = 0.25; // about what rounding with an eye on the rate amounts to
const ASIDE = 5; // bytes of a block besides its payload, at least
const PEAK = 255; // of pixels, 1 in steps
const LITTLE_MORE = 4 / 3; // times what a drawing takes in fewer colours
const PROMISING = 3; // times what tiles take: an estimate above it isn't looked into
const HIGHEST = 160; // quality of what has no tiles, in sixteenths
const SAME = 7; // flags: one shape, one quality and one number of channels for all items
const EXACT = 128;
const BY_AREA = 256;

/** One picture on its way into a file, at any quality. */
export class PhotoEncoder {
  /**
   * @param {Bundle} bundle
   * @param {{data: Uint8Array, height: number, width: number, channels: number}} picture Grey or
   *   RGB, with alpha behind where the number of channels is even.
   * @param {Bundle|null} gridBundle Whose networks code photographs without loss, if that is wanted.
   * @throws {MscnError} The codec can't encode it.
   */
  constructor(bundle, picture, gridBundle = null) {
    const { manifest } = bundle;
    if (bundle.kind !== "pyramid" || !(manifest.rate_weight > 0)) {
      throw new MscnError(`bundle ${bundle.name}: it can't encode pictures; take photo`);
    }
    if (picture.height * picture.width > LARGEST_ENCODED) {
      throw new MscnError(
        `${picture.width}x${picture.height} pixels are too many for this page; take mscn encode`,
      );
    }
    this._bundle = bundle;
    this._picture = picture;
    this._prior = new PyramidPrior(bundle.arrays("prior"));
    this._colour = bundle.weights().colour.data;
    this._filter = PostFilter.of(bundle);
    const [colours, alpha] = planesOf(picture);
    this._planes = alpha ? [colours, alpha] : [colours];
    this._grids = gridBundle && new GridEncoder(gridBundle);
    this._exact = this._planes.map((plane, number) =>
      (number || isConstant(plane) ? encodeExact(plane, this._grids) : null));
    if (this._exact[0]) return;
    this._pyramids = this._analysed(colours);
    const shape = [picture.height, picture.width];
    this._side = tileSide(shape, manifest.tile_edge, true);
    this._grid = grid(shape, this._side, 0);
    this._byArea = grid(shape, manifest.tile_edge, 0).some((count, axis) => count > this._grid[axis]);
  }

  /** Coefficients of each channel. */
  _analysed({ data, channels }) {
    const { height, width } = this._picture;
    return toChannels(data, channels, this._colour).map((channel) =>
      analyse(channel, height, width, this._prior.levels));
  }

  /**
   * The file at a quality.
   * @param {number} q16 In sixteenths, 16 to 160.
   * @param {number} effort Passes in which symbols are chosen, 1 to 9.
   * @returns {Promise<Uint8Array>}
   */
  async encode(q16, effort = DEFAULT_EFFORT) {
    const steps = this.encoding(q16, effort);
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return value;
    }
  }

  /** The same in steps: yields which share of them is done, and returns the file. */
  async *encoding(q16, effort = DEFAULT_EFFORT) {
    if (this._exact[0]) return this._file(HIGHEST, [], this._exact);
    const blocks = yield* this._blocks(q16, effort);
    const drawn = this._drawn(q16, blocks);
    if (drawn) return this._file(q16, [], [drawn, ...this._exact.slice(1)]);
    const coded = this._file(q16, blocks, this._exact);
    const exact = this._cheaper(blocks);
    if (!exact) return coded;
    const smaller = this._file(q16, [], [exact, ...this._exact.slice(1)]);
    return smaller.length <= coded.length ? smaller : coded;
  }

  async *_blocks(q16, effort) {
    const { height, width } = this._picture;
    const { rate_weight: rateWeight } = this._bundle.manifest;
    const [[rows, columns], side] = [this._grid, this._side];
    const bitError = rateWeight * this._prior.step(q16) ** 2;
    const alone = rows * columns === 1;
    const all = rows * columns * (effort + 1) * this._prior.levels;
    const blocks = [];
    let done = 0;
    for (let number = 0; number < rows * columns; number++) {
      const [row, column] = [Math.floor(number / columns), number % columns];
      const size = [Math.min(side, height - row * side), Math.min(side, width - column * side)];
      const part = this._tile(row * side, column * side, size);
      const pixels = this._pixels(row * side, column * side, size);
      const added = addedBy(this._filter, this._prior, this._colour, alone ? null : pixels, q16);
      const suited = suitedTo(this._filter, this._prior, this._colour, pixels, q16, bitError);
      const fit = quantise(this._prior, part, ...size, q16, rateWeight, effort, added, suited);
      const symbols = yield* told(fit);
      blocks.push(yield* told(this._prior.encode(symbols, ...size, q16)));
    }
    return blocks;

    /** Says after each step which share of all is done. */
    async function* told(steps) {
      for (;;) {
        const { done: ends, value } = await steps.next();
        if (ends) return value;
        yield ++done / all;
      }
    }
  }

  /** RGBA of about what a quality leaves, at once: coefficients rounded, nothing weighed. */
  preview(q16) {
    const { height, width, channels, rgba } = this._picture;
    if (this._exact[0]) return rgba;
    const step = this._prior.step(q16);
    const about = (values) => values.map((value) =>
      Math.sign(value) * step * Math.floor(Math.abs(value) / step + 0.5 - PREVIEW_DEAD_ZONE));
    const planes = this._pyramids.map(({ coarse, details }) => synthesise(
      about(coarse), details.map((level) => level.map(about)), height, width, 0,
    ));
    const [colours, alpha] = this._planes;
    const bytes = toBytes(toValues(planes, this._colour), planes.length, colours.channels);
    const joined = alpha ? joinPlanes([bytes, alpha.data], [colours.channels, 1]) : bytes;
    return toRgba(joined, channels);
  }

  /** The colours of a tile. */
  _pixels(top, left, [height, width]) {
    const { data, channels } = this._planes[0];
    const out = new Uint8Array(height * width * channels);
    for (let row = 0; row < height; row++) {
      const from = ((top + row) * this._picture.width + left) * channels;
      out.set(data.subarray(from, from + width * channels), row * width * channels);
    }
    return { data: out, channels };
  }

  /** Coefficients of a tile, laid out as `PyramidTile` has them. */
  _tile(top, left, size) {
    const { levels } = this._prior;
    const { height, width } = this._picture;
    const whole = sizes(height, width, levels);
    const own = sizes(...size, levels);
    const cut = (values, stride, level, [rows, columns]) => {
      const out = new Float32Array(rows * columns);
      const [y, x] = [top, left].map((at) => at / 2 ** level);
      for (let row = 0; row < rows; row++) {
        const from = (y + row) * stride + x;
        out.set(values.subarray(from, from + columns), row * columns);
      }
      return out;
    };
    const coarse = this._pyramids.map((channel) =>
      cut(channel.coarse, whole[levels][1], levels, own[levels]));
    const details = own.slice(0, levels).map((shape, level) => {
      const strides = detailSizes(...whole[level]).map(([, columns]) => columns);
      const counts = detailSizes(...shape);
      return this._pyramids.flatMap((channel) => channel.details[level].map((values, direction) =>
        cut(values, strides[direction], level + 1, counts[direction])));
    });
    return { coarse, details };
  }

  /** The payload of a drawing, in fewer colours or as it is, where it takes fewer bytes than its tiles, else null. */
  _drawn(q16, blocks) {
    const [plane] = this._planes;
    if (!isDrawing(plane)) return null;
    const step = this._prior.step(q16);
    const price = this._bundle.manifest.rate_weight * (PEAK * step) ** 2;
    this._lossless ??= encodeExact(plane, this._grids);
    const fewer = encodeInFewColours(plane, price);
    const good = fewer && fewer.psnr >= -10 * Math.log10(step ** 2 / 12);
    const small = good && this._lossless.length > LITTLE_MORE * fewer.payload.length;
    const payload = small ? fewer.payload : this._lossless;
    return payload.length + ASIDE < costOf(blocks) ? payload : null;
  }

  /** The colours' exact payload where that takes fewer bytes than their tiles, else null. */
  _cheaper(blocks) {
    const cost = costOf(blocks);
    this._estimate ??= estimateExact(this._planes[0]);
    if (this._estimate > PROMISING * cost) return null;
    this._lossless ??= encodeExact(this._planes[0], this._grids);
    return this._lossless.length + ASIDE < cost ? this._lossless : null;
  }

  /** The container around blocks of tiles and exact planes. */
  _file(q16, blocks, exact) {
    const { height, width, channels } = this._picture;
    const { manifest, id } = this._bundle;
    const payloads = [...blocks, ...exact.filter((plane) => plane)];
    const bits = exact.reduce((sum, plane, number) => sum + (plane ? 2 ** number : 0), 0);
    const flags = SAME + (bits ? EXACT : 0) + (this._byArea ? BY_AREA : 0);
    const version = this._byArea ? 3 : bits ? 2 : 1;
    const head = Uint8Array.from([
      ...new TextEncoder().encode("MSCN"), version, flags & 255, ...(this._byArea ? [flags >> 8] : []),
      ...Array.from({ length: 8 }, (_, i) => parseInt(id.slice(2 * i, 2 * i + 2), 16)),
      0, ...varint(manifest.tile_edge), manifest.channels, 1, 1,
      ...varint(height), ...varint(width), q16, channels, ...(bits ? [bits] : []),
      ...payloads.flatMap((payload) => varint(payload.length)),
    ]);
    return joinBytes([head, checksum(head), ...payloads.flatMap((part) => [part, checksum(part)])]);
  }
}

/** Bytes of blocks. */
const costOf = (blocks) => blocks.reduce((sum, block) => sum + block.length + ASIDE, 0);

/** CRC-32 of bytes, little-endian. */
function checksum(bytes) {
  const crc = crc32(bytes);
  return Uint8Array.from([0, 8, 16, 24], (shift) => crc >>> shift);
}

/** Colours and, where there is one, alpha of a picture. */
function planesOf({ data, width, channels }) {
  if (channels % 2) return [{ data, width, channels }];
  const count = data.length / channels;
  const colours = new Uint8Array(count * (channels - 1));
  const alpha = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    colours.set(data.subarray(i * channels, (i + 1) * channels - 1), i * (channels - 1));
    alpha[i] = data[(i + 1) * channels - 1];
  }
  return [{ data: colours, width, channels: channels - 1 }, { data: alpha, width, channels: 1 }];
}

/** Whether all samples are the same. */
function isConstant({ data, channels }) {
  return data.every((value, i) => value === data[i % channels]);
}
