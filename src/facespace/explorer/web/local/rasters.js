// @ts-check
/** Pictures as rows of bytes: resized as Pillow resizes them, turned by quarters, padded, and in gray. Pure functions,
 * which round as Pillow does, so that a photograph becomes the same numbers as on a server. */

/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {{data: Uint8Array | Uint8ClampedArray, width: number, height: number, channels: number}} Raster */
/** @typedef {{support: number, weight: (x: number) => number}} Filter */
/** @typedef {[number, number, number, number]} Box left, top, right, bottom in pixels */
/** @typedef {{start: number, weights: Float64Array}} Taps the first pixel that a result is made of, and all weights */

const UNIT = 2 ** 22; // of Pillow's whole-numbered weights
const UNIT_OF_MEANS = 2 ** 24;
const RGB = 3;
const RGBA = 4;

/** @param {number} x */
function sinc(x) {
  if (x === 0) return 1;
  return Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @type {Filter} */
export const LANCZOS = { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) };
/** @type {Filter} */
export const BILINEAR = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

/**
 * Without its transparency.
 * @param {Picture} picture
 * @returns {Raster}
 */
export function rasterOf({ pixels, width, height }) {
  const data = new Uint8Array(width * height * RGB);
  for (let i = 0, at = 0; at < data.length; i++, at += RGB) {
    data[at] = pixels[RGBA * i];
    data[at + 1] = pixels[RGBA * i + 1];
    data[at + 2] = pixels[RGBA * i + 2];
  }
  return { data, width, height, channels: RGB };
}

/**
 * As a canvas takes it, opaque.
 * @param {Raster} raster
 * @returns {Picture}
 */
export function pictureOf({ data, width, height, channels }) {
  const pixels = new Uint8ClampedArray(width * height * RGBA).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < RGB; c++) pixels[RGBA * i + c] = data[channels * i + Math.min(c, channels - 1)];
  }
  return { pixels, width, height };
}

/**
 * The brightness of an RGB raster (ITU-R 601).
 * @param {Raster} raster
 * @returns {Raster}
 */
