// @ts-check
/** The file of a morph without a server: a GIF, whose frames are enlarged and timed as image/animation.py does. Videos
 * are recorded in the page, see record_video.js. */

import { LANCZOS, pictureOf, rasterOf, resized } from './rasters.js';
import { gifFile } from '../gif.js';
import { roundedEven } from '../maths.js';
import { paletteOf, quantizer } from '../palettes.js';
import { layoutOf } from './frame_layout.js';

/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {(rows: Float32Array[]) => Promise<Picture[]>} Decode */
/** @typedef {import('./frame_layout.js').FileFields & {fps: number, format: string}} AnimationFields */
/**
 * What follows the writing of a file, and may end it.
 * @typedef {{done: number, total: number, cancelled: boolean}} Export
 */

export const FORMATS = ['gif'];
// The text is that of image/provenance.py.
export const PROVENANCE =
  'AI-generated faces, drawn by facespace (IPTC digital source type: trainedAlgorithmicMedia)';
const BATCH = 16; // frames in memory at once
const PALETTE_FRAMES = 16; // of which the palette is made
const SHORTEST = 20; // milliseconds of a frame: browsers show shorter ones for 100
const MOST_RATE = 60; // frames a second

/**
 * The file of an animation of latents; null where it was cancelled. Throws an Error with a sentence for a format that a
 * worker cannot write.
 * @param {Float32Array[]} latents one for each frame
 * @param {AnimationFields} fields
 * @param {Decode} decode
 * @param {Export} [watch]
 */
export async function exportAnimation(latents, fields, decode, watch = newExport()) {
  const { fps, format } = fields;
  if (!FORMATS.includes(format)) {
    throw new Error(`Unknown animation format '${format}'. Known here: ${FORMATS.join(', ')}.`);
  }
  if (!(fps >= 1 && fps <= MOST_RATE)) throw new Error(`fps is a number from 1 to ${MOST_RATE}; got ${fps}.`);
  if (!latents.length) throw new Error('An animation has at least one frame.');
  const some = await decode(spread(latents));
  const layout = layoutOf(some[0], fields, latents.length);
  const palette = paletteOf(some.map((picture) => laidOut(picture, layout)));
  const quantize = quantizer(palette);
  const { shown, delays } = gifTiming(latents.length, fps);
  /** @type {ReturnType<typeof gifFile> | null} */
  let file = null;
  watch.total = shown.length;
  for (let start = 0; start < shown.length; start += BATCH) {
    await new Promise((resolve) => setTimeout(resolve)); // requests that came meanwhile, for the progress or an end
    if (watch.cancelled) return null;
    const pictures = await decode(shown.slice(start, start + BATCH).map((place) => latents[place]));
    for (const [place, picture] of pictures.entries()) {
      const large = laidOut(picture, layout);
      file ??= gifFile(large.width, large.height, palette, PROVENANCE);
      file.add(quantize(large), delays[start + place] / 10);
      watch.done += 1;
    }
  }
  return /** @type {ReturnType<typeof gifFile>} */ (file).finish();
}

/**
 * At most 16 of the rows, evenly spread.
 * @param {Float32Array[]} rows
 */
function spread(rows) {
  const count = Math.min(rows.length, PALETTE_FRAMES);
  const step = (rows.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, place) => rows[Math.floor(place * step + 1e-9)]);
}

/** @param {Export | null} watch */
export const exportProgress = (watch) => ({ running: !!watch, share: watch?.total ? watch.done / watch.total : 0 });

/** @returns {Export} */
export const newExport = () => ({ done: 0, total: 0, cancelled: false });

/**
 * A face in the middle of a picture, enlarged or reduced; what is not the face is black.
 * @param {Picture} picture
 * @param {import('./frame_layout.js').Layout} layout
 */
export function laidOut(picture, { picture: { width, height }, face }) {
  const same = picture.width === face.width && picture.height === face.height;
  const shown = same ? picture : pictureOf(resized(rasterOf(picture), face.width, face.height, LANCZOS));
  if (face.width === width && face.height === height) return shown;
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let place = 3; place < pixels.length; place += 4) pixels[place] = 255;
  const [left, top] = [Math.floor((width - face.width) / 2), Math.floor((height - face.height) / 2)];
  for (let row = 0; row < face.height; row++) {
    const line = shown.pixels.subarray(4 * row * face.width, 4 * (row + 1) * face.width);
    pixels.set(line, 4 * ((top + row) * width + left));
  }
  return { pixels, width, height };
}

/**
 * The frames of a GIF by number, and the milliseconds of each. A GIF counts in hundredths of a second, and browsers
 * show a frame of less than two hundredths for ten: of more than 50 frames a second some are left out, evenly, so
 * that the duration stays. The milliseconds alternate so that their mean is that of the rate.
 * @param {number} count
 * @param {number} fps
 */
export function gifTiming(count, fps) {
  const total = (1000 * count) / fps;
  const kept = 1000 / fps >= SHORTEST ? count : Math.max(1, Math.trunc(total / SHORTEST));
  const rate = (1000 * kept) / total;
  /** @type {number[]} */
  const delays = [];
  let start = 0;
  for (let place = 0; place < kept; place++) {
    const end = roundedEven((100 * (place + 1)) / rate);
    delays.push(Math.max(SHORTEST, 10 * (end - start)));
    start = end;
  }
  return { shown: delays.map((_, place) => Math.floor((place * count) / kept)), delays };
}
