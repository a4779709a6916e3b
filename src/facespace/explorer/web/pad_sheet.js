// @ts-check
/** The faint contact sheet behind the pad: faces at the centres of the cells of a square grid, decoded in one request
 * and painted on one canvas. */

import { context2d } from './dom.js';
import { engine } from './engine.js';
import { latestWins } from './latest.js';
import { on } from './state.js';

/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./pad_axes.js').Plane} Plane */
/** @typedef {{plane: Plane, z: Float32Array, count: number, limit: number}} Sheet `limit`: reach of the pad in σ */

const SIDE = 720; // pixels of the canvas
const SAME = 1e-3; // by which latents may differ whose faces are painted already

/**
 * The value at the centre of a cell.
 * @param {number} index
 * @param {number} count of cells
 * @param {number} limit
 */
const centre = (index, count, limit) => limit * ((2 * index + 1) / count - 1);

/**
 * Keeps a canvas the contact sheet of what is asked for last. Returns what asks.
 * @param {HTMLCanvasElement} canvas
 */
export function contactSheet(canvas) {
  /** What is painted. @type {Float32Array[]} */
  let painted = [];
  on('decoder facts', () => {
    painted = [];
    canvas.classList.remove('filled');
  });
  return latestWins(async (/** @type {Sheet} */ sheet) => {
    const rows = latentsOf(sheet);
    if (same(rows, painted)) return;
    const pictures = rows.length ? await engine.decode(rows) : [];
    paintSheet(canvas, pictures, sheet.count);
    painted = rows;
  });
}

/**
 * The latents of the grid, row by row from the top.
 * @param {Sheet} sheet
 */
function latentsOf({ plane, z, count, limit }) {
  /** @type {Float32Array[]} */
  const rows = [];
  for (let row = 0; row < count; row++) {
    const y = -centre(row, count, limit);
    for (let column = 0; column < count; column++) rows.push(plane.move(z, { x: centre(column, count, limit), y }));
  }
  return rows;
}

/**
 * @param {Float32Array[]} rows
 * @param {Float32Array[]} others
 */
function same(rows, others) {
  const near = (/** @type {Float32Array} */ row, /** @type {Float32Array} */ other) =>
    row.every((value, d) => Math.abs(value - other[d]) < SAME);
  return rows.length === others.length && rows.every((row, i) => near(row, others[i]));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Picture[]} pictures
 * @param {number} count in a row
 */
function paintSheet(canvas, pictures, count) {
  canvas.width = SIDE;
  canvas.height = SIDE;
  canvas.classList.toggle('filled', pictures.length > 0);
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  const cell = SIDE / Math.max(count, 1);
  const source = document.createElement('canvas');
  for (const [i, { pixels, width, height }] of pictures.entries()) {
    source.width = width;
    source.height = height;
    context2d(source).putImageData(new ImageData(pixels, width, height), 0, 0);
    const side = Math.min(width, height); // the centred square of a face
    const [left, top] = [(width - side) / 2, (height - side) / 2];
    const [x, y] = [(i % count) * cell, Math.floor(i / count) * cell];
    context.drawImage(source, left, top, side, side, x, y, cell, cell);
  }
}
