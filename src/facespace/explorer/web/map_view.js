// @ts-check
/** Draws the part of a map that is in view on its canvas. */

import { context2d } from './dom.js';
import { SIDE, toCanvas } from './map_zoom.js';
import { paint } from './pictures.js';

/** @typedef {import('./map_layout.js').Layout} Layout */
/** @typedef {import('./map_zoom.js').Viewport} Viewport */
/** @typedef {import('./types.js').FaceMap} FaceMap */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Point} Point */

const ENLARGED = 1.3; // times for the faces that are pointed at or selected
const GAP = 1; // pixels between two faces
const NEUTRAL = 0.05; // values up to which a face counts as neither

/** Of each face, so that it is painted once. @type {WeakMap<Picture, HTMLCanvasElement>} */
const canvases = new WeakMap();

/**
 * @typedef {object} Scene
 * @property {FaceMap} map
 * @property {Layout} layout
 * @property {Viewport} viewport
 * @property {number[] | null} values colour the faces
 * @property {number[]} highlighted faces that are enlarged, on top
 * @property {Point[]} lasso on the map
 */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Scene} scene
 */
export function drawMap(canvas, scene) {
  const { layout, highlighted, lasso, viewport } = scene;
  const context = context2d(canvas);
  const accent = getComputedStyle(canvas).getPropertyValue('--accent');
  context.clearRect(0, 0, SIDE, SIDE);
  context.imageSmoothingQuality = 'high';
  for (const index of layout.shown) if (index !== undefined) drawFace(context, scene, index);
  for (const index of highlighted) drawFace(context, scene, index, accent);
  context.setLineDash([]);
  if (lasso.length > 1) drawLasso(context, lasso.map((place) => toCanvas(viewport, place)), accent);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {number} index
 * @param {string} [accent] the colour of its outline, for a face that is highlighted
 */
function drawFace(context, { map, layout, viewport, values }, index, accent = '') {
  const [x, y] = toCanvas(viewport, layout.centres[index]);
  const cellWidth = (SIDE * viewport.scale) / layout.columns - GAP;
  const cellHeight = (SIDE * viewport.scale) / layout.rows - GAP;
  if (x < -cellWidth || y < -cellHeight || x > SIDE + cellWidth || y > SIDE + cellHeight) return;
  const fit = Math.min(cellWidth / map.width, cellHeight / map.height) * (accent ? ENLARGED : 1);
  const [width, height] = [map.width * fit, map.height * fit];
  context.drawImage(canvasOf(map.faces[index]), x - width / 2, y - height / 2, width, height);
  if (!values && !accent) return;
  const value = values?.[index] ?? 0;
  const line = accent ? 4 : 3;
  context.lineWidth = line;
  context.strokeStyle = accent || colourOf(value);
  context.setLineDash(!accent && value < 0 ? [4, 3] : []);
  context.strokeRect(x - (width - line) / 2, y - (height - line) / 2, width - line, height - line);
}

/** @param {Picture} picture */
function canvasOf(picture) {
  const known = canvases.get(picture);
  if (known) return known;
  const canvas = document.createElement('canvas');
  paint(canvas, picture);
  canvases.set(picture, canvas);
  return canvas;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point[]} lasso in pixels
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
