// Coastlines (Natural Earth, 1:110 million, public domain), from the TopoJSON of npm's world-atlas.

let arcs = null;

/** Lines of [longitude, latitude] in degrees; none where the file is missing. */
export async function coastlines() {
  if (!arcs) {
    const answer = await fetch(new URL("vendor/land.json", import.meta.url));
    arcs = answer.ok ? decoded(await answer.json()) : [];
  }
  return arcs;
}

/** Arcs are sums of steps in whole numbers; the file's frame, at 180 degrees and the pole, is none. */
function decoded({ arcs: coded, transform: { scale, translate } }) {
  return coded.flatMap((arc) => {
    let [x, y] = [0, 0];
    const points = arc.map(([dx, dy]) => {
      [x, y] = [x + dx, y + dy];
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
    return cut(points, ([longitude, latitude]) => Math.abs(longitude) > 179.9 || latitude < -89.9);
  });
}

/** The parts of a line between points that are to be left out. */
function cut(points, isOut) {
  const parts = [[]];
  for (const point of points) {
    if (isOut(point)) parts.push([]);
    else parts[parts.length - 1].push(point);
  }
  return parts.filter((part) => part.length > 1);
}
