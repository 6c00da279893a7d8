// Sounds: their waves, and what plays them.

import { attempt, element } from "./page.js";

const LARGEST = 2 ** 24; // samples of a sound that a page plays
const DEFAULT_RATE = 8000; // hertz, where the file doesn't say

let playing = null; // the context and the source
let sound = null; // its samples and their rate

/** What metadata say of an item: one value for all, or a list. */
const of = (value, number) => (Array.isArray(value) ? value[number] : value);

/** Writes runs of equal samples, `START+COUNT[=VALUE]`, over what the tiles give. */
function writeRuns(samples, runs) {
  for (const run of runs ? runs.split(" ") : []) {
    const [, start, count, value = "0"] = /^(\d+)\+(\d+)(?:=(.+))?$/.exec(run) ?? [];
    if (start !== undefined) samples.fill(Number(value), Number(start), Number(start) + Number(count));
  }
}

/** Shows an item; as of the views in main.js. */
export async function showSound(decoder, file, { number, shape }) {
  const [length] = shape;
  const extent = [Math.min(length, LARGEST)];
  const { values } = await decoder.call("view", { item: number, start: [0], extent, shape: extent });
  const { rate, mean, runs } = file.metadata ?? {};
  const samples = Float32Array.from(values, (value) => value + (of(mean, number) ?? 0));
  writeRuns(samples, of(runs, number));
  const known = of(rate, number);
  sound = { samples, rate: known ?? DEFAULT_RATE };
  element("sound-figure").hidden = false;
  drawWave();
  const seconds = length / sound.rate;
  element("sound-text").textContent = `${seconds.toFixed(2)} seconds`;
  return {
    "Samples a second": known === undefined ? `${DEFAULT_RATE}, as the file doesn't say` : String(known),
  };
}

/** The least and largest sample of each column. */
function drawWave() {
  if (!sound) return;
  const canvas = element("wave");
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const { samples } = sound;
  const largest = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    const part = samples.subarray(from, to);
    const [low, high] = [Math.min, Math.max].map((pick) => part.reduce((a, b) => pick(a, b)) / largest);
    const top = ((1 - high) / 2) * height;
    context.fillRect(x, top, 1, Math.max(1, ((high - low) / 2) * height));
  }
}

/** Ends what plays. */
export function stopSound() {
  playing?.context.close();
  playing = null;
  element("play").textContent = "Play";
}

function play() {
  const context = new AudioContext();
  const buffer = context.createBuffer(1, sound.samples.length, sound.rate);
  buffer.copyToChannel(sound.samples, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.onended = () => playing?.source === source && stopSound();
  source.start();
  playing = { context, source };
  element("play").textContent = "Stop";
}

element("play").addEventListener("click", () => attempt(async () => (playing ? stopSound() : play())));
addEventListener("resize", drawWave);
