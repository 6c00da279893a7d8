// Fields on the sphere: a map, north up, with coastlines, and a globe.

import { halved } from "./blocks.js";
import { pixelsOf, rangeOf } from "./colours.js";
import { coastlines } from "./coastlines.js";
import { variableOf } from "./fields.js";
import { Globe } from "./globe.js";
import { DecodedLayer, baseHalvings } from "./layers.js";
import { element } from "./page.js";
import { positionOf } from "./sphere.js";
import { showLayers, viewer } from "./stage.js";

const GLOBE_GRID = [181, 360];
const KELVIN = 273.15;
const COAST = "rgb(0 0 0 / 70%)";

const globe = new Globe(element("globe"));
let current = null; // what the pointer is asked for

/** A value in words: kelvins as degrees Celsius. */
function valueText(value, units) {
  if (Number.isNaN(value)) return "no value";
  if (/^(K|kelvin|kelvins|degK)$/i.test(units)) return `${(value - KELVIN).toFixed(1)} °C`;
  return `${Number(value.toPrecision(4))} ${units}`.trim();
}

const degrees = (value, [positive, negative]) =>
  `${Math.abs(value).toFixed(1)}° ${value < 0 ? negative : positive}`;

/** A field with coastlines over it. */
class MapLayer extends DecodedLayer {
  /** @param {Path2D} coast In samples. */
  constructor(decode, shape, base, range, coast) {
    super(decode, shape, base, range);
    this._coast = coast;
  }

  draw(context, viewer) {
    super.draw(context, viewer);
    const [height, width] = this._shape;
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.lineWidth = devicePixelRatio / context.getTransform().a;
    context.strokeStyle = COAST;
    context.stroke(this._coast);
  }
}

/** Coastlines in samples of a map whose rows and columns lie at these degrees. */
function coastOn({ latitudes, longitudes }, lines) {
  const path = new Path2D();
  const low = Math.min(longitudes[0], longitudes[longitudes.length - 1]);
  const step = Math.abs(longitudes[1] - longitudes[0]) / 2 || 0;
  const around = (longitude) => low - step + ((((longitude - low + step) % 360) + 360) % 360);
  for (const line of lines) {
    let before = null;
    for (const [longitude, latitude] of line) {
      const east = around(longitude);
      const x = positionOf(longitudes, east) + 0.5;
      const y = positionOf(latitudes, latitude) + 0.5;
      if (before === null || Math.abs(east - before) > 180) path.moveTo(x, y);
      else path.lineTo(x, y);
      before = east;
    }
  }
  return path;
}

/** Shows an item; as of the views in main.js. */
export async function showField(decoder, file, { number, shape }) {
  const { name, units } = variableOf(file.metadata, number);
  const axes = await decoder.call("axes", number);
  const base = await decoder.call("view", {
    item: number, start: [0, 0], extent: shape, shape: halved(shape, baseHalvings(shape)),
  });
  const range = rangeOf(base.values);
  const lines = await coastlines();
  const { placed } = axes;
  const hasMap = placed && Math.min(...shape) > 1;
  const coast = hasMap ? coastOn(axes, lines) : new Path2D();
  const decode = (view) => decoder.call("view", { item: number, ...view });
  showLayers([new MapLayer(decode, shape, base, range, coast)], shape);
  current = { axes, base, shape, units };
  showLegend(range, units);
  element("picture").setAttribute("aria-label", `Map of ${file.names?.[number] ?? (name || file.name)}`);
  element("globe-figure").hidden = !placed;
  const facts = name ? { Variable: name } : {};
  if (!placed) return { ...facts, Grid: "one that is not of latitudes and longitudes: as it is stored, without coasts" };
  const raster = await decoder.call("globe", number, ...GLOBE_GRID);
  globe.show(raster, range, lines);
  return facts;
}

function showLegend(range, units) {
  element("legend").hidden = false;
  [element("lowest").textContent, element("highest").textContent] =
    range.map((value) => valueText(value, units));
  element("value").textContent = "";
  const scale = element("scale");
  const values = Float32Array.from({ length: scale.width * scale.height }, (_, i) => i % scale.width);
  const pixels = pixelsOf({ values }, [0, scale.width - 1]);
  scale.getContext("2d").putImageData(new ImageData(pixels, scale.width, scale.height), 0, 0);
}

/** Says what the field is under the pointer. */
element("picture").addEventListener("pointermove", (event) => {
  if (!current || element("legend").hidden) return;
  const { axes, base, shape, units } = current;
  const [row, column] = viewer.placeOf(event);
  if (row < 0 || column < 0 || row >= shape[0] || column >= shape[1]) return;
  const [y, x] = [(row * base.height) / shape[0], (column * base.width) / shape[1]].map(Math.floor);
  const [latitude, longitude] =
    [axes.latitudes[Math.floor(row)], axes.longitudes[Math.floor(column)]];
  const east = longitude > 180 ? longitude - 360 : longitude;
  const place = axes.placed ? `at ${degrees(latitude, "NS")}, ${degrees(east, "EW")}`
    : `in row ${Math.floor(row) + 1}, column ${Math.floor(column) + 1}`;
  element("value").textContent = `${valueText(base.values[y * base.width + x], units)} ${place}`;
});

/** The globe's button says what it will do. */
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
