// Pictures and silhouettes.

import { Blocks, halved } from "./blocks.js";
import { DecodedLayer, baseHalvings } from "./layers.js";
import { attempt, element } from "./page.js";
import { showLayers } from "./stage.js";

/** What the version beside the picture is called, by the codec's kind. */
const NAMES = {
  pyramid: ["The file", "Its pixels, enlarged"],
  others: ["The file: a function, at more points", "Its pixels, enlarged"],
};

let showAgain = () => {};

/** Shows an item; as of the views in main.js. */
export async function showPicture(decoder, file, { number, shape }) {
  const whole = { item: number, start: [0, 0], extent: shape };
  const base = await decoder.call("view", { ...whole, shape: halved(shape, baseHalvings(shape)) });
  const decode = (call) => (view) => decoder.call(call, { item: number, ...view });
  const blocks = new Blocks(decode("view"), shape, null);
  const layer = (call) => new DecodedLayer(decode(call), shape, base, null, blocks);
  const most = file.kind === "pyramid" ? 1 : Infinity;
  showAgain = (keep) => {
    const two = element("compare").checked;
    const layers = two ? [layer("view"), layer("bicubic")] : [layer("view")];
    showLayers(layers, shape, { most, keep, names: NAMES[file.kind] ?? NAMES.others });
  };
  element("compare-label").hidden = false;
  element("picture").setAttribute("aria-label", `The picture: ${file.names?.[number] ?? file.name}`);
  showAgain(false);
  return {};
}

element("compare").addEventListener("change", () => attempt(async () => showAgain(true)));
