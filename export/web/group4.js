// Masks as fax machines code pictures (ITU-T T.6).

import { MscnError } from "./errors.js";

// Codes of runs of 0 to 63, of 64, 128 .. 1728, of either colour, and of 1792, 1856 .. 2560 of both.
const WHITE = `00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100
  110101 101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100
  0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111
  00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010
  01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011
  00110010 00110011 00110100 11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000
  01100111 011001100 011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000
  011011001 011011010 011011011 010011000 010011001 010011010 011000 010011011`;
const BLACK = `0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100
  00000111 000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111
  00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101 000001101000
  000001101001 000001101010 000001101011 000011010010 000011010011 000011010100 000011010101
  000011010110 000011010111 000001101100 000001101101 000011011010 000011011011 000001010100
  000001010101 000001010110 000001010111 000001100100 000001100101 000001010010 000001010011
  000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 000001011001
  000000101011 000000101100 000001011010 000001100110 000001100111 0000001111 000011001000 000011001001
  000001011011 000000110011 000000110100 000000110101 0000001101100 0000001101101 0000001001010
  0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 0000001110100 0000001110101
  0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101 0000001011010
  0000001011011 0000001100100 0000001100101`;
const LONG = `00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
  000000010110 000000010111 000000011100 000000011101 000000011110 000000011111`;
const [PASS, ALONG] = [10, 11]; // modes; the others are how far a change is from the one above
const MODES = new Map(Object.entries({
  1: 0, "011": 1, "000011": 2, "0000011": 3, "010": -1, "000010": -2, "0000010": -3,
  "0001": PASS, "001": ALONG,
}));
const LONGEST = 13; // bits of a code

/** Runs by their codes. */
const runs = [WHITE, BLACK].map((codes) => new Map(`${codes} ${LONG}`.split(/\s+/).map((code, i) =>
  [code, i < 64 ? i : 64 * (i - 63)])));

/**
 * A mask.
 * @param {Uint8Array} bytes One strip of T.6 data.
 * @param {number[]} shape Rows and columns.
 * @returns {Uint8Array} Row-major, 1 where it is black.
 * @throws {MscnError} It is damaged.
 */
export function decodeGroup4(bytes, [height, width]) {
  const mask = new Uint8Array(height * width);
  let at = 0;
  const read = (codes) => {
    for (let code = ""; code.length < LONGEST && at < 8 * bytes.length; ) {
      code += (bytes[at >> 3] >> (7 - (at & 7))) & 1;
      at += 1;
      const found = codes.get(code);
      if (found !== undefined) return found;
    }
    throw new MscnError("a mask of the file is damaged; get a fresh copy");
  };
  const run = (colour) => {
    for (let total = 0; ; ) {
      const part = read(runs[colour]);
      total += part;
      if (part < 64) return total;
    }
  };
  let above = []; // columns where the row before changes its colour
  for (let row = 0; row < height; row++) {
    const changes = [];
    let [place, colour] = [-1, 0];
    while (place < width) {
      // The next change above to the other colour.
      let next = colour;
      while (next < above.length && above[next] <= place) next += 2;
      const mode = read(MODES);
      if (mode === PASS) {
        place = above[next + 1] ?? width;
      } else if (mode === ALONG) {
        const first = Math.max(place, 0) + run(colour);
        place = first + run(1 - colour);
        changes.push(first, place);
      } else {
        place = (above[next] ?? width) + mode;
        changes.push(place);
        colour = 1 - colour;
      }
    }
    for (let i = 0; i < changes.length; i += 2) {
      mask.fill(1, row * width + Math.min(changes[i], width), row * width + Math.min(changes[i + 1] ?? width, width));
    }
    above = changes;
  }
  return mask;
}
