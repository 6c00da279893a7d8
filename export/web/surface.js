// Surfaces of values on a grid: where they pass a level, by marching tetrahedra.

// Corners of a cell, bit 0 along the last axis, and the six tetrahedra that share its diagonal.
const TETRAHEDRA = [
  [0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7],
];

/** Of a tetrahedron's corners, which of them are inside: pairs of corners that edges cross between. */
function crossings(corners, inside) {
  const [own, others] = [corners.filter((c) => inside[c]), corners.filter((c) => !inside[c])];
  if (!own.length || !others.length) return [];
  const edges = own.flatMap((a) => others.map((b) => [a, b]));
  if (edges.length === 3) return [edges];
  const [a, b, c, d] = edges; // between two and two, a and d have no corner in common
  return [[a, b, c], [b, d, c]];
}

/**
 * Triangles of the surface where values are a level.
 * @param {Float32Array} values [a, b, c].
 * @param {number[]} shape Of the values.
 * @param {number} level Values above it are inside.
 * @returns {{positions: Float32Array, normals: Float32Array}} Three points a triangle, of each three
 *   numbers: places along the axes, sample i at i; and directions outwards, of length 1.
 */
export function surfaceOf(values, shape, level) {
  const [a, b, c] = shape;
  const at = (z, y, x) =>
    (z < 0 || y < 0 || x < 0 || z >= a || y >= b || x >= c ? -Infinity : values[(z * b + y) * c + x]);
  const positions = [];
  const normals = [];
  const cell = new Float64Array(8);
  const inside = new Array(8);
  // Beyond the grid nothing is inside: what touches its edge is closed there.
  for (let z = -1; z < a; z++) {
    for (let y = -1; y < b; y++) {
      for (let x = -1; x < c; x++) {
        let count = 0;
        for (let corner = 0; corner < 8; corner++) {
          cell[corner] = at(z + (corner >> 2), y + ((corner >> 1) & 1), x + (corner & 1));
          inside[corner] = cell[corner] > level;
          count += inside[corner];
        }
        if (count === 0 || count === 8) continue;
        const point = ([p, q]) => {
          const low = cell[q] === -Infinity ? 0.5 : (cell[p] - level) / (cell[p] - cell[q]);
          return [4, 2, 1].map((bit, axis) => {
            const [from, to] = [p, q].map((corner) => Number(Boolean(corner & bit)));
            return [z, y, x][axis] + from + (to - from) * low;
          });
        };
        for (const tetrahedron of TETRAHEDRA) {
          for (const triangle of crossings(tetrahedron, inside)) {
            add(triangle.map(point), triangle);
          }
        }
      }
    }
  }
  return { positions: Float32Array.from(positions), normals: Float32Array.from(normals) };

  /** Adds a triangle, turned so that it is seen from outside, with the normals of its points. */
  function add(points, edges) {
    const [p, q, r] = points;
    const [u, v] = [q, r].map((other) => other.map((value, axis) => value - p[axis]));
    const across = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    // From the corner inside to the one outside of any crossed edge.
    const [from, to] = edges[0];
    const out = [4, 2, 1].map((bit) => Number(Boolean(to & bit)) - Number(Boolean(from & bit)));
    const facing = across.reduce((sum, value, axis) => sum + value * out[axis], 0) >= 0;
    for (const place of facing ? points : [p, r, q]) {
      positions.push(...place);
      normals.push(...slope(place, facing ? across : across.map((value) => -value)));
    }
  }

  /** The direction in which values fall at a place, or that of the triangle where they don't. */
  function slope(place, otherwise) {
    const near = place.map((value, axis) => Math.min(Math.max(Math.round(value), 0), shape[axis] - 1));
    const falls = [0, 1, 2].map((axis) => {
      const [low, high] = [-1, 1].map((step) => {
        const there = near.map((value, other) => (other === axis ? value + step : value));
        return Math.max(at(...there), level - 1);
      });
      return low - high;
    });
    const length = Math.hypot(...falls);
    const chosen = length > 1e-9 ? falls : otherwise;
    const size = Math.hypot(...chosen) || 1;
    return chosen.map((value) => value / size);
  }
}
