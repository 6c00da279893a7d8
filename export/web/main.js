// The page: opens files, shows them, and zooms into them.

import { pixelsOf, rangeOf } from "./colours.js";
import { Decoder, Superseded } from "./decoder.js";
import { MscnError } from "./errors.js";
import { Globe } from "./globe.js";

const LARGEST_FILE = 2 ** 28; // bytes
const ZOOMED_SIDES = [128, 480]; // pixels of the zooms' longer side: at first, and then
const GLOBE_GRID = [181, 360];
const SMALLEST_BOX = 2; // samples a side
const START_ZOOM = 1.5; // logarithm to base 2
const KELVIN = 273.15;

const element = (id) => document.getElementById(id);
const decoder = new Decoder();
const globe = new Globe(element("globe"));

// What is shown: the file's description, the item's shape, the colours' range, the box and its
// middle (where it would be but for the edges and whole numbers).
let shown = null;
let pending = null; // a file that waits for its bundle

const whole = new Intl.NumberFormat("en");

function say(text) {
  element("status").textContent = text;
}

/** Runs what may fail; its error is shown in one line. */
async function attempt(action) {
  try {
    element("error").hidden = true;
    await action();
  } catch (error) {
    if (error instanceof Superseded) return;
    element("error").textContent = error.message;
    element("error").hidden = false;
    say("");
    if (!(error instanceof MscnError)) throw error;
  }
}

function draw(canvas, raster, range) {
  canvas.width = raster.width;
  canvas.height = raster.height;
  const image = new ImageData(pixelsOf(raster, range), raster.width, raster.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

async function bytesOf(file) {
  if (file.size > LARGEST_FILE) {
    throw new MscnError(`${file.name}: ${whole.format(file.size)} bytes are too many for this page`);
  }
  return new Uint8Array(await file.arrayBuffer());
}

const isZip = (bytes) => bytes[0] === 0x50 && bytes[1] === 0x4b;

/** Opens what the user gave: bundles first. */
async function openFiles(files) {
  const read = await Promise.all(
    [...files].map(async (file) => ({ name: file.name, bytes: await bytesOf(file) })),
  );
  const bundles = read.filter(({ bytes }) => isZip(bytes));
  const [first] = read.filter(({ bytes }) => !isZip(bytes));
  for (const { bytes, name } of bundles) {
    const { name: own } = await decoder.addBundle(bytes, name);
    say(`Codec ${own} is ready for its files.`);
  }
  const next = first ?? pending;
  if (next) await open(next.bytes, next.name);
}

async function open(bytes, name) {
  say(`Opening ${name} ...`);
  element("result").hidden = true;
  shown = null;
  pending = { bytes, name };
  const file = await decoder.open(bytes, name);
  pending = null;
  element("zoom").value = START_ZOOM;
  await showItem({ ...file, name }, 0);
}

async function showItem(file, item) {
  say("Decoding ...");
  const { raster, milliseconds, whole: shape, quality } = await decoder.call("picture", item);
  const range = raster.values ? rangeOf(raster.values) : null;
  shown = { file, item, shape, range, box: null, middle: shape.map((side) => side / 2) };
  draw(element("picture"), raster, range);
  listFacts(raster, milliseconds, quality);
  element("archive").hidden = file.items < 2;
  element("item").max = file.items - 1;
  element("item").value = item;
  element("item-name").textContent = file.names?.[item] ?? "";
  element("evaluated-caption").textContent = file.zoomed;
  element("globe-figure").hidden = file.modality !== "field";
  element("result").hidden = false;
  setBox(boxOfSize(shape.map((side) => side / 2 ** element("zoom").valueAsNumber)));
  if (file.modality === "field") await showGlobe();
  else globe.hide();
  say("");
}

async function showGlobe() {
  const current = shown;
  const raster = await decoder.call("globe", current.item, ...GLOBE_GRID);
  if (shown !== current) return;
  globe.show(raster, current.range);
  const [low, high] = current.range.map((value) => `${Math.round(value - KELVIN)} °C`);
  element("coldest").textContent = low;
  element("warmest").textContent = high;
  const scale = element("scale");
  const values = Float32Array.from(
    { length: scale.width * scale.height }, (_, i) => i % scale.width);
  draw(scale, { width: scale.width, height: scale.height, values }, [0, scale.width - 1]);
}

function listFacts(raster, milliseconds, quality) {
  const { file, shape } = shown;
  const [height, width] = shape;
  const rate = (8 * file.length) / file.samples;
  const facts = {
    File: file.name,
    Bytes: whole.format(file.length),
    [file.modality === "field" ? "Bits a value" : "Bits a pixel"]: rate.toFixed(3),
    Size: `${width} × ${height}`,
    Codec: `${file.codecName} (${whole.format(file.codecBytes)} bytes)`,
    Quality: quality,
    "Decoded in": `${Math.round(milliseconds)} ms`,
  };
  if (raster.width !== width) facts.Shown = `${raster.width} × ${raster.height}`;
  if (file.items > 1) facts.Items = whole.format(file.items);
  if (file.errorBound !== null) {
    facts["Largest error"] = String(file.errorBound);
  }
  element("facts").replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const entry = document.createElement("div");
    const [term, text] = ["dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    text.textContent = value;
    entry.append(term, text);
    return entry;
  }));
}

/** A box of about this size, [height, width], around a point or where the last one was. */
function boxOfSize(size, middle = shown.middle) {
  const { shape } = shown;
  shown.middle = middle;
  const extent = size.map((side, axis) =>
    Math.min(Math.max(Math.round(side), SMALLEST_BOX), shape[axis]));
  const start = middle.map((at, axis) => {
    const side = Math.round(at - extent[axis] / 2);
    return Math.min(Math.max(side, 0), shape[axis] - extent[axis]);
  });
  return { start, extent };
}

