// @ts-check
/** Faces on canvases: large ones by whole steps of zoom, small ones for strips and grids. */

import { engine } from './engine.js';
import { h } from './dom.js';

/** Draws a picture over a whole canvas. @param {HTMLCanvasElement} canvas @param {import('./engine.js').Picture} picture
 * @param {number} zoom device pixels a pixel @param {boolean} smooth */
export function paint(canvas, picture, zoom = 1, smooth = true) {
  const { width, height } = picture;
  if (canvas.width !== width * zoom || canvas.height !== height * zoom) { canvas.width = width * zoom; canvas.height = height * zoom; }
  const image = new ImageData(/** @type {any} */ (picture.pixels), width, height), context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  if (zoom === 1) { context.putImageData(image, 0, 0); return; }
  spare.width = width;
  spare.height = height;
  /** @type {CanvasRenderingContext2D} */ (spare.getContext('2d')).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = 'high';
  context.drawImage(spare, 0, 0, canvas.width, canvas.height);
}
const spare = document.createElement('canvas');

/** A small face. @param {import('./engine.js').Picture} picture @param {string} [words] what a screen reader says */
export function small(picture, words = '') {
  const canvas = h('canvas', { class: 'small', ...(words ? { role: 'img', 'aria-label': words } : { 'aria-hidden': 'true' }) });
  paint(canvas, picture, Math.max(1, Math.ceil(128 / picture.width)));
  return canvas;
}

/** @type {Map<Float32Array, import('./engine.js').Picture>} */
const drawn = new Map();

/** Small faces of latents; those that were drawn before are not asked for again. @param {Float32Array[]} rows */
export async function smalls(rows) {
  const missing = rows.filter((z) => !drawn.has(z));
  const pictures = missing.length ? await engine.decode(missing) : [];
  missing.forEach((z, i) => drawn.set(z, pictures[i]));
  const made = rows.map((z) => small(/** @type {any} */ (drawn.get(z))));
  while (drawn.size > 600) drawn.delete(drawn.keys().next().value ?? rows[0]);
  return made;
}

/** Measures how long a picture took until it was on the screen, which is with the next frame: what a person waits for, and
 * what the benchmark reads. @param {string} name @param {number} start */
export function measurePaint(name, start) {
  requestAnimationFrame(() => setTimeout(() => {
    performance.measure(name, { start });
    if (performance.getEntriesByName(name).length > 2000) performance.clearMeasures(name);
  }));
}
