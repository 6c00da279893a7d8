// Decisions between two ways, at chances that are learned on the way (docs/format.md, "Exact planes", form 7).

const HASH = 0x9e3779b1;
const LEVELS = 4096; // of chances
const UNIT = 180; // levels of a factor of e in odds
const WHOLE = 65536;
const LEAST = 16; // chance of either way, in 65536ths
const LIMIT = 60; // decisions of a context after which new ones count no less
const PACE = 10; // of weights
const FIRST_WEIGHT = 19661;
const KINDS = 2048;

/** A number of 32 bits that depends on all bits of two such. */
export function mixed(one, other) {
  const product = Math.imul(one ^ other, HASH) >>> 0;
  return (product ^ (product >>> 15)) >>> 0;
}

const CHANCES = Array.from({ length: LEVELS }, (_, level) =>
  Math.min(Math.max(Math.round(WHOLE / (1 + Math.exp((LEVELS / 2 - level) / UNIT))), LEAST), WHOLE - LEAST));
const LEVEL_OF = Int32Array.from({ length: LEVELS }, (_, place) => {
  const share = (place + 0.5) / LEVELS;
  return Math.round(Math.log(share / (1 - share)) * UNIT);
});
const STARTS = CHANCES.map((chance) => Uint32Array.from([0, WHOLE - chance, WHOLE]));
const ADAPTION = Array.from({ length: LIMIT + 1 }, (_, count) => Math.floor((WHOLE * 5) / (5 * count + 8)));

/** Codes a decision at the chance of a level. */
export const writer = (encoder) => (level, bit) => {
  encoder.encode(STARTS[level], bit ? 1 : 0);
  return bit ? 1 : 0;
};

/** Decodes a decision at the chance of a level. */
export function reader(decoder) {
  const [out, order] = [new Int32Array(1), [0]];
  return (level) => {
    decoder.decode(STARTS[level], out, order, 0, 1, 0);
    return out[0];
  };
}

/** Codes or decodes decisions, one after the other. */
export class Decisions {
  /**
   * @param {function(number, number): number} code `writer` or `reader`.
   * @param {number} slotBits Contexts share 2 to the power of that many slots.
   */
  constructor(code, slotBits) {
    this.made = 0;
    this._code = code;
    this._shift = 32 - slotBits;
    this._slots = new Uint32Array(2 ** slotBits).fill(WHOLE * 128); // an even chance after none
    this._weights = new Float64Array(4 * KINDS).fill(FIRST_WEIGHT);
  }

  /**
   * Codes a bit, or decodes one.
   * @param {number} kind Of the decision: each has weights of its own.
   * @param {number[]} contexts Four numbers of 32 bits.
   * @param {number|boolean} [bit] Where it is known.
   * @returns {number}
   */
  decide(kind, contexts, bit) {
    const [slots, weights] = [this._slots, this._weights];
    const places = contexts.map((context) => context >>> this._shift);
    const states = places.map((place) => slots[place]);
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += weights[4 * kind + i] * LEVEL_OF[states[i] >>> 12];
    const level = Math.min(Math.max(Math.floor(sum / WHOLE) + LEVELS / 2, 0), LEVELS - 1);
    const found = this._code(level, bit);
    this.made += 1;
    const target = found ? WHOLE - 1 : 0;
    const error = (target - CHANCES[level]) * PACE;
    for (let i = 0; i < 4; i++) {
      weights[4 * kind + i] += Math.floor((LEVEL_OF[states[i] >>> 12] * error + WHOLE / 2) / WHOLE);
      const [count, chance] = [states[i] & 255, states[i] >>> 8];
      const moved = chance + Math.floor(((target - chance) * ADAPTION[count]) / WHOLE);
      slots[places[i]] = moved * 256 + Math.min(count + 1, LIMIT);
    }
    return found;
  }
}
