// @ts-check
/** Draws the map on its canvas, and finds faces on it by place, by direction and inside a lasso. */

import { context2d } from './dom.js';
import { paint } from './pictures.js';

/** @typedef {import('./types.js').FaceMap} FaceMap */
/** @typedef {import('./types.js').Point} Point */

export const SIDE = 640; // pixels of the canvas
const FACE = 30; // pixels of a face
const ENLARGED = 1.9; // times for the faces that are pointed at or selected
const MARGIN = 0.04; // share of the canvas that stays free around
const NEUTRAL = 0.05; // values up to which a face counts as neither

/** @typedef {{map: FaceMap, values: number[] | null, highlighted: number[], lasso: Point[]}} Scene */

/** @param {number} share position in [0, 1] */
const toPixels = (share) => (MARGIN + (1 - 2 * MARGIN) * share) * SIDE;

/**
 * Where the centre of a face lies on the canvas.
 * @param {FaceMap} map
 * @param {number} index
 * @returns {Point}
 */
function centre(map, index) {
  const [x, y] = map.positions[index];
  return [toPixels(x), toPixels(1 - y)];
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Scene} scene `values` colour the faces; `highlighted` faces are enlarged and on top
 */
export function drawMap(canvas, { map, values, highlighted, lasso }) {
  const context = context2d(canvas);
  const accent = getComputedStyle(canvas).getPropertyValue('--accent');
  const scratch = document.createElement('canvas');
  context.clearRect(0, 0, SIDE, SIDE);
  for (const index of [...map.faces.keys(), ...highlighted]) {
    const enlarged = highlighted.includes(index);
    const [x, y] = centre(map, index);
    const width = enlarged ? FACE * ENLARGED : FACE;
    const height = (width * map.height) / map.width;
    const left = x - width / 2;
    const top = y - height / 2;
    paint(scratch, map.faces[index]);
    context.drawImage(scratch, left, top, width, height);
    if (!values && !enlarged) continue;
    const value = values?.[index] ?? 0;
    context.lineWidth = enlarged ? 4 : 3;
    context.strokeStyle = enlarged ? accent : colourOf(value);
    context.setLineDash(!enlarged && value < 0 ? [4, 3] : []);
    context.strokeRect(left, top, width, height);
  }
  context.setLineDash([]);
  if (lasso.length > 1) drawLasso(context, lasso, accent);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point[]} lasso
 * @param {string} colour
 */
function drawLasso(context, lasso, colour) {
  context.beginPath();
  for (const [x, y] of lasso) context.lineTo(x, y);
  context.lineWidth = 3;
  context.strokeStyle = colour;
  context.stroke();
}

/**
 * Blue for no and orange for yes; dashes distinguish them without colours too.
 * @param {number} value from −1 to 1
 */
function colourOf(value) {
  if (Math.abs(value) < NEUTRAL) return '#9a9a9a';
  if (value > 0) return `hsl(28 90% ${62 - 14 * Math.min(1, value)}%)`;
  return `hsl(215 75% ${70 - 18 * Math.min(1, -value)}%)`;
}

/**
 * The place of a pointer on the canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {PointerEvent} event
 * @returns {Point}
 */
export function pointerPlace(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * SIDE;
  const y = ((event.clientY - box.top) / box.height) * SIDE;
  return [x, y];
}

/**
 * The index of the face at a place, or −1.
 * @param {FaceMap} map
 * @param {Point} place
 */
export function faceAt(map, [x, y]) {
  let best = -1;
  let least = FACE * FACE;
  for (const index of map.positions.keys()) {
    const [faceX, faceY] = centre(map, index);
    const distance = (faceX - x) ** 2 + (faceY - y) ** 2;
    if (distance >= least) continue;
    least = distance;
    best = index;
  }
  return best;
}

/**
 * The nearest face in a direction; the same one where there is none.
 * @param {FaceMap} map
 * @param {number} from index
 * @param {Point} direction
 */
export function faceBeside(map, from, direction) {
  const [x, y] = centre(map, from);
  let best = from;
  let least = Infinity;
  for (const index of map.positions.keys()) {
    const [faceX, faceY] = centre(map, index);
    const ahead = (faceX - x) * direction[0] + (faceY - y) * direction[1];
    const aside = Math.abs((faceX - x) * direction[1]) + Math.abs((faceY - y) * direction[0]);
    const distance = ahead + 2 * aside;
    if (index === from || ahead <= 1 || distance >= least) continue;
    least = distance;
    best = index;
  }
  return best;
}

/**
 * The latents of the faces inside the lasso.
 * @param {FaceMap} map
 * @param {Point[]} lasso
 */
export function latentsInside(map, lasso) {
  return map.z.filter((_, index) => contains(lasso, centre(map, index)));
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
