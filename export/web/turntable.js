// A canvas for what can be turned: drag, arrow keys, and + and - for its size.

import { MscnError } from "./errors.js";

const KEY_TURN = Math.PI / 18;
const KEY_FACTOR = 1.2;
const ZOOMS = [0.3, 8];
const FIRST = [0.5, 0.5]; // angles around the vertical axis, and up

/** Draws something with WebGL from an eye that goes around it. */
export class Turntable {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this._canvas = canvas;
    this._gl = null;
    this._drawing = null;
    this._frame = 0;
    canvas.addEventListener("pointerdown", (event) => this._drag(event));
    canvas.addEventListener("keydown", (event) => this._key(event));
  }

  /**
   * What draws here.
   * @returns {WebGL2RenderingContext}
   * @throws {MscnError} The browser has none.
   */
  get gl() {
    this._gl ??= this._canvas.getContext("webgl2", { preserveDrawingBuffer: true });
    if (!this._gl) throw new MscnError("this browser has no WebGL 2, which shapes and scenes are drawn with");
    return this._gl;
  }

  /**
   * Shows another thing.
   * @param {function({angles: number[], zoom: number}): void} drawing Draws it on an empty canvas:
   *   angles in radians, around the vertical axis and up.
   * @param {{label: string, side: number, angles?: number[]}} options What it is called, its height
   *   and width in pixels, and from where it is seen at first.
   */
  show(drawing, { label, side, angles = FIRST }) {
    Object.assign(this, { _drawing: drawing, _angles: angles, _zoom: 1 });
    Object.assign(this._canvas, { width: side, height: side });
    this._canvas.closest("figure").hidden = false;
    this._canvas.setAttribute("aria-label", `${label}: arrow keys turn it, + and - change its size`);
    this._draw();
  }

  _draw() {
    const { gl, _canvas: canvas, _angles: angles, _zoom: zoom } = this;
    this._frame = 0;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    this._drawing({ angles, zoom });
    canvas.dataset.angles = angles.map((angle) => angle.toFixed(3)).join();
  }

  _turn(around, up) {
    const [own, height] = this._angles;
    this._angles = [own + around, Math.min(Math.max(height + up, -Math.PI / 2), Math.PI / 2)];
    this._frame ||= requestAnimationFrame(() => this._draw());
  }

  _drag(start) {
    const canvas = this._canvas;
    canvas.setPointerCapture(start.pointerId);
    let last = start;
    const move = (event) => {
      const unit = Math.PI / canvas.clientWidth;
      this._turn((event.clientX - last.clientX) * unit, (event.clientY - last.clientY) * unit);
      last = event;
    };
    canvas.addEventListener("pointermove", move);
    const end = () => canvas.removeEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end, { once: true });
    canvas.addEventListener("pointercancel", end, { once: true });
  }

  _key(event) {
    const [x, y] = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    }[event.key] ?? [0, 0];
    const factor = { "+": KEY_FACTOR, "=": KEY_FACTOR, "-": 1 / KEY_FACTOR }[event.key];
    if (!x && !y && !factor) return;
    event.preventDefault();
    if (factor) this._zoom = Math.min(Math.max(this._zoom * factor, ZOOMS[0]), ZOOMS[1]);
    this._turn(x * KEY_TURN, y * KEY_TURN);
  }
}

/** A program of two shaders, ready to use. */
export function linked(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new MscnError(`this browser's WebGL can't draw it (${gl.getProgramInfoLog(program)})`);
  }
  return program;
}
