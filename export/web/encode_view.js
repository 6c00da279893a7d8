// Makes a picture small: its quality, sizes beside other formats, and what is lost.

import { canvasOf } from "./colours.js";
import { StillLayer } from "./layers.js";
import { attempt, bytesText, count, element, listFacts, say, showProgress } from "./page.js";
import { showLayers } from "./stage.js";

const CODECS = ["photo", "field"]; // the second one for what is stored without loss
const OTHERS = { JPEG: "image/jpeg", WebP: "image/webp", AVIF: "image/avif" };

let picture = null; // what is encoded: its decoder, name, size and canvas

/** The ids of the codecs that encode. */
async function bundleIds() {
  const answer = await fetch("bundles/names.json");
  const ids = await answer.json();
  return CODECS.map((name) => ids[name]);
}

/** Takes a picture's file and shows it beside what its encoding leaves. */
export async function encodePicture(decoder, file) {
  await decoder.free(); // of what was decoded before
  const raster = await decoder.call("picture", file, ...(await bundleIds()));
  picture = {
    decoder, file, raster, canvas: canvasOf(raster, null), opaque: raster.channels % 2 === 1,
    fresh: true,
  };
  element("encoder").hidden = element("result").hidden = false;
  element("picture").setAttribute("aria-label", `${file.name}, before and after`);
  await refresh();
}

/** Forgets the picture. */
export function leaveEncoder() {
  picture = null;
  element("stop").hidden = true;
}

const wanted = () => Math.round(16 * element("quality").valueAsNumber);

/** Encodes at the quality that is asked for, again if it has changed meanwhile. */
async function refresh() {
  const current = picture;
  const q16 = wanted();
  if (current.asked === q16) return;
  current.asked = q16;
  const isLatest = () => picture === current && wanted() === q16;
  say("Encoding ...");
  const preview = await current.decoder.call("preview", q16);
  if (!preview || !isLatest()) return;
  showBoth(current, preview, "mscn, about");
  element("stop").hidden = false;
  const made = await current.decoder.call("encode", q16);
  element("stop").hidden = true;
  if (!isLatest()) return;
  showProgress(null);
  if (!made) {
    current.asked = null;
    say("Stopped: what you see is about what this quality leaves. Move the slider to encode.");
    return;
  }
  showMade(current, made, q16);
  await compareSizes(current, made, isLatest);
  if (!isLatest()) return;
  element("result").dataset.compared = `${current.file.name} ${q16}`;
  say("");
}

/** The original beside what is left of it. */
function showBoth(current, raster, name) {
  const { width, height } = current.raster;
  const layers = [new StillLayer(current.canvas), new StillLayer(canvasOf(raster, null))];
  showLayers(layers, [height, width], { most: 1, keep: !current.fresh, names: ["Original", name] });
  current.fresh = false;
}

function showMade(current, { bytes, raster, milliseconds, psnr }, q16) {
  const { width, height } = current.raster;
  showBoth(current, raster, `mscn, ${bytesText(bytes.length)}`);
  current.sizes = {
    Picture: `${width} × ${height}`,
    Original: bytesText(current.file.size),
    mscn: `${bytesText(bytes.length)} (${count(bytes.length)} bytes)`,
    "Bits a pixel": ((8 * bytes.length) / width / height).toFixed(3),
    "PSNR": Number.isFinite(psnr) ? `${psnr.toFixed(2)} dB` : "nothing is lost",
    "Encoded in": `${(milliseconds / 1000).toFixed(1)} s`,
  };
  listFacts(element("sizes"), current.sizes);
  const stem = current.file.name.replace(/\.[^.]*$/, "");
  offer("save", new Blob([bytes], { type: "application/octet-stream" }), `${stem}.mscn`);
  current.decoded = raster;
  offerPng(raster, `${stem}.mscn.png`);
  element("result").dataset.encoded = `${current.file.name} ${q16}`;
}

async function offerPng(raster, name) {
  const blob = await canvasOf(raster, null).convertToBlob({ type: "image/png" });
  if (picture?.decoded === raster) offer("save-png", blob, name);
}

function offer(id, blob, name) {
  const link = element(id);
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(blob);
  link.download = name;
}

/** Sizes of other formats at about the same PSNR, as long as nothing else is asked for. */
async function compareSizes(current, { bytes, psnr }, isLatest) {
  if (!current.opaque || !Number.isFinite(psnr)) return;
  for (const [name, type] of Object.entries(OTHERS)) {
    say(`Comparing with ${name} ...`);
    const size = await current.decoder.call("other", type, psnr);
    if (!isLatest()) return;
    if (size === null) continue;
    const more = Math.round(100 * (size / bytes.length - 1));
    current.sizes[`${name} at this PSNR`] = `${bytesText(size)} (${more < 0 ? "−" : "+"}${Math.abs(more)}%)`;
    listFacts(element("sizes"), current.sizes);
  }
}

function showQuality() {
  const quality = element("quality").valueAsNumber;
  element("quality-text").textContent = `${Number(quality.toFixed(2))} of 10`;
}

element("stop").addEventListener("click", () => picture.decoder.call("giveUp"));
element("quality").addEventListener("input", () => {
  showQuality();
  if (picture) attempt(refresh);
});
showQuality();
