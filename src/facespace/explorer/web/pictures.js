// @ts-check
/** Pictures on canvases: enlarged ones, thumbnails for strips and grids, and the pictures that are known already. */

import { context2d, h } from './dom.js';
import { engine } from './engine.js';
import { on } from './state.js';

/** @typedef {import('./types.js').Picture} Picture */

const THUMBNAIL = 128; // pixels of a thumbnail's canvas, at least
const CACHED_THUMBNAILS = 600;
const AT_ONCE = 8; // pictures that are decoded together while others wait for their turn; a face that is moved does too
const NEAR = '120px'; // how near to the sight a canvas is painted
const MEASURES = 2000; // entries of one name in the browser's performance log

const scratch = document.createElement('canvas');
/** @type {WeakMap<Float32Array, Picture>} */
let decoded = new WeakMap();
/** @type {Map<Float32Array, Picture>} */
let thumbnailPictures = new Map();

on('decoder', () => {
  decoded = new WeakMap();
  thumbnailPictures = new Map();
});

/**
 * Keeps the picture of a latent that came with a reply, so that it is not requested again.
 * @param {Float32Array} z
 * @param {Picture} picture
 */
export function cachePicture(z, picture) {
  decoded.set(z, picture);
}

/**
 * The picture of a latent, from the cache or the decoder.
 * @param {Float32Array} z
 */
export async function pictureOf(z) {
  const cache = decoded; // a reply of the decoder before is not kept among those of the next
  const known = cache.get(z);
  if (known) return known;
  const [picture] = await engine.decode([z]);
  cache.set(z, picture);
  return picture;
}

/**
 * Draws a picture over a whole canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} picture
 * @param {number} [zoom] canvas pixels for each picture pixel
 * @param {boolean} [smooth]
 */
export function paint(canvas, picture, zoom = 1, smooth = true) {
  const { pixels, width, height } = picture;
  resize(canvas, width * zoom, height * zoom);
  const image = new ImageData(pixels, width, height);
  const context = context2d(canvas);
  if (zoom === 1) {
    context.putImageData(image, 0, 0);
    return;
  }
  scratch.width = width;
  scratch.height = height;
  context2d(scratch).putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = 'high';
  context.drawImage(scratch, 0, 0, canvas.width, canvas.height);
}

/**
 * Resizes a canvas only where its size differs, since that clears it.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function resize(canvas, width, height) {
  if (canvas.width === width && canvas.height === height) return;
  canvas.width = width;
  canvas.height = height;
}

/**
 * @param {Picture} picture
 * @param {string} [label] what a screen reader says; without it the thumbnail is decoration
 */
export function thumbnail(picture, label = '') {
  const role = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  const canvas = h('canvas', { class: 'thumbnail', ...role });
  const zoom = Math.max(1, Math.ceil(THUMBNAIL / picture.width));
  paint(canvas, picture, zoom);
  return canvas;
}

/**
 * Pictures of latents; only those that are not cached are decoded.
 * @param {Float32Array[]} rows
 */
export async function picturesOf(rows) {
  const cache = thumbnailPictures; // as in pictureOf
  const missing = rows.filter((z) => !cache.has(z));
  const decodedNow = missing.length ? await engine.decode(missing) : [];
  for (const [i, z] of missing.entries()) cache.set(z, decodedNow[i]);
  const pictures = rows.map((z) => /** @type {Picture} */ (cache.get(z)));
  for (const oldest of cache.keys()) {
    if (cache.size <= CACHED_THUMBNAILS) break;
    cache.delete(oldest);
  }
  return pictures;
}

/** Latents of canvases that were not in sight yet. @type {WeakMap<Element, Float32Array>} */
const unpainted = new WeakMap();
/** Canvases in sight that are not painted. @type {Set<HTMLCanvasElement>} */
const inSight = new Set();
let painting = false;
const sight = new IntersectionObserver(noteSight, { rootMargin: NEAR });

/**
 * Paints the picture of a latent on a canvas as soon as the canvas is in sight.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} z
 */
export function paintInSight(canvas, z) {
  unpainted.set(canvas, z);
  sight.observe(canvas);
}

/** @param {IntersectionObserverEntry[]} entries */
function noteSight(entries) {
  for (const { target, isIntersecting } of entries) {
    const canvas = /** @type {HTMLCanvasElement} */ (target);
    if (isIntersecting) inSight.add(canvas);
    else inSight.delete(canvas);
  }
  if (!painting) void paintSight();
}

/** Paints what is in sight, some canvases at a time. Without a server they stay empty until they are in sight again. */
async function paintSight() {
  painting = true;
  while (inSight.size) {
    const batch = [...inSight].slice(0, AT_ONCE);
    const latents = batch.map((canvas) => /** @type {Float32Array} */ (unpainted.get(canvas)));
    const pictures = await picturesOf(latents).catch(() => []);
    for (const canvas of batch) inSight.delete(canvas);
    for (const [i, picture] of pictures.entries()) {
      paint(batch[i], picture);
      sight.unobserve(batch[i]);
    }
  }
  painting = false;
}

/**
 * Thumbnails of latents; see picturesOf.
 * @param {Float32Array[]} rows
 */
export const thumbnails = async (rows) => (await picturesOf(rows)).map((picture) => thumbnail(picture));

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
export function toPng(canvas) {
  return new Promise((resolve, reject) => {
    const settle = (/** @type {Blob | null} */ blob) => {
      if (blob) resolve(blob);
      else reject(new Error('The browser could not write the PNG.'));
    };
    canvas.toBlob(settle, 'image/png');
  });
}

/**
 * Measures how long a picture took until it was on the screen, which is with the next frame. Benchmarks read it.
 * @param {string} name
 * @param {number} start
 */
export function measurePaint(name, start) {
  const measure = () => {
    performance.measure(name, { start });
    if (performance.getEntriesByName(name).length > MEASURES) performance.clearMeasures(name);
  };
  requestAnimationFrame(() => setTimeout(measure));
}
