// A field on a globe that turns: orthographic projection, drawn by hand.

import { paint } from "./colours.js";

const TURN = 0.012; // degrees a millisecond
const STEP = 10; // degrees of an arrow key
const GRID = 30; // degrees between lines

const radians = (degrees) => (degrees * Math.PI) / 180;

/** Draws on a canvas; drag, arrow keys and `turning` move it. */
export class Globe {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this._canvas = canvas;
    this._context = canvas.getContext("2d");
    this._raster = null;
    this._frame = 0;
    this._last = 0;
    this.longitude = 0; // in the middle, degrees
    this.latitude = 20;
    this.turning = false;
    canvas.addEventListener("pointerdown", (event) => this._drag(event));
    canvas.addEventListener("keydown", (event) => this._press(event));
  }

  /**
   * Shows a raster of values: rows from pole to pole, columns from 0 degrees east.
   * @param {number[][][]} coasts Lines of [longitude, latitude] that are drawn over it.
   */
  show(raster, range, coasts) {
    Object.assign(this, { _raster: raster, _range: range, _coasts: coasts });
    this._request();
  }

  set turning(on) {
    this._turning = on;
    this._last = 0;
    this._request();
  }

  get turning() {
    return this._turning;
  }

  _request() {
    if (!this._frame) this._frame = requestAnimationFrame((now) => this._tick(now));
  }

  _tick(now) {
    this._frame = 0;
    if (!this._raster || !this._canvas.offsetParent) return; // there is nothing to see
    if (this._turning) {
      if (this._last) this.longitude -= (now - this._last) * TURN;
      this._last = now;
      this._request();
    }
    this._draw();
  }

  _drag(start) {
    const canvas = this._canvas;
    const { longitude, latitude } = this;
    const scale = 180 / canvas.clientWidth;
    canvas.setPointerCapture(start.pointerId);
    const move = (event) => {
      this.turning = false;
      this._look(
        longitude - (event.clientX - start.clientX) * scale,
        latitude + (event.clientY - start.clientY) * scale,
      );
    };
    canvas.addEventListener("pointermove", move);
    const end = () => canvas.removeEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end, { once: true });
    canvas.addEventListener("pointercancel", end, { once: true });
  }

  _press(event) {
    const [x, y] = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
    }[event.key] ?? [0, 0];
    if (!x && !y) return;
    event.preventDefault();
    this.turning = false;
    this._look(this.longitude + x * STEP, this.latitude + y * STEP);
  }

  _look(longitude, latitude) {
    this.longitude = longitude;
    this.latitude = Math.min(Math.max(latitude, -90), 90);
    this._canvas.dispatchEvent(new Event("look"));
    this._request();
  }

  _draw() {
    const { width: side } = this._canvas;
    const image = this._context.createImageData(side, side);
    const radius = side / 2 - 1;
    const [sine, cosine] = [Math.sin(radians(this.latitude)), Math.cos(radians(this.latitude))];
    const { width, height, values } = this._raster;
    const middle = (this.longitude / 360) * width;
    for (let row = 0; row < side; row++) {
      const y = (side / 2 - row - 0.5) / radius;
      for (let column = 0; column < side; column++) {
        const x = (column + 0.5 - side / 2) / radius;
        const square = 1 - x * x - y * y;
        if (square < 0) continue;
        const z = Math.sqrt(square);
        const north = Math.min(Math.max(y * cosine + z * sine, -1), 1);
        const east = Math.atan2(x, z * cosine - y * sine);
        const v = ((Math.PI / 2 - Math.asin(north)) / Math.PI) * (height - 1);
        const u = (east / (2 * Math.PI)) * width + middle;
        const [top, left] = [Math.min(Math.floor(v), height - 2), Math.floor(u)];
        const [p, q] = [v - top, u - left];
        const a = (((left % width) + width) % width) + top * width;
        const b = ((((left + 1) % width) + width) % width) + top * width;
        const value = (values[a] * (1 - q) + values[b] * q) * (1 - p)
          + (values[a + width] * (1 - q) + values[b + width] * q) * p;
        paint(image.data, 4 * (row * side + column), value, this._range);
      }
    }
    this._context.putImageData(image, 0, 0);
    this._drawLines(side / 2, radius, sine, cosine);
  }

  /** Coastlines, meridians and parallels. */
  _drawLines(centre, radius, sine, cosine) {
    const context = this._context;
    context.strokeStyle = "rgb(0 0 0 / 25%)";
    const line = (points) => {
      context.beginPath();
      let drawing = false;
      for (const [longitude, latitude] of points) {
        const east = radians(longitude - this.longitude);
        const [s, c] = [Math.sin(radians(latitude)), Math.cos(radians(latitude))];
        const seen = s * sine + c * Math.cos(east) * cosine > 0;
        const x = centre + radius * c * Math.sin(east);
        const y = centre - radius * (s * cosine - c * Math.cos(east) * sine);
        if (seen && drawing) context.lineTo(x, y);
        else if (seen) context.moveTo(x, y);
        drawing = seen;
      }
      context.stroke();
    };
    const steps = (from, to) =>
      Array.from({ length: (to - from) / 3 + 1 }, (_, i) => from + 3 * i);
    for (let meridian = 0; meridian < 360; meridian += GRID) {
      line(steps(-90, 90).map((latitude) => [meridian, latitude]));
    }
    for (let parallel = GRID - 90; parallel < 90; parallel += GRID) {
      line(steps(0, 360).map((longitude) => [longitude, parallel]));
    }
    context.strokeStyle = "rgb(0 0 0 / 70%)";
    this._coasts.forEach(line);
  }
}
