// Exact planes of drawings (docs/format.md, "Exact planes", form 7), as `mscn_tf.runtime.exact_drawings` codes them.

import { Decisions, mixed, reader, writer } from "./decisions.js";
import { damaged, RangeDecoder, RangeEncoder } from "./range.js";
import { joinBytes } from "./tables.js";

const LARGEST = 2 ** 22; // pixels
const MOST_DECISIONS = 5; // for each pixel: more take too long
const SURE = 2 ** 16; // pixels after which that shows
const PADDING = 3; // pixels at either end of a row
const SLOT_BITS = [16, 22]; // at least and at most
const LAST_BITS = [12, 20]; // of tables of what followed
const NONE = -1; // no colour
const [ROW, RUN, LENGTH, REST, SAME, PART, VALUE] = [0, 256, 512, 768, 1024, 1280, 1536];

const bitsOf = (number) => 32 - Math.clz32(number);
const within = (value, [least, most]) => Math.min(Math.max(value, least), most);

/** A number for each pixel, the first channel in its highest byte. */
function coloursOf({ data, channels }) {
  return Int32Array.from({ length: data.length / channels }, (_, i) => {
    let number = 0;
    for (let c = 0; c < channels; c++) number = number * 256 + data[i * channels + c];
    return number;
  });
}

/** Whether a plane can be coded so, and may well be a drawing, by the middle of it. */
export function isDrawn({ data, channels }, middle) {
  if ((channels !== 1 && channels !== 3) || data.length / channels > LARGEST) return false;
  const [colours, width] = [coloursOf(middle), middle.width];
  const alike = colours.filter((colour, i) =>
    (i >= width && colours[i - width] === colour) || (i % width && colours[i - 1] === colour));
  return 2 * alike.length >= colours.length;
}

/**
 * The payload of a plane, behind its form; null where it would take too long to decode.
 * @param {{data: Uint8Array, width: number, channels: number}} plane
 * @param {number} [bound] That no value is farther from what it was, where colours were changed before.
 */
export function encodeDrawing(plane, bound = 0) {
  const { width, channels } = plane;
  const colours = coloursOf(plane);
  const encoder = new RangeEncoder();
  const sure = Math.min(SURE, colours.length);
  const drawing = new Drawing([colours.length / width, width], channels, writer(encoder));
  for (let pixels = width; pixels <= colours.length; pixels += width) {
    drawing.row(colours.subarray(pixels - width, pixels));
    if (drawing.decisions.made > MOST_DECISIONS * Math.max(pixels, sure)) return null;
  }
  return joinBytes([[bound], encoder.seal()]);
}

/** What `encodeDrawing` coded: `[H, W, channels]`. */
export function decodeDrawing(payload, [height, width], channels) {
  if (height * width > LARGEST || !payload.length) throw damaged("no drawing");
  const decoder = new RangeDecoder(payload.subarray(1)); // behind the bound
  const drawing = new Drawing([height, width], channels, reader(decoder));
  const out = new Uint8Array(height * width * channels);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (const colour of drawing.row()) {
      for (let low = 8 * (channels - 1); low >= 0; low -= 8) out[at++] = colour >> low;
    }
  }
  return out;
}

/** Rows of a plane, one after the other, coded or decoded; they have padding at both ends. */
class Drawing {
  constructor([height, width], channels, code) {
    const size = bitsOf(height * width);
    this.decisions = new Decisions(code, within(size + 5, SLOT_BITS));
    this._width = width;
    this._channels = channels;
    const bits = within(size + 3, LAST_BITS);
    this._lastShift = 32 - bits;
    this._last = [0, 1, 2].map(() => new Int32Array(2 ** bits).fill(NONE)); // near, around, wide
    this._parts = new Map(); // of a colour's first channels: the next one
    this._above = new Int32Array(width + 2 * PADDING);
    this._above2 = this._above;
    this._repeats = 1; // bits: which of the rows before were as the one before them
  }

  /** The colours of the next row, of `known` ones where it is coded. */
  row(known) {
    const [above, end] = [this._above, this._width + PADDING];
    const history = this._repeats & 255;
    const contexts = [1, 3, 15, 255].map((mask) => mixed(history & mask, ROW + mask));
    const repeats = known && known.every((colour, i) => colour === above[PADDING + i]);
    const same = this.decisions.decide(ROW, contexts, repeats);
    this._repeats = history * 2 + same;
    if (same) {
      this._above2 = above;
    } else {
      const current = new Int32Array(this._width + 2 * PADDING);
      if (known) current.set(known, PADDING);
      current.fill(above[PADDING], 0, PADDING);
      this._pixels(current, Boolean(known));
      current.fill(current[end - 1], end);
      [this._above2, this._above] = [above, current];
    }
    return this._above.subarray(PADDING, end);
  }

  /** All pixels of a row that isn't as the one above. */
  _pixels(current, known) {
    const [above, above2, end] = [this._above, this._above2, this._width + PADDING];
    let breaks = 0;
    for (let at = PADDING; at < end;) {
      const colour = above[at];
      let other = NONE;
      let longest = 0;
      if (current[at - 1] === colour && above[at - 1] === colour) {
        const flat = (i) => above[i] === colour && above[i + 1] === colour && above2[i] === colour;
        while (at + longest < end && flat(at + longest)) longest += 1;
      }
      if (longest) {
        let count = 0;
        while (known && count < longest && current[at + count] === colour) count += 1;
        count = this._run(current, at, longest, breaks, count);
        current.fill(colour, at, at + count);
        at += count;
        if (count === longest) continue;
        [breaks, other] = [Math.min(breaks + 1, 3), colour];
      }
      current[at] = this._pixel(current, at, other, current[at]);
      at += 1;
    }
  }

