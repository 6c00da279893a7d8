// Meshes and voxels: their surface, which turns.

import { turntable } from "./stage.js";
import { surfaceOf } from "./surface.js";
import { linked } from "./turntable.js";

const LARGEST_SIDE = 80; // samples that the surface is looked for in
const CANVAS = 720; // pixels a side
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

let program = null;
const buffers = {};

/** Gives WebGL triangles: places and normals, three numbers a point. */
function upload(gl, arrays) {
  for (const [name, data] of Object.entries(arrays)) {
    const at = gl.getAttribLocation(program, name);
    buffers[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, 3, gl.FLOAT, false, 0, 0);
  }
}

/** Around the vertical axis, then up: columns of the matrix. */
function turned([around, up]) {
  const [s, c, t, d] = [Math.sin(around), Math.cos(around), Math.sin(up), Math.cos(up)];
  return [c, t * s, -d * s, 0, d, t, s, -t * c, d * c];
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
  const upright = (numbers, place) => {
    const out = new Float32Array(numbers.length);
    for (let i = 0; i < out.length; i += 3) {
      [right, up, front].forEach((axis, k) => (out[i + k] = place(numbers[i + axis], axis)));
    }
    return out;
  };
  const { gl } = turntable;
  program ??= linked(gl, VERTEX, FRAGMENT);
  upload(gl, {
    place: upright(positions, (value, axis) => (value * unit[axis] - middle[axis]) / radius),
    normal: upright(normals, (value) => value),
  });
  const draw = ({ angles, zoom }) => {
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    gl.uniformMatrix3fv(gl.getUniformLocation(program, "turn"), false, turned(angles));
    gl.uniform1f(gl.getUniformLocation(program, "zoom"), zoom);
    gl.drawArrays(gl.TRIANGLES, 0, positions.length / 3);
  };
  turntable.show(draw, { label: "The shape", side: CANVAS });
  return { Triangles: String(positions.length / 9) };
}
