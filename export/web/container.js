// The `.mscn` container: header, table, blocks (docs/format.md).

import { MscnError } from "./errors.js";
import { unpacked } from "./packed.js";
import { Inflate, Unzlib } from "./vendor/fflate.js";
import { WORDS } from "./words.js";

const AXES = [2, 2, 1, 3, 3, 2, 3, 3];
const MODALITIES = [
  "image", "field", "sound", "volume", "voxels", "silhouette", "mesh", "scene",
];
const [SAME_SHAPE, SAME_QUALITY, SAME_CHANNELS, NAMES, OVERLAP, METADATA, BOUNDED, EXACT] =
  [1, 2, 4, 8, 16, 32, 64, 128];
const [BY_AREA, PACKED, NO_RESIDUALS, PARENTS] = [256, 512, 1024, 2048];

const VERSION = 3;
const MAX_SIDE = 2 ** 20;
const MAX_SAMPLES = 2 ** 28; // of one item
const MAX_ITEMS = 2 ** 24;
const MAX_TILES_PER_BLOCK = 4096;
const MAX_NAME_BYTES = 2 ** 26;
const MAX_METADATA_BYTES = 2 ** 24;
const MAX_LENGTH = 2 ** 40;
const SLICE = 1024; // bytes inflated at once: 1 MB at most comes of them