  /** How many pixels are as all around them. */
  _run(current, at, longest, breaks, count) {
    const [bits, colour] = [bitsOf(longest), current[at - 1]];
    let before = colour;
    for (let back = 2; back <= (at >= 2 * PADDING ? 6 : 3); back++) before = mixed(before, current[at - back]);
    before = mixed(before, RUN);
    let place = RUN + 4 * bits + breaks;
    const whole = [mixed(place, 1), mixed(place, before), mixed(place, colour), mixed(bits, 2)];
    if (this.decisions.decide(RUN + breaks, whole, count === longest)) return longest;
    const size = bitsOf(count + 1) - 1;
    let found = 0;
    for (; found < bits - 1; found++) {
      place = LENGTH + 32 * breaks + found;
      const contexts = [mixed(place, 1), mixed(place, before), mixed(place, colour), mixed(LENGTH + found, bits)];
      if (!this.decisions.decide(LENGTH + found, contexts, found < size)) break;
    }
    let number = 1;
    for (let bit = found - 1; bit >= 0; bit--) {
      place = mixed(REST + found, number);
      const contexts = [place, mixed(place, before), mixed(place, breaks + 1), mixed(place, bits)];
      number = number * 2 + this.decisions.decide(REST + found, contexts, ((count + 1) >> bit) & 1);
    }
    if (number > longest) throw damaged("a run beyond its end");
    return number - 1;
  }

  /** A pixel by itself, which is not of a colour that is left out. */
  _pixel(current, at, other, colour) {
    const [above, above2, shift] = [this._above, this._above2, this._lastShift];
    const [left, up, corner, nextUp] = [current[at - 1], above[at], above[at - 1], above[at + 1]];
    const near = mixed(mixed(left, SAME), up);
    const around = mixed(mixed(near, corner), nextUp);
    const wide = [current[at - 2], above2[at], above[at + 2], above[at - 2], above2[at + 1], above2[at - 1],
      current[at - 3]].reduce(mixed, around);
    const slots = [near, around, wide].map((context) => context >>> shift);
    const [third, second, first] = slots.map((slot, i) => this._last[i][slot]);
    const agree = Number(first === second) + 2 * (second === third) + 4 * (first !== NONE)
      + 8 * (second !== NONE) + 16 * (other !== NONE);
    const tried = [NONE, other];
    const guesses = [first, second, third, left, up, nextUp, corner];
    let found = NONE;
    for (let rank = 0; rank < guesses.length && found === NONE; rank++) {
      const guess = guesses[rank];
      if (tried.includes(guess)) continue;
      tried.push(guess);
      const like = Number(guess === left) + 2 * (guess === up) + 4 * (guess === nextUp) + 8 * (guess === corner);
      const contexts = [mixed(near, guess), mixed(around, guess), mixed(wide, guess),
        mixed(SAME + 32 * rank + agree, like)];
      const kind = SAME + 32 * Math.min(tried.length - 3, 3) + agree;
      if (this.decisions.decide(kind, contexts, guess === colour)) found = guess;
    }
    if (found === NONE) found = this._told(left, up, corner, colour);
    slots.forEach((slot, i) => (this._last[i][slot] = found));
    return found;
  }

  /** A colour, channel by channel. */
  _told(left, up, corner, colour) {
    const parts = this._parts;
    let told = 0;
    for (let channel = 0; channel < this._channels; channel++) {
      const low = 8 * (this._channels - 1 - channel);
      const [key, place] = [told * 4 + channel, PART + channel];
      let value = (colour >> low) & 255;
      const guess = parts.get(key);
      let known = 0;
      if (channel && guess !== undefined) {
        const context = mixed(key, PART);
        const contexts = [context, mixed(place, 1), mixed(context, left), mixed(context, up)];
        known = this.decisions.decide(place, contexts, guess === value);
      }
      value = known ? guess : this._value(channel, low, told, [left, up, corner], value);
      parts.set(key, value);
      told = told * 256 + value;
    }
    return told;
  }

  /** One channel of a colour, of which those before are told. */
  _value(channel, low, told, around, value) {
    const place = VALUE + 8 * channel;
    const [west, north, across] = around.map((colour) => (colour >> low) & 255);
    const slope = within(west + north - across, [Math.min(west, north), Math.max(west, north)]);
    const before = (around[0] >> (low + 8)) & 255;
    const moved = channel ? within(west + (told & 255) - before, [0, 255]) : west;
    const bases = [mixed(place, 256 + moved), mixed(place, 512 + slope), mixed(place + 768, told),
      mixed(mixed(place, 1024 + west), north)];
    let number = 1;
    for (let bit = 7; bit >= 0; bit--) {
      const contexts = bases.map((base) => mixed(base, number));
      number = number * 2 + this.decisions.decide(place + bit, contexts, (value >> bit) & 1);
    }
    return number - 256;
  }
}
