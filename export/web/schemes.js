// The kinds of codecs: what decodes the files of each.

import { MscnError } from "./errors.js";
import { InterpolationReader } from "./interpolations.js";
import { PyramidReader } from "./pyramids.js";
import { SurfaceReader } from "./surfaces.js";
import { TileReader } from "./tiles.js";

// By the words that manifests have for them; older ones call tiles "basis".
const TILES = {
  Reader: TileReader,
  keepsBounds: true,
};
const PYRAMID = {
  Reader: PyramidReader,
  keepsBounds: false,
};
const INTERPOLATION = {
  Reader: InterpolationReader,
  keepsBounds: true,
  hasParents: true,
  inUnits: true,
};
const SURFACE = {
  Reader: SurfaceReader,
  keepsBounds: false,
  inUnits: true,
};
const SCHEMES = new Map([
  ["tiles", TILES], ["basis", TILES], ["modulated", TILES],
  ["pyramid", PYRAMID], ["interpolation", INTERPOLATION], ["surface", SURFACE],
]);

/**
 * What a bundle's kind of codec is.
 * @param {Bundle} bundle
 * @returns {{Reader: Function, keepsBounds: boolean, hasParents?: boolean, inUnits?: boolean}} What
 *   decodes items; whether files can have an error bound; whether items can follow from others;
 *   whether values are in the signal's own unit, else 0 to 1.
 * @throws {MscnError} This page knows no such kind.
 */
export function schemeOf(bundle) {
  const scheme = SCHEMES.get(bundle.kind);
  if (!scheme) {
    throw new MscnError(`bundle ${bundle.name}: a codec of kind ${bundle.kind}; get a newer page`);
  }
  return scheme;
}
