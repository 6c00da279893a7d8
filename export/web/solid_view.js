// Meshes and voxels: their surface, which turns.

import { MscnError } from "./errors.js";
import { element } from "./page.js";
import { surfaceOf } from "./surface.js";

const LARGEST_SIDE = 80; // samples that the surface is looked for in
const KEY_TURN = Math.PI / 18;
const LIGHT = [0.4, 0.6, 0.7];
const DISTANCE = 3; // of the eye, in halves of the shape's diagonal

const VERTEX = `#version 300 es
uniform mat3 turn;
uniform float zoom;
in vec3 place;
in vec3 normal;
out vec3 facing;
void main() {
  vec3 p = turn * place;
  facing = turn * normal;
  gl_Position = vec4(p.xy * zoom * 2.7, -p.z - 0.2, ${DISTANCE.toFixed(1)} - p.z);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 facing;
out vec4 colour;
void main() {
  float light = max(dot(normalize(facing), normalize(vec3(${LIGHT.join(",")}))), 0.0);
  colour = vec4(vec3(0.35, 0.55, 0.8) * (0.3 + 0.8 * light), 1.0);
}`;

/** Draws triangles that turn. */
class Solid {
  constructor(canvas) {
    this._canvas = canvas;
    this._gl = canvas.getContext("webgl2");
    this._angles = [0.5, 0.5]; // around the vertical axis, and up
    this._zoom = 1;
    this._count = 0;
    if (this._gl) this._program = this._linked();
    canvas.addEventListener("pointerdown", (event) => this._drag(event));
    canvas.addEventListener("keydown", (event) => this._key(event));
  }

  _linked() {
    const gl = this._gl;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    return program;
  }

  /** Shows triangles: places and normals, three numbers a point. */
  show(positions, normals) {
    const gl = this._gl;
    if (!gl) throw new MscnError("this browser has no WebGL 2, which shapes are drawn with");
    for (const [name, data] of [["place", positions], ["normal", normals]]) {
      const at = gl.getAttribLocation(this._program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 0, 0);
    }
    this._count = positions.length / 3;
    this._zoom = 1;
    this._draw();
  }

  _draw() {
    const gl = this._gl;
    const [[s, t], [c, d]] = [this._angles.map(Math.sin), this._angles.map(Math.cos)];
    // Around the vertical axis, then up: columns of the matrix.
    const turn = [c, t * s, -d * s, 0, d, t, s, -t * c, d * c];
    gl.viewport(0, 0, this._canvas.width, this._canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniformMatrix3fv(gl.getUniformLocation(this._program, "turn"), false, turn);
    gl.uniform1f(gl.getUniformLocation(this._program, "zoom"), this._zoom);
    gl.drawArrays(gl.TRIANGLES, 0, this._count);
    this._canvas.dataset.angles = this._angles.map((angle) => angle.toFixed(3)).join();
  }

  _turn(around, up) {
    const [own, height] = this._angles;
    this._angles = [own + around, Math.min(Math.max(height + up, -Math.PI / 2), Math.PI / 2)];
    this._draw();
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
    const factor = { "+": 1.2, "=": 1.2, "-": 1 / 1.2 }[event.key];
    if (!x && !y && !factor) return;
    event.preventDefault();
    if (factor) this._zoom = Math.min(Math.max(this._zoom * factor, 0.3), 8);
    this._turn(x * KEY_TURN, y * KEY_TURN);
  }
}

/** A ball around points whose numbers are multiplied by `unit`: that around their box. */
function ballAround(positions, unit) {
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  positions.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value * unit[i % 3]);
    high[i % 3] = Math.max(high[i % 3], value * unit[i % 3]);
  });
  const middle = low.map((value, axis) => (value + high[axis]) / 2);
  return { middle, radius: Math.hypot(...low.map((value, axis) => high[axis] - value)) / 2 || 1 };
}

let solid = null;

/** Shows an item; as of the views in main.js. */
export async function showSolid(decoder, file, { number, shape }) {
  const shrink = Math.min(1, LARGEST_SIDE / Math.max(...shape));
  const own = shape.map((side) => Math.max(2, Math.round(side * shrink)));
  const view = { item: number, start: [0, 0, 0], extent: shape, shape: own };
  const { values } = await decoder.call("view", view);
  // Of meshes distances are negative inside; voxels are filled above a half.
  const mesh = file.modality === "mesh";
  const { positions, normals } = surfaceOf(mesh ? values.map((value) => -value) : values, own, mesh ? 0 : 0.5);
  const unit = shape.map((side, axis) => side / own[axis]);
  const { middle, radius } = ballAround(positions, unit);
  // Axes are x, y, z; the last one of a mesh, and y of voxels, which lie in binvox's order, go up.
  const [right, up, front] = mesh ? [1, 2, 0] : [0, 2, 1];
  const turned = (numbers, place) => {
    const out = new Float32Array(numbers.length);
    for (let i = 0; i < out.length; i += 3) {
      [right, up, front].forEach((axis, k) => (out[i + k] = place(numbers[i + axis], axis)));
    }
    return out;
  };
  element("solid-figure").hidden = false;
  solid ??= new Solid(element("solid"));
  solid.show(
    turned(positions, (value, axis) => (value * unit[axis] - middle[axis]) / radius),
    turned(normals, (value) => value),
  );
  return { Triangles: String(positions.length / 9) };
}