function setBox(box) {
  shown.box = box;
  const { shape } = shown;
  const percent = (part, axis) => `${(100 * part[axis]) / shape[axis]}%`;
  Object.assign(element("box").style, {
    top: percent(box.start, 0), left: percent(box.start, 1),
    height: percent(box.extent, 0), width: percent(box.extent, 1),
  });
  const [height, width] = box.extent;
  const times = zoomedShape(ZOOMED_SIDES[1])[1] / width;
  element("region").textContent =
    `${width} × ${height} of ${shape[1]} × ${shape[0]}, ${times.toFixed(times < 10 ? 1 : 0)} times as large`;
  refreshZoom();
}

/** Size in pixels of the box enlarged. */
function zoomedShape(side) {
  const { extent } = shown.box;
  const scale = side / Math.max(...extent);
  return extent.map((part) => Math.max(1, Math.round(part * scale)));
}

let refreshing = false;

/** Draws the zooms, coarse ones first; a box that moved meanwhile starts again. */
async function refreshZoom() {
  if (refreshing) return;
  refreshing = true;
  await attempt(async () => {
    for (let step = 0; shown && step < ZOOMED_SIDES.length; ) {
      const { box, item, range } = shown;
      const current = shown;
      const shape = zoomedShape(ZOOMED_SIDES[step]);
      const { evaluated, bicubic } = await decoder.call("zoom", { item, ...box, shape });
      if (shown !== current || shown.box !== box) {
        step = 0;
        continue;
      }
      draw(element("evaluated"), evaluated, range);
      draw(element("bicubic"), bicubic, range);
      step += 1;
    }
  }).finally(() => (refreshing = false));
  element("zooms").dataset.box = shown ? JSON.stringify(shown.box) : "";
}

/** Makes the slider say what the box's size is. */
function zoomOfBox() {
  const { shape, box } = shown;
  const zoom = Math.log2(Math.max(...shape) / Math.max(...box.extent));
  element("zoom").value = zoom;
}

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

element("zoom").addEventListener("input", (event) => {
  if (shown) setBox(boxOfSize(shown.shape.map((side) => side / 2 ** event.target.valueAsNumber)));
});

const picture = element("picture");

/** Samples [row, column] under the pointer. */
function pointed(event) {
  const frame = picture.getBoundingClientRect();
  const share = [(event.clientY - frame.top) / frame.height, (event.clientX - frame.left) / frame.width];
  return share.map((part, axis) => Math.min(Math.max(part, 0), 1) * shown.shape[axis]);
}

picture.addEventListener("pointerdown", (down) => {
  if (!shown) return;
  picture.setPointerCapture(down.pointerId);
  const from = pointed(down);
  const move = (event) => {
    if (!shown) return;
    const to = pointed(event);
    const size = from.map((at, axis) => Math.abs(to[axis] - at));
    if (Math.min(...size) < SMALLEST_BOX) return;
    setBox(boxOfSize(size, from.map((at, axis) => (at + to[axis]) / 2)));
    zoomOfBox();
  };
  picture.addEventListener("pointermove", move);
  const end = (event) => {
    picture.removeEventListener("pointermove", move);
    const still = Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 4;
    if (shown && still) setBox(boxOfSize(shown.box.extent, from));
  };
  picture.addEventListener("pointerup", end, { once: true });
  picture.addEventListener("pointercancel", end, { once: true });
});

picture.addEventListener("keydown", (event) => {
  if (!shown) return;
  const { start, extent } = shown.box;
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const sizes = { "+": 2 ** -0.5, "=": 2 ** -0.5, "-": 2 ** 0.5, 0: Infinity };
  const move = moves[event.key];
  const factor = sizes[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || (!move && !factor)) return;
  event.preventDefault();
  if (move) {
    const middle = start.map((side, axis) =>
      side + extent[axis] / 2 + move[axis] * Math.max(1, Math.round(extent[axis] / 8)));
    setBox(boxOfSize(extent, middle));
  } else {
    setBox(boxOfSize(extent.map((side) => side * factor)));
    zoomOfBox();
  }
});

function chooseItem(item) {
  if (!shown || !(item >= 0 && item < shown.file.items)) return;
  attempt(() => showItem(shown.file, item));
}

element("item").addEventListener("change", (event) => chooseItem(event.target.valueAsNumber));
element("previous").addEventListener("click", () => chooseItem(shown.item - 1));
element("next").addEventListener("click", () => chooseItem(shown.item + 1));

function showTurning() {
  element("turn").setAttribute("aria-pressed", String(globe.turning));
  element("turn").textContent = globe.turning ? "Stop" : "Turn";
}

element("turn").addEventListener("click", () => {
  globe.turning = !globe.turning;
  showTurning();
});
element("globe").addEventListener("look", showTurning);
globe.turning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
showTurning();

/** Buttons for the samples that came with the page; the first one is opened. */
async function listSamples() {
  const answer = await fetch("samples/samples.json");
  const samples = answer.ok ? await answer.json() : [];
  const buttons = samples.map(({ file, title }) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => attempt(async () => {
      const found = await fetch(`samples/${file}`);
      if (!found.ok) throw new MscnError(`${file} is missing on this server`);
      await open(new Uint8Array(await found.arrayBuffer()), file);
    }));
    return button;
  });
  element("samples").replaceChildren(...buttons);
  say("");
  buttons[0]?.click();
}

attempt(listSamples);
