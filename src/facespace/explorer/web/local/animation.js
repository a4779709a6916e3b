// @ts-check
/** The file of a morph without a server: a GIF, whose frames are enlarged and timed as image/animation.py does. Videos
 * are recorded in the page, see record_video.js. */

import { gifFile } from './gif.js';
import { paletteOf, quantizer } from './palettes.js';
import { LANCZOS, pictureOf, rasterOf, resized } from './rasters.js';
import { roundedEven } from './transforms.js';

/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {(rows: Float32Array[]) => Promise<Picture[]>} Decode */

export const FORMATS = ['gif'];
// The text is that of image/provenance.py.
export const PROVENANCE =
  'AI-generated faces, drawn by facespace (IPTC digital source type: trainedAlgorithmicMedia)';
const SHORTER_SIDE = 256; // pixels: smaller frames are enlarged to this size
const BATCH = 16; // frames in memory at once
const PALETTE_FRAMES = 16; // of which the palette is made
const SHORTEST = 20; // milliseconds of a frame: browsers show shorter ones for 100
const MOST_RATE = 60; // frames a second

/**
 * The file of an animation of latents. Throws an Error with a sentence for a format that a worker cannot write.
 * @param {Float32Array[]} latents one for each frame
 * @param {{fps: number, format: string}} fields
 * @param {Decode} decode
 */
export async function exportAnimation(latents, { fps, format }, decode) {
  if (!FORMATS.includes(format)) {
    throw new Error(`Unknown animation format '${format}'. Known here: ${FORMATS.join(', ')}.`);
  }
  if (!(fps >= 1 && fps <= MOST_RATE)) throw new Error(`fps is a number from 1 to ${MOST_RATE}; got ${fps}.`);
  if (!latents.length) throw new Error('An animation has at least one frame.');
  const palette = paletteOf((await decode(spread(latents))).map(enlarged));
  const quantize = quantizer(palette);
  const { shown, delays } = gifTiming(latents.length, fps);
  /** @type {ReturnType<typeof gifFile> | null} */
  let file = null;
  for (let start = 0; start < shown.length; start += BATCH) {
    const pictures = await decode(shown.slice(start, start + BATCH).map((place) => latents[place]));
    for (const [place, picture] of pictures.entries()) {
      const large = enlarged(picture);
      file ??= gifFile(large.width, large.height, palette, PROVENANCE);
      file.add(quantize(large), delays[start + place] / 10);
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

/**
 * A face whose shorter side has 256 pixels; a larger one stays.
 * @param {Picture} picture
 */
export function enlarged(picture) {
  const factor = Math.max(1, SHORTER_SIDE / Math.min(picture.width, picture.height));
  if (factor === 1) return picture;
  const [width, height] = [picture.width, picture.height].map((side) => roundedEven(side * factor));
  return pictureOf(resized(rasterOf(picture), width, height, LANCZOS));
}

/**
 * The frames of a GIF by number, and the milliseconds of each. A GIF counts in hundredths of a second, and browsers show
 * a frame of less than two hundredths for ten: of more than 50 frames a second some are left out, evenly, so that the
 * duration stays. The milliseconds alternate so that their mean is that of the rate.
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
