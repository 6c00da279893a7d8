// Where things are shown: the viewer with its buttons and two versions, and what turns.

import { element } from "./page.js";
import { Turntable } from "./turntable.js";
import { Viewer } from "./viewer.js";

const STEP = Math.SQRT2;
const LEAST_RATIO = 0.5; // of the frame's height to its width
const MOST_RATIO = 1;

/** Where pictures, maps and slices are shown. */
export const viewer = new Viewer(element("picture"));

/** Where shapes and scenes are. */
export const turntable = new Turntable(element("solid"));

viewer.onchange = () => {
  const percent = 100 * viewer.scale;
  element("scale-text").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}%`;
};

/**
 * Shows a picture, or two versions of it.
 * @param {Object[]} layers One or two; see `Viewer`.
 * @param {number[]} shape Rows and columns.
 * @param {{most?: number, keep?: boolean, names?: string[]}} options As of `Viewer.show`, and what
 *   the two versions are called.
 */
export function showLayers(layers, shape, { names = [], ...options } = {}) {
  element("picture-figure").hidden = false;
  const ratio = Math.min(Math.max(shape[0] / shape[1], LEAST_RATIO), MOST_RATIO);
  const { style } = element("frame");
  style.aspectRatio = String(1 / ratio);
  style.maxHeight = "80vh";
  const two = layers.length > 1;
  element("divider").hidden = element("split-line").hidden = !two;
  if (two) [element("left-name").textContent, element("right-name").textContent] = names;
  viewer.show(layers, shape, options);
}

function moveSplit() {
  viewer.split = element("split").valueAsNumber;
  element("divider").style.left = `${100 * viewer.split}%`;
  viewer.redraw();
}

element("split").addEventListener("input", moveSplit);
element("divider").addEventListener("pointerdown", (event) => {
  if (event.pointerType === "mouse" && event.button) return;
  event.target.setPointerCapture(event.pointerId); // and so its moves are those of a drag
});
element("divider").addEventListener("pointermove", (event) => {
  if (!event.target.hasPointerCapture(event.pointerId)) return;
  const { left, width } = element("frame").getBoundingClientRect();
  element("split").value = (event.clientX - left) / width;
  moveSplit();
});
element("divider").addEventListener("wheel", (event) => {
  event.preventDefault();
  viewer.canvas.dispatchEvent(new WheelEvent("wheel", event));
}, { passive: false });
element("fit").addEventListener("click", () => viewer.fit());
element("own").addEventListener("click", () => viewer.zoomTo(1));
element("smaller").addEventListener("click", () => viewer.zoomTo(viewer.scale / STEP));
element("larger").addEventListener("click", () => viewer.zoomTo(viewer.scale * STEP));
moveSplit();
