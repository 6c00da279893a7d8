// A canvas that shows a picture at any scale: wheel, pinch, drag and keys move it.

import { report } from "./page.js";

const LARGEST_SCALE = 64; // device pixels a sample
const WHEEL = 0.0015; // of a doubling, a pixel that the wheel turns
const LINE = 16; // pixels of a line that it turns
const KEY_STEP = 1 / 8; // of the canvas
const KEY_FACTOR = Math.SQRT2;

/**
 * Shows one layer, or two with a line between them.
 *
 * A layer has `draw(context, viewer)`, in samples of the picture, and `refresh(viewer)`, a promise,
 * which is asked for when another part is seen. Once all layers have what they need, the canvas is "settled".
 */
export class Viewer {
  /** @param {HTMLCanvasElement} canvas Whose size in CSS pixels the page decides. */
  constructor(canvas) {
    this.canvas = canvas;
    this._context = canvas.getContext("2d");
    this._layers = [];
    this._shape = [1, 1];
    this._middle = [0, 0]; // the sample in the canvas's middle, row and column
    this._fingers = new Map();
    this._frame = 0;
    this._fitted = true;
    this._most = Infinity;
    this.split = 0.5;
    this.scale = 1; // device pixels a sample
    this.onchange = () => {};
    new ResizeObserver(() => this._resize()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this._press(event));
    canvas.addEventListener("pointermove", (event) => this._move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this._fingers.delete(event.pointerId));
    }
    canvas.addEventListener("keydown", (event) => this._key(event));
  }

  /**
   * Shows other layers.
   * @param {number[]} shape Rows and columns of the picture.
   * @param {{most?: number, keep?: boolean}} options Device pixels a sample that it is enlarged to
   *   at most to fill the canvas; whether scale and place stay as they are.
   */
  show(layers, shape, { most = Infinity, keep = false } = {}) {
    this._layers = layers;
    this._shape = shape;
    this._most = most;
    if (keep) this.changed();
    else this.fit();
  }

  /** Whether a layer is among those that are shown. */
  shows(layer) {
    return this._layers.includes(layer);
  }

  /** Puts the whole picture into the canvas. */
  fit() {
    this._fitted = true;
    this._middle = this._shape.map((side) => side / 2);
    this.scale = this._fitScale();
    this.changed();
  }

  /** Shows so many device pixels a sample around a place, by default the middle. */
  zoomTo(scale, at = this._middle) {
    const least = Math.min(this._fitScale(), 1);
    const next = Math.min(Math.max(scale, least), LARGEST_SCALE);
    this._middle = this._middle.map((middle, axis) =>
      at[axis] + ((middle - at[axis]) * this.scale) / next);
    this._fitted = next <= this._fitScale();
    this.scale = next;
    this.changed();
  }

  /** Rows and columns that are seen, whole ones: `{start, extent}`. */
  get region() {
    const { width, height } = this.canvas;
    const spans = [height, width].map((side, axis) => {
      const half = side / 2 / this.scale;
      const [low, high] = [this._middle[axis] - half, this._middle[axis] + half];
      const start = Math.min(Math.max(Math.floor(low), 0), this._shape[axis] - 1);
      return [start, Math.min(Math.max(Math.ceil(high), start + 1), this._shape[axis])];
    });
    return { start: spans.map(([start]) => start), extent: spans.map(([a, b]) => b - a) };
  }

  /** The place of a pointer in samples: row and column. */
  placeOf(event) {
    const frame = this.canvas.getBoundingClientRect();
    const share = [(event.clientY - frame.top) / frame.height, (event.clientX - frame.left) / frame.width];
    return [this.canvas.height, this.canvas.width].map((side, axis) =>
      this._middle[axis] + ((share[axis] - 0.5) * side) / this.scale);
  }

  /** Draws anew, and lets layers fetch what is seen now. */
  changed() {
    this._keepInside();
    // One finger scrolls the page while there is nothing to move.
    this.canvas.style.touchAction = this._fitted ? "pan-y" : "none";
    this.redraw();
    this.onchange();
    const layers = this._layers;
    Promise.all(layers.map((layer) => layer.refresh(this))).then(() => {
      if (layers === this._layers) this.canvas.dispatchEvent(new Event("settled"));
    }).catch(report);
  }

  /** Draws what there is. */
  redraw() {
    if (!this._frame) this._frame = requestAnimationFrame(() => this._draw());
  }

  _fitScale() {
    const { width, height } = this.canvas;
    return Math.min(width / this._shape[1], height / this._shape[0], this._most);
  }

  _resize() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
      Math.max(1, Math.round(side * devicePixelRatio)));
    if (width === canvas.width && height === canvas.height) return;
    Object.assign(canvas, { width, height });
    if (this._fitted) this.fit();
    else this.changed();
  }

  /** Leaves no room beside a picture that is larger than the canvas; a smaller one is centred. */
  _keepInside() {
    const sides = [this.canvas.height, this.canvas.width];
    this._middle = this._middle.map((middle, axis) => {
      const half = sides[axis] / 2 / this.scale;
      const side = this._shape[axis];
      return side <= 2 * half ? side / 2 : Math.min(Math.max(middle, half), side - half);
    });
  }

  _draw() {
    this._frame = 0;
    const { canvas, scale, _context: context } = this;
    const [height, width] = [canvas.height, canvas.width];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    const [y, x] = [height, width].map((side, axis) =>
      Math.round(side / 2 - this._middle[axis] * scale));
    const border = Math.round(width * this.split);
    this._layers.forEach((layer, number) => {
      const [left, right] = this._layers.length < 2 ? [0, width] : [[0, border], [border, width]][number];
      context.save();
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.beginPath();
      context.rect(left, 0, right - left, height);
      context.clip();
      context.setTransform(scale, 0, 0, scale, x, y);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      layer.draw(context, this);
      context.restore();
    });
  }

  _wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
    this.zoomTo(this.scale * 2 ** (-pixels * WHEEL * (event.ctrlKey ? 4 : 1)), this.placeOf(event));
  }

  _press(event) {
    if (event.pointerType === "mouse" && event.button) return;
    this._fingers.set(event.pointerId, this.placeOf(event));
    if (!this._fitted || this._fingers.size > 1) this.canvas.setPointerCapture(event.pointerId);
  }

  /** Keeps the samples that fingers touched under them. */
  _move(event) {
    const held = this._fingers.get(event.pointerId);
    if (!held) return;
    const now = this.placeOf(event);
    const [other] = [...this._fingers].filter(([id]) => id !== event.pointerId);
    if (other) {
      const apart = ([a, b]) => Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1e-6);
      this.zoomTo((this.scale * apart([now, other[1]])) / apart([held, other[1]]), other[1]);
    } else if (!this._fitted) {
      this._middle = this._middle.map((middle, axis) => middle + held[axis] - now[axis]);
      this.changed();
    }
    this._fingers.set(event.pointerId, other ? this.placeOf(event) : held);
  }

  _key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [down, right] = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    }[event.key] ?? [0, 0];
    const scale = {
      "+": this.scale * KEY_FACTOR, "=": this.scale * KEY_FACTOR, "-": this.scale / KEY_FACTOR, 1: 1,
    }[event.key];
    if (!down && !right && !scale && event.key !== "0") return;
    event.preventDefault();
    if (event.key === "0") return this.fit();
    if (scale) return this.zoomTo(scale);
    const sides = [this.canvas.height, this.canvas.width];
    this._middle = this._middle.map((middle, axis) =>
      middle + ([down, right][axis] * sides[axis] * KEY_STEP) / this.scale);
    return this.changed();
  }
}
