// Scenes: their radiance grids, rendered from any side.

import { MscnError } from "./errors.js";
import { linked } from "./turntable.js";
import { turntable } from "./stage.js";

const LARGEST_SIDE = 256; // points of a grid along an axis that a texture holds anywhere
const CANVAS = 400; // pixels a side: each of its rays takes hundreds of samples
const ELEVATION = Math.PI / 6; // as `mscn decode` has it
const DEFAULTS = { distance: 3, focal: 1.2 }; // of the eye; of its lens, in widths of the picture
const DENSITY_SCALE = 100; // per half side of the cube, of a first channel of 1
const SAMPLES_PER_CELL = 2;

const VERTEX = `#version 300 es
out vec2 place;
void main() {
  place = vec2(gl_VertexID == 1 ? 3 : -1, gl_VertexID == 2 ? 3 : -1);
  gl_Position = vec4(place, 0, 1);
}`;

// Volume rendering (NeRF, Mildenhall et al. 2020, eq. 3), sampled as mscn_tf/runtime/rendering.py does.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
uniform sampler3D grid;
uniform mat3 camera;
uniform float eye; // from the middle
uniform float focal;
uniform int count;
uniform vec4 ground;
in vec2 place;
out vec4 colour;
void main() {
  vec3 origin = eye * camera[2];
  vec3 direction = camera * normalize(vec3(place / (2.0 * focal), -1));
  vec3 low = (-1.0 - origin) / direction;
  vec3 high = (1.0 - origin) / direction;
  vec3 enter = min(low, high);
  vec3 leave = max(low, high);
  float near = max(max(max(enter.x, enter.y), enter.z), 0.0);
  float far = min(min(leave.x, leave.y), leave.z);
  vec4 seen = vec4(0);
  float stride = (far - near) / float(count);
  for (int i = 0; stride > 0.0 && i < count; i++) {
    vec3 point = origin + (near + (float(i) + 0.5) * stride) * direction;
    vec4 value = texture(grid, 0.5 * point.zyx + 0.5);
    float opacity = 1.0 - exp(-${DENSITY_SCALE.toFixed(1)} * max(value.r, 0.0) * stride);
    seen += (1.0 - seen.a) * opacity * vec4(clamp(value.gba, 0.0, 1.0), 1);
  }
  colour = seen + (1.0 - seen.a) * ground;
}`;

let program = null;
let texture = null;

/** Puts a grid [R, R, R, 4], axes x, y, z, into the texture, between whose points it is linear. */
function upload(gl, values, side) {
  gl.deleteTexture(texture);
  texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA16F, side, side, side, 0, gl.RGBA, gl.FLOAT, values);
  for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
    gl.texParameteri(gl.TEXTURE_3D, name, gl.CLAMP_TO_EDGE);
  }
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    gl.texParameteri(gl.TEXTURE_3D, name, gl.LINEAR);
  }
}

/** The axes of a camera that looks at the middle, z up: columns right, up and back. */
function cameraAt([around, up]) {
  const [s, c, sin, cos] = [Math.sin(around), Math.cos(around), Math.sin(up), Math.cos(up)];
  return [-s, c, 0, -sin * c, -sin * s, cos, cos * c, cos * s, sin];
}

/** Where the file's camera stands and how it sees, and what lies behind the scene. */
function viewOf(metadata, source) {
  const { distance, focal, picture_size: [width] = [], ground } = metadata ?? {};
  const view = {
    distance: Number(distance ?? DEFAULTS.distance),
    focal: width ? Number(focal ?? DEFAULTS.focal * width) / width : DEFAULTS.focal,
    ground: ground ? [...ground, 1].map(Number) : [0, 0, 0, 0],
  };
  const all = [view.distance, view.focal, ...view.ground];
  if (view.ground.length !== 4 || !all.every(Number.isFinite) || view.focal <= 0) {
    throw new MscnError(`${source}: damaged metadata, no camera; get a fresh copy`);
  }
  return view;
}

/** Shows an item; as of the views in main.js. */
export async function showScene(decoder, file, { number, shape }) {
  const [side] = shape;
  if (shape.some((other) => other !== side) || side > LARGEST_SIDE) {
    throw new MscnError(
      `${file.name}: this page shows scenes of one side, up to ${LARGEST_SIDE} points; take mscn decode`,
    );
  }
  const view = viewOf(file.metadata, file.name);
  const { values } = await decoder.call("view", { item: number, start: [0, 0, 0], extent: shape, shape });
  const { gl } = turntable;
  program ??= linked(gl, VERTEX, FRAGMENT);
  upload(gl, Float32Array.from(values), side);
  const at = (name) => gl.getUniformLocation(program, name);
  const draw = ({ angles: [around, up], zoom }) => {
    gl.useProgram(program);
    gl.disable(gl.DEPTH_TEST);
    gl.uniformMatrix3fv(at("camera"), false, cameraAt([-around, up]));
    gl.uniform1f(at("eye"), view.distance);
    gl.uniform1f(at("focal"), view.focal * zoom);
    gl.uniform1i(at("count"), SAMPLES_PER_CELL * side);
    gl.uniform4fv(at("ground"), view.ground);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
  turntable.show(draw, { label: "The scene", side: CANVAS, angles: [0, ELEVATION] });
  return {};
}
