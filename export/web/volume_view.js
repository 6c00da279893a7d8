// Volumes: one slice after the other.

import { halved } from "./blocks.js";
import { DecodedLayer, baseHalvings } from "./layers.js";
import { attempt, element } from "./page.js";
import { showLayers } from "./stage.js";

const AXES = [0, 1, 2];

let change = () => {};

/** Shows slices of an item; as of the views in main.js. */
export async function showVolume(decoder, file, { number, shape }) {
  const { metadata } = file;
  const [low, high] = [metadata?.low?.[number] ?? 0, metadata?.high?.[number] ?? 1];
  let fresh = true;
  let latest = 0;

  /** The slice that the controls name. */
  async function show() {
    const axis = Number(element("plane").value);
    const across = AXES.filter((other) => other !== axis);
    const at = element("slice").valueAsNumber;
    const mine = ++latest;
    const within = (sides, own) => AXES.map((other) => (other === axis ? own : sides[across.indexOf(other)]));
    const decode = async ({ start, extent, shape: size }) => {
      const view = { start: within(start, at), extent: within(extent, 1), shape: within(size, 1) };
      const { values } = await decoder.call("view", { item: number, ...view });
      return { width: size[1], height: size[0], pixels: grey(values) };
    };
    const size = across.map((other) => shape[other]);
    const base = await decode({ start: [0, 0], extent: size, shape: halved(size, baseHalvings(size)) });
    if (mine !== latest) return;
    showLayers([new DecodedLayer(decode, size, base, null)], size, { keep: !fresh });
    fresh = false;
    element("slice-text").textContent = `${at + 1} of ${shape[axis]}`;
    element("result").dataset.slice = `${axis} ${at}`;
  }

  change = show;
  element("slice-line").hidden = false;
  element("plane").value = "0";
  chooseMiddle(shape);
  element("plane").onchange = () => {
    fresh = true;
    chooseMiddle(shape);
    attempt(show);
  };
  element("picture").setAttribute("aria-label", "A slice of the volume");
  await show();
  return { "Lowest and highest value": `${low} and ${high}` };
}

function chooseMiddle(shape) {
  const count = shape[Number(element("plane").value)];
  element("slice").max = count - 1;
  element("slice").value = Math.floor(count / 2);
}

/** RGBA of values, 0 black and 1 white. */
function grey(values) {
  const pixels = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => {
    pixels.fill(255 * value, 4 * i, 4 * i + 3);
    pixels[4 * i + 3] = 255;
  });
  return pixels;
}

element("slice").addEventListener("input", () => attempt(() => change()));
