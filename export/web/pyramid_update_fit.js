// Fits to a picture what it changes in the model of scales, as `mscn_tf.fitting.pyramid_update` does.

const SIZES = 64; // larger symbols count as the largest
const UNIT = 4096; // parts of a bit: sums of whole ones are the same in any order

const whole = (bits) => Math.floor(bits * UNIT + 0.5);

/** What each size costs by each table: [T][sizes]. */
function costsOf(tables) {
  return Array.from({ length: tables.count }, (_, table) =>
    Float64Array.from({ length: SIZES }, (_size, size) => whole(tables.bits(size, table))));
}

/**
 * The update under which symbols cost least, itself included.
 * @param {PyramidPrior} prior One that has `updates`.
 * @param {Int32Array[][]} details Symbols by level and band.
 * @param {Uint16Array[][]} indices What the network predicts for them.
 */
export function chosenUpdate(prior, details, indices) {
  const { updates } = prior;
  const [costs, update] = [costsOf(prior.tables), updates.none()];
  const [without, told] = updates.costs[0];
  let gained = -whole(without) * updates.levels;
  details.forEach((bands, level) => {
    let saved = whole(without) - whole(told);
    bands.forEach((symbols, band) => {
      const seen = new Uint32Array(costs.length * SIZES);
      const tables = indices[level][band];
      symbols.forEach((symbol, i) => {
        seen[tables[i] * SIZES + Math.min(Math.abs(symbol), SIZES - 1)]++;
      });
      const found = best(updates, seen, costs);
      update[level][band] = found.own;
      saved += found.saved;
    });
    if (saved <= 0) update[level] = updates.none()[level];
    gained += Math.max(saved, 0);
  });
  return gained > 0 ? update : updates.none();
}

/** The update of a band, and what it saves. */
function best(updates, seen, costs) {
  const used = costs.map((_, table) => table).filter((table) =>
    seen.subarray(table * SIZES, (table + 1) * SIZES).some((count) => count));
  const becoming = used.map((table) => costs.map((cost) =>
    cost.reduce((sum, bits, size) => sum + bits * seen[table * SIZES + size], 0)));
  const before = used.reduce((sum, table, i) => sum + becoming[i][table], 0);
  let [own, least] = [[0, 0], 0];
  for (const axis of [0, 1, 0]) {
    const limit = updates.limits[axis];
    const start = own;
    least = Infinity;
    for (let value = -limit; value <= limit; value++) {
      const candidate = start.map((given, i) => (i === axis ? value : given));
      const price = candidate.reduce((sum, given, i) =>
        sum + whole(updates.costs[1 + i][given + updates.limits[i]]), 0);
      const total = used.reduce((sum, table, i) =>
        sum + becoming[i][updates.mapped(table, candidate)], price);
      if (total < least) [own, least] = [candidate, total];
    }
  }
  return { own, saved: before - least };
}
