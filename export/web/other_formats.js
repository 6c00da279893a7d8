// Pictures in the formats that browsers know: read, and written to compare sizes.

import { MscnError } from "./errors.js";
import { LARGEST_ENCODED } from "./photo_encoder.js";
import { filled } from "./transparency.js";

const STEPS = 7; // halvings of the range of another format's qualities

/**
 * The pixels of a picture's file, as `mscn encode` takes them: in sRGB, turned upright.
 * @param {File} file
 * @returns {Promise<{data: Uint8Array, width: number, height: number, channels: number,
 *   rgba: Uint8ClampedArray}>} Grey where all colours are, with alpha only where something is seen
 *   through.
 * @throws {MscnError} The browser can't read it, or it is too large.
 */
export async function pictureOf(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new MscnError(`${file.name}: neither a .mscn file nor a picture that this browser reads`);
  }
  const { width, height } = bitmap;
  if (width * height > LARGEST_ENCODED) {
    throw new MscnError(`${file.name}: ${width}x${height} pixels are too many for this page; take mscn encode`);
  }
  const rgba = pixelsOf(bitmap);
  bitmap.close();
  const count = width * height;
  const alpha = Uint8Array.from({ length: count }, (_, i) => rgba[4 * i + 3]);
  const clear = alpha.some((value) => value < 255);
  if (clear) filled(rgba, alpha, height, width);
  let grey = true;
  for (let i = 0; grey && i < rgba.length; i += 4) {
    grey = rgba[i] === rgba[i + 1] && rgba[i] === rgba[i + 2];
  }
  const places = [...(grey ? [0] : [0, 1, 2]), ...(clear ? [3] : [])];
  const channels = places.length;
  const data = new Uint8Array(count * channels);
  places.forEach((place, c) => {
    for (let i = 0; i < count; i++) data[i * channels + c] = rgba[4 * i + place];
  });
  return { data, width, height, channels, rgba };
}

/** RGBA of a bitmap, colours not multiplied by alpha, as a 2D canvas would give them. */
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height).data;
  }
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0,
  );
  const pixels = new Uint8ClampedArray(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(pixels.buffer));
  return pixels;
}

/**
 * Bytes of a picture in another format, at the lowest quality whose PSNR is at least a given one.
 * @param {{rgba: Uint8ClampedArray, width: number, height: number}} picture
 * @param {string} type Its MIME type.
 * @param {function(ArrayLike<number>, ArrayLike<number>): number} measure PSNR of RGBA pixels.
 * @returns {Promise<number|null>} Null where the browser doesn't write it, or not so well.
 */
export async function otherSize({ rgba, width, height }, type, psnr, measure) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const source = new ImageData(rgba, width, height);
  let found = null;
  let [low, high] = [0, 1];
  for (let step = 0; step < STEPS; step++) {
    const quality = step ? (low + high) / 2 : 1; // first whether it can be reached
    context.putImageData(source, 0, 0);
    const blob = await canvas.convertToBlob({ type, quality });
    if (blob.type !== type) return null;
    context.drawImage(await createImageBitmap(blob), 0, 0);
    if (measure(rgba, context.getImageData(0, 0, width, height).data) >= psnr) {
      [found, high] = [blob.size, quality];
    } else if (step) {
      low = quality;
    } else {
      return null;
    }
  }
  return found;
}
