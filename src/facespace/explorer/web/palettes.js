// @ts-check
/** The palette of an animation by median cut (Heckbert, 1982), and pictures in it with an ordered dither, which does
 * not flicker and compresses well. Pure functions. */

import { roundedEven } from './maths.js';

/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {{cells: number[], count: number, axis: number, spread: number}} ColourBox cells of the histogram */
/**
 * Of colours: of each cell the pixels, and sums of RGB.
 * @typedef {{counts: Float64Array, sums: Float64Array}} Histogram
 */

export const COLOURS = 255; // of the palette; one more entry is transparent
const RGB = [0, 1, 2];
const BITS = 6; // of a colour's channel in histogram and table
const LEVELS = 2 ** BITS;
const CELL = 256 / LEVELS; // levels of a channel in a cell
const STRENGTH = 6; // levels that the dither spans: at 10 its pattern shows, at 0 skin has bands
const SIDE = 8; // of the dither's pattern

/**
 * The cell of a colour.
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 */
const cellOf = (red, green, blue) => (((red >> 2) << (2 * BITS)) | ((green >> 2) << BITS) | (blue >> 2)) >>> 0;

/**
 * @param {number} cell
 * @param {number} axis 0 red, 1 green, 2 blue
 */
const levelOf = (cell, axis) => (cell >> (BITS * (2 - axis))) & (LEVELS - 1);

/**
 * At most 255 colours of pictures, as bytes red, green, blue.
 * @param {Picture[]} pictures
 */
export function paletteOf(pictures) {
  const histogram = histogramOf(pictures);
  const cells = [...histogram.counts.keys()].filter((cell) => histogram.counts[cell]);
  const boxes = [boxOf(cells, histogram)];
  while (boxes.length < COLOURS) {
    let widest = 0;
    for (const [place, box] of boxes.entries()) if (worth(box) > worth(boxes[widest])) widest = place;
    if (worth(boxes[widest]) === 0) break;
    boxes.splice(widest, 1, ...halves(boxes[widest], histogram));
  }
  const palette = new Uint8Array(3 * boxes.length);
  for (const [place, { cells: inside, count }] of boxes.entries()) {
    for (const colour of RGB) {
      let sum = 0;
      for (const cell of inside) sum += histogram.sums[3 * cell + colour];
      palette[3 * place + colour] = Math.round(sum / count);
    }
  }
  return palette;
}

/**
 * @param {Picture[]} pictures
 * @returns {Histogram}
 */
function histogramOf(pictures) {
  const counts = new Float64Array(LEVELS ** 3);
  const sums = new Float64Array(3 * counts.length);
  for (const { pixels } of pictures) {
    for (let at = 0; at < pixels.length; at += 4) {
      const cell = cellOf(pixels[at], pixels[at + 1], pixels[at + 2]);
      counts[cell] += 1;
      for (const colour of RGB) sums[3 * cell + colour] += pixels[at + colour];
    }
  }
  return { counts, sums };
}

/**
 * @param {number[]} cells
 * @param {Histogram} histogram
 * @returns {ColourBox}
 */
function boxOf(cells, { counts }) {
  let [count, axis, spread] = [0, 0, -1];
  for (const cell of cells) count += counts[cell];
  for (const colour of RGB) {
    let [low, high] = [LEVELS, 0];
    for (const cell of cells) {
      low = Math.min(low, levelOf(cell, colour));
      high = Math.max(high, levelOf(cell, colour));
    }
    if (high - low > spread) [axis, spread] = [colour, high - low];
  }
  return { cells, count, axis, spread };
}

/**
 * What splitting a box gains.
 * @param {ColourBox} box
 */
const worth = ({ count, spread }) => Math.sqrt(count) * spread;

/**
 * A box split at the median of its longest side.
 * @param {ColourBox} box
 * @param {Histogram} histogram
 */
function halves({ cells, count, axis }, histogram) {
  const sorted = cells.toSorted((a, b) => levelOf(a, axis) - levelOf(b, axis));
  let [place, below] = [0, 0];
  while (place < sorted.length - 1 && below + histogram.counts[sorted[place]] <= count / 2) {
    below += histogram.counts[sorted[place]];
    place += 1;
  }
  const cut = Math.max(1, place);
  return [sorted.slice(0, cut), sorted.slice(cut)].map((half) => boxOf(half, histogram));
}

/** The thresholds of Bayer's ordered dither (1973) in levels, row by row. */
export function dither() {
  const pattern = new Float32Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      let value = 0;
      for (let bit = 0; bit < 3; bit++) {
        const [right, down] = [(x >> bit) & 1, (y >> bit) & 1];
        value = 4 * value + 2 * (right ^ down) + down;
      }
      pattern[y * SIDE + x] = (value / (SIDE * SIDE) - 0.5) * STRENGTH;
    }
  }
  return pattern;
}

/**
 * A function from a picture to the palette's nearest colour for each pixel, dithered.
 * @param {Uint8Array} palette
 */
export function quantizer(palette) {
  const pattern = dither();
  const table = new Int16Array(LEVELS ** 3).fill(-1); // filled where it is asked
  const nearest = (/** @type {number} */ cell) => {
    if (table[cell] < 0) table[cell] = nearestColour(palette, cell);
    return table[cell];
  };
  return (/** @type {Picture} */ { pixels, width, height }) => {
    const indices = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * (y * width + x);
        const shift = pattern[(y % SIDE) * SIDE + (x % SIDE)];
        const [red, green, blue] = RGB.map((c) => Math.max(0, Math.min(255, roundedEven(pixels[at + c] + shift))));
        indices[y * width + x] = nearest(cellOf(red, green, blue));
      }
    }
    return indices;
  };
}

/**
 * @param {Uint8Array} palette
 * @param {number} cell whose centre counts
 */
function nearestColour(palette, cell) {
  const [red, green, blue] = RGB.map((axis) => levelOf(cell, axis) * CELL + (CELL - 1) / 2);
  let [nearest, least] = [0, Infinity];
  for (let place = 0; 3 * place < palette.length; place++) {
    const at = 3 * place;
    const distance = (palette[at] - red) ** 2 + (palette[at + 1] - green) ** 2 + (palette[at + 2] - blue) ** 2;
    if (distance < least) [nearest, least] = [place, distance];
  }
  return nearest;
}
