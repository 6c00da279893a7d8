// Makes a picture small: its quality, sizes beside other formats, and what is lost.

import { Superseded } from "./decoder.js";
import { StillLayer, canvasOf } from "./layers.js";
import { attempt, bytesText, count, element, listFacts, say, showProgress } from "./page.js";
import { showLayers } from "./stage.js";

const CODEC = "photo";
const OTHERS = { JPEG: "image/jpeg", WebP: "image/webp", AVIF: "image/avif" };

let picture = null; // what is encoded: its decoder, name, size, canvas and bundle's id
let running = false;

/** Ids of the codecs that encode here, by name. */
async function bundleId() {
  const answer = await fetch("bundles/names.json");
  return (await answer.json())[CODEC];
}

/** Takes a picture's file and shows it beside what its encoding leaves. */
export async function encodePicture(decoder, file) {
  await decoder.free();
  const bundle = await bundleId();
  const raster = await decoder.call("picture", file, bundle);
  picture = {
    decoder, bundle, file, raster, canvas: canvasOf(raster, null), opaque: raster.channels % 2 === 1,
    fresh: true,
  };
  element("encoder").hidden = element("result").hidden = false;
  element("picture").setAttribute("aria-label", `${file.name}, before and after`);
  await refresh();
}

/** Forgets the picture. */
export function leaveEncoder() {
  picture = null;
}

const wanted = () => Math.round(16 * element("quality").valueAsNumber);

/** Encodes at the quality that is asked for, again if it has changed meanwhile. */
async function refresh() {
  if (running) return;
  running = true;
  try {
    for (let done = null; picture && done !== `${picture.file.name} ${wanted()}`; ) {
      const current = picture;
      const q16 = wanted();
      done = `${current.file.name} ${q16}`;
      say("Encoding ...");
      const made = await current.decoder.call("encode", q16, current.bundle);
      if (picture !== current) continue;
      showMade(current, made, q16);
      if (q16 === wanted()) await compareSizes(current, made, q16);
    }
    say("");
  } finally {
    running = false;
    showProgress(null);
  }
}

function showMade(current, { bytes, raster, milliseconds, psnr }, q16) {
  const { width, height } = current.raster;
  const layers = [new StillLayer(current.canvas), new StillLayer(canvasOf(raster, null))];
  const names = ["Original", `mscn, ${bytesText(bytes.length)}`];
  showLayers(layers, [height, width], { most: 1, keep: !current.fresh, names });
  current.fresh = false;
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
async function compareSizes(current, { bytes, psnr }, q16) {
  if (!current.opaque || !Number.isFinite(psnr)) return;
  for (const [name, type] of Object.entries(OTHERS)) {
    if (picture !== current || wanted() !== q16) return;
    say(`Comparing with ${name} ...`);
    const size = await current.decoder.call("other", type, psnr);
    if (picture !== current) return;
    if (size === null) continue;
    const more = Math.round(100 * (size / bytes.length - 1));
    current.sizes[`${name} at this PSNR`] = `${bytesText(size)} (${more < 0 ? "−" : "+"}${Math.abs(more)}%)`;
    listFacts(element("sizes"), current.sizes);
  }
  element("result").dataset.compared = `${current.file.name} ${q16}`;
}

function showQuality() {
  const quality = element("quality").valueAsNumber;
  element("quality-text").textContent = `${Number(quality.toFixed(2))} of 10`;
}

element("quality").addEventListener("input", () => {
  showQuality();
  if (picture) attempt(refresh).catch((error) => !(error instanceof Superseded) && Promise.reject(error));
});
showQuality();
