// The page: opens files, and shows each as what it is.

import { Decoder } from "./decoder.js";
import { encodePicture, leaveEncoder } from "./encode_view.js";
import { MscnError } from "./errors.js";
import { offerToKeep } from "./keep.js";
import { showField } from "./field_view.js";
import { attempt, bytesText, count, element, listFacts, say, showProgress } from "./page.js";
import { showPicture } from "./picture_view.js";
import { showScene } from "./scene_view.js";
import { showSolid } from "./solid_view.js";
import { showSound, stopSound } from "./sound_view.js";
import { showVolume } from "./volume_view.js";

const LARGEST_FILE = 2 ** 28; // bytes
const VIEWS = {
  image: showPicture, silhouette: showPicture, field: showField, sound: showSound,
  volume: showVolume, voxels: showSolid, mesh: showSolid, scene: showScene,
};
const SAMPLES = { image: "pixel", field: "value", sound: "sample", volume: "voxel" };
const PARTS = ["archive", "encoder", "picture-figure", "globe-figure", "sound-figure", "solid-figure",
  "slice-line", "legend", "compare-label"];

const decoder = new Decoder();
decoder.onprogress = showProgress;

let shown = null; // the file and the number of its item
let pending = null; // a file that waits for its bundle

async function bytesOf(file) {
  if (file.size > LARGEST_FILE) {
    throw new MscnError(`${file.name}: ${count(file.size)} bytes are too many for this page`);
  }
  return new Uint8Array(await file.arrayBuffer());
}

const starts = (bytes, text) => text.split("").every((letter, i) => bytes[i] === letter.charCodeAt(0));

/** Opens what the user gave: bundles first, then a file of ours or a picture. */
async function openFiles(files) {
  const read = await Promise.all(
    [...files].map(async (file) => ({ file, name: file.name, bytes: await bytesOf(file) })),
  );
  const isBundle = ({ name, bytes }) => name.endsWith(".mscnb") || starts(bytes, "PK");
  for (const { bytes, name } of read.filter(isBundle)) {
    const { name: own } = await decoder.addBundle(bytes, name);
    say(`Codec ${own} is ready for its files.`);
  }
  const next = read.find((one) => !isBundle(one)) ?? pending;
  if (!next) return;
  const isOurs = next.name.endsWith(".mscn") || starts(next.bytes, "MSCN");
  if (isOurs || !next.file) await open(next.bytes, next.name);
  else await encode(next.file);
}

/** Hides what the last file showed. */
function clear() {
  stopSound();
  leaveEncoder();
  const result = element("result");
  result.hidden = true;
  for (const name of Object.keys(result.dataset)) delete result.dataset[name];
  for (const part of PARTS) element(part).hidden = true;
  shown = null;
}

async function open(bytes, name) {
  say(`Opening ${name} ...`);
  clear();
  pending = { bytes, name };
  const file = await decoder.open(bytes, name);
  pending = null;
  await showItem({ ...file, name }, 0);
}

async function encode(file) {
  say(`Reading ${file.name} ...`);
  clear();
  element("facts").replaceChildren();
  await encodePicture(decoder, file);
}

async function showItem(file, number) {
  say("Decoding ...");
  stopSound();
  const item = { number, ...(await decoder.call("item", number)) };
  shown = { file, number };
  element("result").hidden = false;
  element("archive").hidden = file.items < 2;
  element("item").max = file.items;
  element("item").value = number + 1;
  element("item-name").textContent = file.names?.[number] ?? "";
  const began = performance.now();
  const further = await VIEWS[file.modality](decoder, file, item);
  const milliseconds = performance.now() - began;
  listFacts(element("facts"), { ...factsOf(file, item), ...further, "Shown after": `${Math.round(milliseconds)} ms` });
  element("result").dataset.shown = `${file.name} ${number}`;
  say("");
}

function factsOf(file, item) {
  const rate = (8 * file.length) / file.samples;
  const facts = {
    File: file.name,
    Bytes: count(file.length),
    [`Bits a ${SAMPLES[file.modality] ?? "point"}`]: rate.toFixed(3),
    Size: [...item.shape].reverse().join(" × "),
    Quality: item.quality,
    Codec: `${file.codecName} (${bytesText(file.codecBytes)})`,
  };
  if (file.items > 1) facts.Items = count(file.items);
  if (file.errorBound !== null) {
    facts["Largest error"] = item.corrected
      ? String(file.errorBound) : "shown without the file's corrections";
  }
  return facts;
}

function chooseItem(number) {
  if (!shown || !(number >= 0 && number < shown.file.items)) return;
  attempt(() => showItem(shown.file, number));
}

element("item").addEventListener("change", (event) => chooseItem(event.target.valueAsNumber - 1));
element("previous").addEventListener("click", () => chooseItem(shown.number - 1));
element("next").addEventListener("click", () => chooseItem(shown.number + 1));

element("file").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  attempt(() => openFiles(files));
});

addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
});
addEventListener("dragleave", () => element("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  if (event.dataTransfer.files.length) attempt(() => openFiles(event.dataTransfer.files));
});

/** Opens a file of this server. */
async function openAddress(address) {
  const url = new URL(address, location.href);
  if (url.origin !== location.origin) {
    throw new MscnError(`${url.host}: this page opens files of its own server alone; save it and drop it here`);
  }
  const found = await fetch(url);
  const name = decodeURIComponent(url.pathname.split("/").pop());
  if (!found.ok) throw new MscnError(`${name}: missing on this server`);
  await openFiles([new File([await found.blob()], name)]);
}

/** Buttons for the examples that came with the page. */
async function listSamples() {
  const answer = await fetch("samples/samples.json");
  const samples = answer.ok ? await answer.json() : [];
  element("samples").replaceChildren(...samples.map(({ file, title }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => attempt(() => openAddress(`samples/${file}`)));
    return button;
  }));
  say("");
  const wanted = new URLSearchParams(location.search).get("file");
  const first = wanted ?? (samples.length ? `samples/${samples[0].file}` : null);
  if (first) await openAddress(first);
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("offline.js").catch(() => {});
attempt(async () => {
  await listSamples();
  await offerToKeep();
});
