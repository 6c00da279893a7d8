// Pictures in fewer colours, where those cost more bits than they are worth, as `mscn_tf.fitting.few_colours` has it.

const BITS = 24; // about what a colour takes by itself; and each pixel of it one

/** Squared error of each channel of colours at their mean. */
function errorsOf(colours, channels) {
  return Array.from({ length: channels }, (_, c) => {
    let [count, total, squares] = [0, 0, 0];
    for (const { values, pixels } of colours) {
      count += pixels;
      total += values[c] * pixels;
      squares += values[c] ** 2 * pixels;
    }
    return squares - (total * total) / count;
  });
}

const sum = (numbers) => numbers.reduce((one, other) => one + other);
const pixelsOf = (colours) => sum(colours.map(({ pixels }) => pixels));

/** A box of colours: how it is best split, and what that is worth. */
function boxOf(colours, channels) {
  if (colours.length < 2) return { colours, worth: -Infinity };
  const errors = errorsOf(colours, channels);
  const channel = errors.indexOf(Math.max(...errors));
  const count = pixelsOf(colours);
  const weighted = sum(colours.map(({ values, pixels }) => values[channel] * pixels));
  const parts = [false, true].map((above) =>
    colours.filter(({ values }) => values[channel] * count > weighted === above));
  const left = sum(parts.map((part) => sum(errorsOf(part, channels))));
  return { colours, parts, worth: (sum(errors) - left) / (BITS + Math.min(...parts.map(pixelsOf))) };
}

/**
 * Pixels in the mean colours of boxes, as many as pay for their bits.
 * @param {{data: Uint8Array, width: number, channels: number}} plane
 * @param {number} price Squared error, summed over channels, that a bit is worth.
 */
export function inFewColours({ data, width, channels }, price) {
  const known = new Map();
  const samples = Int32Array.from({ length: data.length / channels }, (_, i) => {
    let number = 0;
    for (let c = 0; c < channels; c++) number = number * 256 + data[i * channels + c];
    return number;
  });
  for (const sample of samples) known.set(sample, (known.get(sample) ?? 0) + 1);
  const colours = [...known].sort(([one], [other]) => one - other).map(([number, pixels]) => ({
    number,
    pixels,
    values: Array.from({ length: channels }, (_, c) => (number >> (8 * (channels - 1 - c))) & 255),
  }));
  const boxes = [boxOf(colours, channels)];
  for (;;) {
    let best = 0;
    for (let i = 1; i < boxes.length; i++) if (boxes[i].worth > boxes[best].worth) best = i;
    if (!(boxes[best].worth >= price)) break;
    const [lower, upper] = boxes[best].parts.map((part) => boxOf(part, channels));
    boxes[best] = lower;
    boxes.push(upper);
  }
  const means = new Map();
  for (const box of boxes) {
    const count = pixelsOf(box.colours);
    const mean = Array.from({ length: channels }, (_, c) =>
      Math.floor(sum(box.colours.map(({ values, pixels }) => values[c] * pixels)) / count + 0.5));
    for (const { number } of box.colours) means.set(number, mean);
  }
  const out = new Uint8Array(data.length);
  samples.forEach((sample, i) => out.set(means.get(sample), i * channels));
  return { data: out, width, channels };
}
