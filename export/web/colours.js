// Colours of a field's values, cold to warm.

const STOPS = [
  [49, 54, 149], [69, 117, 180], [116, 173, 209], [171, 217, 233], [254, 254, 220],
  [254, 224, 144], [253, 174, 97], [244, 109, 67], [215, 48, 39], [165, 0, 38],
];
const COUNT = 1024;

/** RGB of COUNT values in a row. */
const TABLE = Uint8Array.from({ length: 3 * COUNT }, (_, i) => {
  const at = (Math.floor(i / 3) / (COUNT - 1)) * (STOPS.length - 1);
  const lower = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[lower][i % 3] * (lower + 1 - at) + STOPS[lower + 1][i % 3] * (at - lower);
});

/** Smallest and largest of some values. */
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high > low ? high : low + 1];
}

/** Writes the colour of a value into RGBA pixels; none where it is not a number. */
export function paint(pixels, at, value, [low, high]) {
  if (Number.isNaN(value)) return;
  const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
  const place = 3 * Math.round(share * (COUNT - 1));
  pixels[at] = TABLE[place];
  pixels[at + 1] = TABLE[place + 1];
  pixels[at + 2] = TABLE[place + 2];
  pixels[at + 3] = 255;
}

/** RGBA pixels of a raster: its own, or the colours of its values. */
export function pixelsOf(raster, range) {
  if (raster.pixels) return raster.pixels;
  const pixels = new Uint8ClampedArray(4 * raster.values.length);
  raster.values.forEach((value, i) => paint(pixels, 4 * i, value, range));
  return pixels;
}

/** A raster as a canvas that can be drawn. */
export function canvasOf(raster, range) {
  const canvas = new OffscreenCanvas(raster.width, raster.height);
  const image = new ImageData(pixelsOf(raster, range), raster.width, raster.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
