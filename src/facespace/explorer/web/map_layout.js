// @ts-check
/** Where the faces of a map lie: each in a cell of a grid, so that none covers another. Of several in one cell the
 * nearest to its middle is shown; the closer the view, the smaller the cells, until every face has its own. Places are
 * shares of the map from its upper left corner. Pure functions. */

import { clamp } from './maths.js';

/** @typedef {import('./types.js').FaceMap} FaceMap */
/** @typedef {import('./types.js').Point} Point */

const FACES_PER_CELL = 2.5; // of the whole map, so that most cells in its middle are filled
const FEWEST = 4; // columns

/**
 * @typedef {object} Layout
 * @property {number} columns
 * @property {number} rows
 * @property {Point[]} centres of the cell of each face
 * @property {(number | undefined)[]} shown the face of each cell, row by row
 */

/**
 * The grid of a view that is enlarged `scale` times. It changes where the scale doubles.
 * @param {FaceMap} map
 * @param {number} scale
 * @returns {Layout}
 */
export function layOut(map, scale) {
  const whole = Math.max(FEWEST, Math.round(Math.sqrt(map.count / FACES_PER_CELL)));
  const columns = whole * 2 ** level(scale);
  const rows = Math.max(1, Math.round((columns * map.width) / map.height));
  /** @type {Layout} */
  const layout = { columns, rows, centres: [], shown: [] };
  /** @type {number[]} */
  const least = [];
  for (const [index, [right, up]] of map.positions.entries()) {
    const [x, y] = [right * columns, (1 - up) * rows];
    const column = clamp(Math.floor(x), 0, columns - 1);
    const row = clamp(Math.floor(y), 0, rows - 1);
    layout.centres.push([(column + 0.5) / columns, (row + 0.5) / rows]);
    const cell = row * columns + column;
    const distance = Math.hypot(x - column - 0.5, y - row - 0.5);
    if (distance >= (least[cell] ?? Infinity)) continue;
    least[cell] = distance;
    layout.shown[cell] = index;
  }
  return layout;
}

/**
 * How often the cells are halved.
 * @param {number} scale
 */
export const level = (scale) => Math.floor(Math.log2(scale) + 1e-6);

/**
 * The index of the face at a place, or −1.
 * @param {Layout} layout
 * @param {Point} place
 */
export function faceAt({ columns, rows, shown }, [x, y]) {
  const column = Math.floor(x * columns);
  const row = Math.floor(y * rows);
  if (column < 0 || column >= columns || row < 0 || row >= rows) return -1;
  return shown[row * columns + column] ?? -1;
}

/**
 * The shown face that is nearest to a place.
 * @param {Layout} layout
 * @param {Point} place
 */
export function nearestFace({ centres, shown }, [x, y]) {
  let best = 0;
  let least = Infinity;
  for (const index of shown) {
    if (index === undefined) continue;
    const distance = Math.hypot(centres[index][0] - x, centres[index][1] - y);
    if (distance >= least) continue;
    least = distance;
    best = index;
  }
  return best;
}

/**
 * The nearest shown face in a direction; the same one where there is none.
 * @param {Layout} layout
 * @param {number} from index
 * @param {Point} direction
 */
export function faceBeside({ centres, shown }, from, direction) {
  const [x, y] = centres[from];
  let best = from;
  let least = Infinity;
  for (const index of shown) {
    if (index === undefined) continue;
    const [faceX, faceY] = centres[index];
    const ahead = (faceX - x) * direction[0] + (faceY - y) * direction[1];
    const aside = Math.abs((faceX - x) * direction[1]) + Math.abs((faceY - y) * direction[0]);
    const distance = ahead + 2 * aside;
    if (ahead < 1e-6 || distance >= least) continue;
    least = distance;
    best = index;
  }
  return best;
}

/**
 * The latents of the faces in cells whose middle lies inside the lasso, those that are not shown too.
 * @param {FaceMap} map
 * @param {Layout} layout
 * @param {Point[]} lasso
 */
export function latentsInside(map, { centres }, lasso) {
  return map.z.filter((_, index) => contains(lasso, centres[index]));
}

/**
 * Whether a polygon contains a place: a ray from it crosses the outline an odd number of times.
 * @param {Point[]} polygon
 * @param {Point} place
 */
function contains(polygon, [x, y]) {
  let inside = false;
  let [previousX, previousY] = polygon[polygon.length - 1];
  for (const [cornerX, cornerY] of polygon) {
    const spansRow = cornerY > y !== previousY > y;
    const crossing = ((previousX - cornerX) * (y - cornerY)) / (previousY - cornerY) + cornerX;
    if (spansRow && x < crossing) inside = !inside;
    previousX = cornerX;
    previousY = cornerY;
  }
  return inside;
}