export function grayOf({ data, width, height }) {
  const gray = new Uint8Array(width * height);
  for (let i = 0; i < gray.length; i++) {
    const at = RGB * i;
    gray[i] = (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
  }
  return { data: gray, width, height, channels: 1 };
}

/**
 * A part of a raster, all of it unless named, at another size.
 * @param {Raster} raster
 * @param {number} width
 * @param {number} height
 * @param {Filter} filter
 * @param {Box} [box]
 * @returns {Raster}
 */
export function resized(raster, width, height, filter, box = [0, 0, raster.width, raster.height]) {
  const [left, top, right, bottom] = box.map(Math.fround); // Pillow's precision
  const wide = width === raster.width && left === 0 && right === raster.width;
  const across = wide ? raster : resizedAcross(raster, taps(raster.width, left, right, width, filter));
  if (height === raster.height && top === 0 && bottom === raster.height) return across;
  return resizedDown(across, taps(raster.height, top, bottom, height, filter));
}

/**
 * The same for a large reduction: a whole factor of it by means, which leaves the filter `gap` times the size at least.
 * @param {Raster} raster
 * @param {number} width
 * @param {number} height
 * @param {Filter} filter
 * @param {number} gap
 */
export function reduced(raster, width, height, filter, gap) {
  const across = Math.max(1, Math.trunc(raster.width / width / gap));
  const down = Math.max(1, Math.trunc(raster.height / height / gap));
  if (across === 1 && down === 1) return resized(raster, width, height, filter);
  const small = averaged(raster, across, down);
  return resized(small, width, height, filter, [0, 0, raster.width / across, raster.height / down]);
}

/**
 * What each pixel of a line is made of.
 * @param {number} size pixels of the line before
 * @param {number} from
 * @param {number} to
 * @param {number} count pixels of the line after
 * @param {Filter} filter
 */
function taps(size, from, to, count, filter) {
  const scale = Math.fround(to - from) / count; // Pillow's precision
  const wider = Math.max(scale, 1);
  const support = filter.support * wider;
  /** @type {Taps[]} */
  const all = [];
  for (let place = 0; place < count; place++) {
    const center = from + (place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(size, Math.trunc(center + support + 0.5));
    const weights = new Float64Array(end - start);
    let sum = 0;
    for (let i = 0; i < weights.length; i++) {
      weights[i] = filter.weight((i + start - center + 0.5) / wider);
      sum += weights[i];
    }
    for (let i = 0; i < weights.length; i++) {
      const share = (weights[i] / (sum || 1)) * UNIT;
      weights[i] = Math.sign(share) * Math.floor(Math.abs(share) + 0.5);
    }
    all.push({ start, weights });
  }
  return all;
}

/**
 * @param {Raster} raster
 * @param {Taps[]} all one for each column after
 * @returns {Raster}
 */
function resizedAcross({ data, width, height, channels }, all) {
  const result = new Uint8ClampedArray(all.length * height * channels);
  for (const [x, { start, weights }] of all.entries()) {
    for (let y = 0; y < height; y++) {
      for (let c = 0; c < channels; c++) {
        let sum = UNIT / 2;
        let at = (y * width + start) * channels + c;
        for (let i = 0; i < weights.length; i++, at += channels) sum += data[at] * weights[i];
        result[(y * all.length + x) * channels + c] = Math.floor(sum / UNIT);
      }
    }
  }
  return { data: result, width: all.length, height, channels };
}

/**
 * @param {Raster} raster
 * @param {Taps[]} all one for each row after
 * @returns {Raster}
 */
function resizedDown({ data, width, channels }, all) {
  const row = width * channels;
  const result = new Uint8ClampedArray(all.length * row);
  for (const [y, { start, weights }] of all.entries()) {
    for (let x = 0; x < row; x++) {
      let sum = UNIT / 2;
      let at = start * row + x;
      for (let i = 0; i < weights.length; i++, at += row) sum += data[at] * weights[i];
      result[y * row + x] = Math.floor(sum / UNIT);
    }
  }
  return { data: result, width, height: all.length, channels };
}

/**
 * Means of blocks of pixels; those at the right and lower edge may be smaller.
 * @param {Raster} raster
 * @param {number} across pixels of a block
 * @param {number} down
 * @returns {Raster}
 */
function averaged({ data, width, height, channels }, across, down) {
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  const result = new Uint8Array(columns * rows * channels);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [right, bottom] = [Math.min(width, (x + 1) * across), Math.min(height, (y + 1) * down)];
      const count = (right - x * across) * (bottom - y * down);
      const share = Math.trunc(Math.fround(UNIT_OF_MEANS / count));
      for (let c = 0; c < channels; c++) {
        let sum = Math.floor(count / 2);
        for (let v = y * down; v < bottom; v++) {
          for (let u = x * across; u < right; u++) sum += data[(v * width + u) * channels + c];
        }
        result[(y * columns + x) * channels + c] = Math.floor((sum * share) / UNIT_OF_MEANS);
      }
    }
  }
  return { data: result, width: columns, height: rows, channels };
}

/**
 * A raster of that size whose pixel (x, y) is the pixel `from(x, y)` of another one.
 * @param {Raster} raster
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => [number, number]} from
 * @returns {Raster}
 */
export function rearranged({ data, width: columns, channels }, width, height, from) {
  const result = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = from(x, y);
      const at = (v * columns + u) * channels;
      for (let c = 0; c < channels; c++) result[(y * width + x) * channels + c] = data[at + c];
    }
  }
  return { data: result, width, height, channels };
}

/**
 * With a margin on all sides, in which the edge is repeated.
 * @param {Raster} raster
 * @param {number} margin pixels
 */
export function padded(raster, margin) {
  const { width, height } = raster;
  return rearranged(raster, width + 2 * margin, height + 2 * margin, (x, y) => [
    Math.max(0, Math.min(width - 1, x - margin)),
    Math.max(0, Math.min(height - 1, y - margin)),
  ]);
}

/** @param {Raster} raster */
export const mirrored = (raster) =>
  rearranged(raster, raster.width, raster.height, (x, y) => [raster.width - 1 - x, y]);
