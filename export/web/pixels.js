// From values to 8-bit pixels.

const LUMA = [0.299, 0.587, 0.114]; // ITU-R BT.601

/**
 * Bytes of values, nominally in [0, 1].
 * @param {ArrayLike<number>} values [count, channels].
 * @param {number} wanted Channels of the result: where one is wanted of three, their luma.
 * @returns {Uint8ClampedArray} [count, wanted].
 */
export function toBytes(values, channels, wanted) {
  const count = values.length / channels;
  const clip = (value) => Math.min(Math.max(value, 0), 1);
  const bytes = new Uint8ClampedArray(count * wanted); // rounds halves to even, as NumPy does
  if (wanted === 1 && channels === 3) {
    for (let i = 0; i < count; i++) {
      bytes[i] = 255 * LUMA.reduce((sum, share, c) => sum + share * clip(values[3 * i + c]), 0);
    }
  } else {
    for (let i = 0; i < bytes.length; i++) bytes[i] = 255 * clip(values[i]);
  }
  return bytes;
}

/**
 * Values [count, C], nominally in [0, 1], of coded channels.
 * @param {Array<Float32Array|Float64Array>} planes C of [count]; the result is of their type.
 * @param {ArrayLike<number>} colour [C, C], orthonormal rows.
 */
export function toValues(planes, colour) {
  const channels = planes.length;
  const [{ length }] = planes;
  const values = new planes[0].constructor(channels * length);
  for (let i = 0, at = 0; i < length; i++) {
    for (let c = 0; c < channels; c++, at++) {
      let sum = 0;
      for (let k = 0; k < channels; k++) sum += colour[k * channels + c] * planes[k][i];
      values[at] = sum + 0.5;
    }
  }
  return values;
}

/** Planes of bytes [count, channels], those of colour first, side by side. */
export function joinPlanes(planes, channels) {
  if (planes.length === 1) return planes[0];
  const total = channels.reduce((sum, own) => sum + own, 0);
  const joined = new Uint8ClampedArray((planes[0].length / channels[0]) * total);
  let first = 0;
  planes.forEach((plane, number) => {
    const own = channels[number];
    for (let i = 0; i < plane.length; i++) {
      joined[Math.floor(i / own) * total + first + (i % own)] = plane[i];
    }
    first += own;
  });
  return joined;
}

/** RGBA of grey or RGB bytes, with alpha where channels are even in number. */
export function toRgba(bytes, channels) {
  const count = bytes.length / channels;
  const rgba = new Uint8ClampedArray(4 * count);
  const [green, blue] = channels > 2 ? [1, 2] : [0, 0];
  const alpha = channels % 2 === 0;
  for (let i = 0; i < count; i++) {
    const at = i * channels;
    rgba[4 * i] = bytes[at];
    rgba[4 * i + 1] = bytes[at + green];
    rgba[4 * i + 2] = bytes[at + blue];
    rgba[4 * i + 3] = alpha ? bytes[at + channels - 1] : 255;
  }
  return rgba;
}
