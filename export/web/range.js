// Range decoding of letters (docs/format.md, "Range coder").
//
// Only the distance of `point` from `low` matters, so `low` isn't kept. Numbers of 64 bits are held
// as an upper part of 40 and a lower one of 24 bits: doubles add and multiply these exactly.

import { MscnError } from "./errors.js";

const LOW = 2 ** 24;
const PER_LOW = 2 ** -24;
const LETTERS = 65536; // frequencies of a table add up to this; probabilities are 2^8 times them
const SMALLEST_HIGH = 256; // of a range of 2^32

/** Decodes what a `RangeEncoder` of the library constriction coded. */
export class RangeDecoder {
  /** @param {Uint8Array} bytes The payload. */
  constructor(bytes) {
    this._bytes = bytes;
    this._at = 0;
    this._rangeHigh = 2 ** 40 - 1;
    this._rangeLow = LOW - 1;
    const first = this._word();
    const second = this._word();
    this._high = first * 256 + (second >>> 24);
    this._low = second & 0xffffff;
  }

  _word() {
    const bytes = this._bytes;
    const at = this._at;
    this._at += 4;
    if (at + 4 <= bytes.length) {
      return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
    }
    let word = 0;
    for (let i = at; i < at + 4; i++) word = (word << 8) | (i < bytes.length ? bytes[i] : 0);
    return word >>> 0;
  }

  /**
   * Decodes `to - from` letters of one table.
   * @param {Uint32Array} starts Sum of the frequencies before each letter, and 65536 at the end.
   * @param {Int32Array} out `out[order[i]]`, from <= i < to, becomes letter i plus `lowest`.
   * @throws {MscnError} The payload cannot be decoded.
   */
  decode(starts, out, order, from, to, lowest) {
    let rangeHigh = this._rangeHigh;
    let rangeLow = this._rangeLow;
    let high = this._high;
    let low = this._low;
    const last = starts.length - 2;
    for (let i = from; i < to; i++) {
      const scale = rangeHigh; // range / 2^24, rounded down
      const scaleHigh = Math.floor(scale * PER_LOW);
      const scaleLow = scale - scaleHigh * LOW;
      // Within one of the true quotient: the letter is right, or beside the right one.
      const slot = Math.min((high * LOW + low) / (scale * 256), LETTERS - 1);
      let letter = 0;
      for (let end = last; letter < end; ) {
        const middle = (letter + end + 1) >> 1;
        if (starts[middle] <= slot) letter = middle;
        else end = middle - 1;
      }
      for (;;) {
        // The letter's interval starts at scale * c and is scale * p long.
        const c = starts[letter] * 256;
        let product = scaleLow * c;
        let carry = Math.floor(product * PER_LOW);
        let restLow = low - (product - carry * LOW);
        let restHigh = high - (scaleHigh * c + carry);
        if (restLow < 0) {
          restLow += LOW;
          restHigh -= 1;
        }
        if (restHigh < 0) {
          letter -= 1;
          continue;
        }
        const p = starts[letter + 1] * 256 - c;
        product = scaleLow * p;
        carry = Math.floor(product * PER_LOW);
        rangeLow = product - carry * LOW;
        rangeHigh = scaleHigh * p + carry;
        if (restHigh > rangeHigh || (restHigh === rangeHigh && restLow >= rangeLow)) {
          if (letter === last) throw damaged("beyond the last letter");
          letter += 1;
          continue;
        }
        high = restHigh;
        low = restLow;
        break;
      }
      if (rangeHigh < SMALLEST_HIGH) {
        rangeHigh = (rangeHigh * LOW + rangeLow) * 256;
        rangeLow = 0;
        const word = this._word();
        high = (high * LOW + low) * 256 + (word >>> 24);
        low = word & 0xffffff;
      }
      out[order[i]] = letter + lowest;
    }
    this._rangeHigh = rangeHigh;
    this._rangeLow = rangeLow;
    this._high = high;
    this._low = low;
  }
}

/** The error of a payload that holds nothing sensible. */
export function damaged(what) {
  return new MscnError(`the coded data is damaged (${what}); get a fresh copy`);
}
