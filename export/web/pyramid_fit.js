// Chooses the symbols of pyramids where rate meets distortion, as `mscn_tf.fitting.pyramid` does.

const DEAD_ZONE = 0.2; // of the rounding that the first choice of symbols rests on
const SIZES = 3; // that signs tell apart
const { fround } = Math;

/**
 * Coded channels of a picture, [H, W] each.
 *
 * Sums are rounded as a fused multiply-add does, which is what BLAS computes them with.
 * @param {Uint8Array} pixels [H, W, count].
 * @param {number} count Of channels: three, or one that stands for all.
 * @param {ArrayLike<number>} colour [C, C], orthonormal rows.
 */
export function toChannels(pixels, count, colour) {
  const channels = Math.sqrt(colour.length);
  const level = Float32Array.from({ length: 256 }, (_, n) => fround(fround(n) / 255) - 0.5);
  const places = Array.from({ length: channels }, (_, c) => (count === 1 ? 0 : c));
  return places.map((_, row) => {
    const weights = places.map((_, c) => fround(colour[row * channels + c]));
    const out = new Float32Array(pixels.length / count);
    for (let i = 0, at = 0; i < out.length; i++, at += count) {
      let sum = 0;
      for (let c = 0; c < channels; c++) {
        sum = fround(weights[c] * level[pixels[at + places[c]]] + sum);
      }
      out[i] = sum;
    }
    return out;
  });
}

/**
 * Symbols of the coefficients of a tile; stops after each level of each pass.
 * @param {PyramidPrior} prior
 * @param {{coarse: Float32Array[], details: Float32Array[][]}} pyramid Laid out as
 *   `PyramidTile` has it.
 * @param {number} rateWeight Squared error that a bit is worth, in steps squared.
 * @param {number} passes How often all symbols are chosen anew, each time at better scales.
 * @returns {{coarse: Int32Array[], details: Int32Array[][]}}
 */
export function* quantise(prior, { coarse, details }, height, width, q16, rateWeight, passes) {
  const step = fround(prior.step(q16));
  const choice = new Choice(prior, step, rateWeight);
  const offset = fround(DEAD_ZONE);
  let symbols = details.map((bands) => bands.map((band) =>
    Int32Array.from(band, (value) => {
      const size = fround(Math.abs(value) / step);
      const rounded = Math.floor(fround(fround(size + 0.5) - offset));
      return value < 0 ? -rounded : rounded;
    })));
  for (let pass = 0; pass < passes; pass++) {
    symbols = yield* choice.improved(details, symbols, height, width, q16);
  }
  const rounded = coarse.map((band) => Int32Array.from(band, (value) => roundEven(value / step)));
  return { coarse: rounded, details: symbols };
}

/** The nearest whole number to a quotient of float32 numbers, halves to the even one. */
function roundEven(quotient) {
  const value = fround(quotient);
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

/** What symbols cost. */
class Choice {
  constructor(prior, step, rateWeight) {
    Object.assign(this, { _prior: prior, _step: step, _rateWeight: rateWeight });
    this._signBits = new Float32Array(SIZES);
  }

  /** Symbols of least cost at the scales that given ones lead to. */
  *improved(details, symbols, height, width, q16) {
    const { scales } = this._prior;
    const better = symbols.map((bands) => bands.map((band) => new Int32Array(band.length)));
    const walk = scales.walk(height, width, q16, (pass) => {
      const values = pass.gather(details[pass.level][pass.band]);
      const chosen = new Int32Array(pass.count);
      values.forEach((value, i) => {
        const size = fround(Math.abs(value) / this._step);
        // Below a half, zero is nearest and cheapest (or close to it).
        if (size < 0.5) return;
        this._prior.signs?.prospects(pass, i, value < 0, this._signBits);
        const symbol = this._cheapest(size, pass.indices[i]);
        chosen[i] = value < 0 ? -symbol : symbol;
      });
      pass.scatter(chosen, better[pass.level][pass.band]);
      return pass.gather(symbols[pass.level][pass.band]);
    });
    yield* walk;
    return better;
  }

  /** Of the nearest whole number, one nearer to zero, and zero, that which costs least. */
  _cheapest(size, table) {
    const { tables } = this._prior;
    const nearest = Math.floor(fround(size + 0.5));
    let best = nearest;
    let least = Infinity;
    for (const candidate of [nearest, nearest - 1, 0]) {
      const error = size - tables.dequantise(candidate, table);
      let bits = tables.bits(candidate, table);
      if (candidate) bits += this._signBits[Math.min(candidate, SIZES) - 1];
      const cost = error * error + this._rateWeight * bits;
      if (cost < least) [best, least] = [candidate, cost];
    }
    return best;
  }
}