const CONTROL = /[\x00-\x1f\x7f]/;

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 of bytes, as zlib's. */
export function crc32(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Cursor over bytes that refuses to run past their end. */
class Reader {
  constructor(bytes, source) {
    Object.assign(this, { bytes, source, at: 0 });
  }

  get left() {
    return this.bytes.length - this.at;
  }

  damaged(what) {
    return new MscnError(`${this.source}: damaged or cut short (${what}); get a fresh copy`);
  }

  take(count) {
    if (count > this.left) throw this.damaged(`ends at byte ${this.bytes.length}`);
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  checked(name, value, low, high) {
    if (value < low || value > high) {
      throw this.damaged(`${name} is ${value}, outside ${low} to ${high}`);
    }
    return value;
  }

  u8(name, low = 0, high = 255) {
    return this.checked(name, this.take(1)[0], low, high);
  }

  u32() {
    const [a, b, c, d] = this.take(4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /** Numbers beyond 2^53 lose digits, but no limit is that high. */
  varint(name, low, high) {
    let value = 0;
    for (let place = 0; ; place++) {
      if (place === 9) throw this.damaged("number too long");
      const [byte] = this.take(1);
      value += (byte & 127) * 2 ** (7 * place);
      if (byte < 128) {
        if (!byte && place) throw this.damaged("padded number");
        return this.checked(name, value, low, high);
      }
    }
  }

  shape(axes) {
    const shape = Array.from({ length: axes }, () => this.varint("a side", 1, MAX_SIDE));
    if (samplesOf(shape) > MAX_SAMPLES) {
      throw this.damaged(`size ${sizeText(shape)} is over the limit of ${MAX_SAMPLES} samples`);
    }
    return shape;
  }

  /** Inflates data of a declared length, zlib's or raw, but no more than `limit` bytes. */
  text(what, limit, inflater = new Unzlib()) {
    const packed = this.take(this.varint(what, 0, MAX_LENGTH));
    const parts = [];
    let size = 0;
    inflater.ondata = (part) => {
      parts.push(part);
      size += part.length;
      if (size > limit) throw new RangeError("too long");
    };
    try {
      for (let at = 0; at < packed.length; at += SLICE) {
        inflater.push(packed.subarray(at, at + SLICE), at + SLICE >= packed.length);
      }
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const texts = parts.map((part) => decoder.decode(part, { stream: true }));
      return texts.join("") + decoder.decode();
    } catch {
      throw this.damaged(what);
    }
  }

  names() {
    const names = this.text("names", MAX_NAME_BYTES).split("\n");
    if (names.some((name) => CONTROL.test(name))) throw this.damaged("names");
    return names;
  }

  metadata(isPacked) {
    let found = null;
    try {
      const inflater = isPacked ? new Inflate({ dictionary: WORDS }) : new Unzlib();
      const text = this.text("metadata", MAX_METADATA_BYTES, inflater);
      found = isPacked ? unpacked(text) : JSON.parse(text);
    } catch {
      throw this.damaged("metadata");
    }
    if (found === null || typeof found !== "object" || Array.isArray(found)) {
      throw this.damaged("metadata");
    }
    return found;
  }

  /** A column's `count` values, each at least a byte. */
  column(name, count, read) {
    if (count > this.left) throw this.damaged(`too short for ${count} entries of ${name}`);
    return Array.from({ length: count }, read);
  }
}

/** Product of a shape's sides. */
export function samplesOf(shape) {
  return shape.reduce((product, side) => product * side, 1);
}

/** Innermost axis first, as people write sizes of pictures: "640x480". */
export function sizeText(shape) {
  return [...shape].reverse().join("x");
}

/** Tiles along each axis. */
export function grid(shape, edge, overlap) {
  return shape.map((side) => Math.max(1, Math.ceil((side - overlap) / (edge - overlap))));
}

/** Samples of a tile along each axis; where it goes by area, longer ones of narrow pictures. */
export function tileSide(shape, edge, byArea) {
  const times = byArea ? edge / Math.min(...shape) : 1;
  return edge * 2 ** Math.max(Math.floor(Math.log2(times)), 0);
}

/** Whether a file of a version can have such flags. */
function isOfVersion(flags, version) {
  if (version !== (flags >= BY_AREA ? 3 : flags & EXACT ? 2 : 1)) return false;
  return !(flags & METADATA && flags & PACKED) && !(flags & NO_RESIDUALS && !(flags & BOUNDED));
}

/** One `.mscn` file; blocks are views of its bytes. Columns of equal values hold one. */
export class Container {
  /**
   * Reads and checks a whole file.
   * @param {Uint8Array} bytes
   * @param {string} source What messages call it.
   * @throws {MscnError} Not such a file, damaged, cut short, or beyond the format's limits.
   */
  constructor(bytes, source) {
    const reader = new Reader(bytes, source);
    if (String.fromCharCode(...bytes.subarray(0, 4)) !== "MSCN") {
      throw new MscnError(`${source}: not a .mscn file`);
    }
    reader.take(4);
    const version = reader.u8("version");
    if (version < 1 || version > VERSION) {
      throw new MscnError(
        `${source}: format version ${version}, this page reads 1 to ${VERSION}; get a newer page`,
      );
    }
    const flags = reader.u8("flags") + (version < 3 ? 0 : 256 * reader.u8("more_flags", 1, 15));
    if (!isOfVersion(flags, version)) throw reader.damaged("flags of another version");
    this.source = source;
    this.length = bytes.length;
    this.bundleId = Array.from(reader.take(8), (b) => b.toString(16).padStart(2, "0")).join("");
    const number = reader.u8("modality", 0, AXES.length - 1);
    this.modality = MODALITIES[number];
    this.hasParents = Boolean(flags & PARENTS);
    this._byArea = Boolean(flags & BY_AREA);
    if (this._byArea && this.modality !== "image") {
      throw reader.damaged("tiles by area of no pictures");
    }
    this.tileEdge = reader.varint("tile_edge", 1, MAX_SIDE);
    this.tileOverlap = flags & OVERLAP ? reader.varint("tile_overlap", 1, this.tileEdge - 1) : 0;
    if (this.tileOverlap && this.modality === "image") {
      throw reader.damaged("tiles of pictures that overlap");
    }
    this.codeChannels = reader.u8("code_channels", 1);
    this.items = reader.varint("items", 1, MAX_ITEMS);
    this.tilesPerBlock = reader.varint("tiles_per_block", 1, MAX_TILES_PER_BLOCK);
    const column = (flag, name, read) => reader.column(name, flags & flag ? 1 : this.items, read);
    this.shapes = column(SAME_SHAPE, "shapes", () => reader.shape(AXES[number]));
    this._q16 = column(SAME_QUALITY, "q16", () => reader.u8("q16", 16, 160));
    this.channelCounts = column(SAME_CHANNELS, "channels", () => reader.u8("channels", 1));
    this._exact = flags & EXACT
      ? reader.column("exact", this.items, () => reader.u8("exact", 0, 3)) : null;
    this._checkExact(reader);
    this.names = flags & NAMES ? reader.names() : null;
    this.metadata = flags & (METADATA | PACKED) ? reader.metadata(Boolean(flags & PACKED)) : null;
    this.errorBound = null;
    if (flags & BOUNDED) {
      const field = reader.take(8);
      this.errorBound = new DataView(field.buffer, field.byteOffset).getFloat64(0, true);
      if (!(this.errorBound > 0 && this.errorBound < Infinity)) throw reader.damaged("error_bound");
    }
    this._countTiles();
    const tileBlocks = Math.ceil(this.tiles / this.tilesPerBlock);
    const hasResiduals = flags & BOUNDED && !(flags & NO_RESIDUALS);
    const corrected = tileBlocks + (hasResiduals ? this.items : 0);
    const count = corrected + (this._firstExact?.[this.items] ?? 0);
    // A block has a length and a CRC-32 at least.
    if (5 * count + 4 > reader.left) throw reader.damaged(`too short for ${count} blocks`);
    const lengths = reader.column("block_bytes", count, () =>
      reader.varint("block_bytes", 0, MAX_LENGTH));
    const head = bytes.subarray(0, reader.at);
    if (crc32(head) !== reader.u32()) throw reader.damaged("header checksum");
    if (this.names && this.names.length !== this.items) {
      throw reader.damaged(`${this.names.length} names for ${this.items} items`);
    }
    const declared = lengths.reduce((sum, length) => sum + length + 4, 0);
    if (declared !== reader.left) {
      throw reader.damaged(`${reader.left} bytes of blocks, ${declared} declared`);
    }
    const blocks = lengths.map((length, index) => {
      const block = reader.take(length);
      if (crc32(block) !== reader.u32()) throw reader.damaged(`checksum of block ${index}`);
      return block;
    });
    this.blocks = blocks.slice(0, tileBlocks);
    this.residuals = blocks.slice(tileBlocks, corrected);
    this._exactBlocks = blocks.slice(corrected);
  }

  _checkExact(reader) {
    if (!this._exact) return;
    if (this._exact.some((bits, item) => bits >> this.planes(item).length)) {
      throw reader.damaged("more exact planes than there are");
    }
    this._firstExact = new Float64Array(this.items + 1);
    this._exact.forEach((bits, item) => {
      this._firstExact[item + 1] = this._firstExact[item] + (bits & 1) + (bits >> 1);
    });
    if (!this._firstExact[this.items]) throw reader.damaged("no plane is exact");
  }

  _countTiles() {
    const tiles = (item) =>
      samplesOf(grid(this.shape(item), this.tileSide(item), this.tileOverlap))
      * this.coded(item).length;
    if (this.shapes.length === 1 && this.channelCounts.length === 1 && !this._exact) {
      this._tilesEach = tiles(0);
      this.tiles = this._tilesEach * this.items;
    } else {
      this._firstTiles = new Float64Array(this.items + 1);
      for (let item = 0; item < this.items; item++) {
        this._firstTiles[item + 1] = this._firstTiles[item] + tiles(item);
      }
      this.tiles = this._firstTiles[this.items];
    }
  }

  /** Samples along each side of an item's tiles: more than `tileEdge` in narrow pictures. */
  tileSide(item) {
    return tileSide(this.shape(item), this.tileEdge, this._byArea);
  }

  /** Samples along each axis of an item. */
  shape(item) {
    return this.shapes[this.shapes.length === 1 ? 0 : item];
  }

  /** Sixteenfold quality of an item. */
  q16(item) {
    return this._q16[this._q16.length === 1 ? 0 : item];
  }

  /** Channels of an item's original. */
  channels(item) {
    return this.channelCounts[this.channelCounts.length === 1 ? 0 : item];
  }

  /** Samples of all items. */
  get samples() {
    const sum = this.shapes.reduce((total, shape) => total + samplesOf(shape), 0);
    return this.shapes.length === 1 ? sum * this.items : sum;
  }

  /** Channels of the parts that an item is coded as: of pictures colour, then alpha. */
  planes(item) {
    const channels = this.channels(item);
    const alpha = this.modality === "image" && (channels === 2 || channels === 4);
    return alpha ? [channels - 1, 1] : [channels];
  }

  /** Whether a plane of an item is exact. */
  isExact(item, plane) {
    return Boolean(this._exact && (this._exact[item] >> plane) & 1);
  }

  /** Those of an item's planes that have tiles. */
  coded(item) {
    return [...this.planes(item).keys()].filter((plane) => !this.isExact(item, plane));
  }

  /** The payload of an exact plane. */
  exactBlock(item, plane) {
    const before = plane && this._exact[item] & 1;
    return this._exactBlocks[this._firstExact[item] + before];
  }

  /** Number of the first tile of an item, or of one of its planes, which isn't exact. */
  firstTile(item, plane = 0) {
    const first = (i) => (this._firstTiles ? this._firstTiles[i] : this._tilesEach * i);
    const coded = this.coded(item);
    const before = plane ? coded.indexOf(plane) : 0;
    return first(item) + (before ? (before * (first(item + 1) - first(item))) / coded.length : 0);
  }

  /** Sixteenfold qualities of the tiles of a block. */
  q16OfBlock(block) {
    const first = block * this.tilesPerBlock;
    const count = Math.min(this.tilesPerBlock, this.tiles - first);
    const q16 = new Uint8Array(count);
    let item = 0;
    if (this._tilesEach) {
      item = Math.floor(first / this._tilesEach);
    } else {
      for (let low = 0, high = this.items; low < high; ) {
        const middle = (low + high) >> 1;
        if (this._firstTiles[middle + 1] > first) high = middle;
        else low = middle + 1;
        item = low;
      }
    }
    for (let i = 0; i < count; i++) {
      while (first + i >= this.firstTile(item + 1)) item++;
      q16[i] = this.q16(item);
    }
    return q16;
  }
}
