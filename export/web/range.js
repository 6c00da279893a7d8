// Range coding of letters (docs/format.md, "Range coder").
//
// Of a point that is decoded only its distance from the interval matters. Numbers of 64 bits are held
// as an upper part of 40 and a lower one of 24 bits: doubles add and multiply these exactly.

import { MscnError } from "./errors.js";

const LOW = 2 ** 24;
const PER_LOW = 2 ** -24;
const HIGH = 2 ** 40;
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

/** Codes letters, as a `RangeDecoder` reads them. */
export class RangeEncoder {
  constructor() {
    this._words = []; // of 32 bits, that have left the range
    this._rangeHigh = 2 ** 40 - 1;
    this._rangeLow = LOW - 1;
    this._high = 0;
    this._low = 0;
  }

  /** Codes one letter of a table; `starts` as of `RangeDecoder.decode`. */
  encode(starts, letter) {
    const scale = this._rangeHigh;
    const scaleHigh = Math.floor(scale * PER_LOW);
    const scaleLow = scale - scaleHigh * LOW;
    const c = starts[letter] * 256;
    let product = scaleLow * c;
    let carry = Math.floor(product * PER_LOW);
    this._low += product - carry * LOW;
    this._high += scaleHigh * c + carry;
    if (this._low >= LOW) {
      this._low -= LOW;
      this._high += 1;
    }
    if (this._high >= HIGH) {
      this._high -= HIGH;
      this._carry();
    }
    const p = starts[letter + 1] * 256 - c;
    product = scaleLow * p;
    carry = Math.floor(product * PER_LOW);
    this._rangeLow = product - carry * LOW;
    this._rangeHigh = scaleHigh * p + carry;
    if (this._rangeHigh < SMALLEST_HIGH) {
      const word = Math.floor(this._high / 256);
      this._words.push(word);
      this._high = ((this._high - word * 256) * LOW + this._low) * 256;
      this._low = 0;
      this._rangeHigh = (this._rangeHigh * LOW + this._rangeLow) * 256;
      this._rangeLow = 0;
    }
  }

  /** Adds one to the words. */
  _carry() {
    const words = this._words;
    let last = words.length - 1;
    for (; words[last] === 2 ** 32 - 1; last--) words[last] = 0;
    words[last] += 1;
  }

  /** The shortest bytes of a point inside the final interval, zeros at the end left out. */
  seal() {
    const joined = (high, low) => BigInt(high) * BigInt(LOW) + BigInt(low);
    const low = joined(this._high, this._low);
    const range = joined(this._rangeHigh, this._rangeLow);
    let point = low;
    for (let zeros = 64n; zeros >= 0n; zeros -= 8n) {
      const unit = 1n << zeros;
      point = ((low + unit - 1n) / unit) * unit;
      if (point < low + range) break;
    }
    if (point >> 64n) this._carry();
    const bytes = new Uint8Array(4 * this._words.length + 8);
    const view = new DataView(bytes.buffer);
    this._words.forEach((word, i) => view.setUint32(4 * i, word));
    view.setBigUint64(bytes.length - 8, BigInt.asUintN(64, point));
    let end = bytes.length;
    while (end && !bytes[end - 1]) end--;
    return bytes.subarray(0, end);
  }
}

/** The error of a payload that holds nothing sensible. */
export function damaged(what) {
  return new MscnError(`the coded data is damaged (${what}); get a fresh copy`);
}
