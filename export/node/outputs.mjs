// Files of what was decoded: PNG and PAM of pictures, .npy of fields.

import path from "node:path";
import zlib from "node:zlib";

const WRITERS = { ".png": png, ".pam": pam, ".npy": npy };

/**
 * A file's bytes, by the ending of its name.
 * @param {string} target
 * @param {object} decoded As `Decoder.decode` gives it.
 * @throws {Error} Such a file can't hold it.
 */
export function written(target, decoded) {
  const ending = path.extname(target).toLowerCase();
  if (!WRITERS[ending]) throw new Error(`${target}: give OUT.png, OUT.pam or, of values, OUT.npy`);
  if (decoded.values && ending !== ".npy") {
    throw new Error(`${target}: these are values, not pixels; give OUT.npy`);
  }
  return WRITERS[ending](decoded);
}

function png({ shape: [height, width, channels], pixels }) {
  const row = channels * width;
  const rows = Buffer.alloc(height * (row + 1)); // each begins with a zero: no filter
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, [0, 4, 2, 6][channels - 1]], 8);
  const parts = [["IHDR", head], ["IDAT", zlib.deflateSync(rows)], ["IEND", Buffer.alloc(0)]];
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...parts.map(chunk)]);
}

function chunk([kind, data]) {
  const ends = [Buffer.alloc(4), Buffer.alloc(4)];
  const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
  ends[0].writeUInt32BE(data.length);
  ends[1].writeUInt32BE(zlib.crc32(body));
  return Buffer.concat([ends[0], body, ends[1]]);
}

function pam({ shape: [height, width, channels], pixels }) {
  const kind = ["GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"][channels - 1];
  const head = `P7\nWIDTH ${width}\nHEIGHT ${height}\nDEPTH ${channels}\nMAXVAL 255\n`
    + `TUPLTYPE ${kind}\nENDHDR\n`;
  return Buffer.concat([Buffer.from(head), pixels]);
}

function npy({ shape, pixels, values }) {
  const data = values ?? pixels;
  const kind = values ? `<f${data.BYTES_PER_ELEMENT}` : "|u1";
  const text = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const head = text + " ".repeat(63 - ((10 + text.length) % 64)) + "\n";
  const begin = Buffer.from("\x93NUMPY\x01\x00\0\0", "latin1");
  begin.writeUInt16LE(head.length, 8);
  return Buffer.concat([begin, Buffer.from(head), Buffer.from(data.buffer)]);
}
