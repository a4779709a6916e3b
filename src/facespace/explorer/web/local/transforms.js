// @ts-check
/** Similarity transforms, and photographs through them: the alignment of image/align.py. A matrix is six numbers, the
 * rows of (2, 3) one after another. Pure functions. */

import { roundedEven } from '../maths.js';
import { blurred } from './blur.js';
import { LANCZOS, reduced, resized } from './rasters.js';

/** @typedef {import('./rasters.js').Raster} Raster */
/** @typedef {[number, number, number, number, number, number]} Matrix */
/** @typedef {[number, number]} Point */
/** Where an aligned picture has the landmarks. @typedef {{width: number, height: number, points: Point[]}}
 * FaceTemplate */

const WEIGHTS = [1, 1, 0, 0.3, 0.3]; // of eyes, nose and corners of the mouth
const SUPERSAMPLING = 2; // a downsampled face is first rendered this much larger

/**
 * The rotation, scale and shift that map points to their targets with the least squared error. Points that are null
 * are left out. Throws an Error with a sentence where fewer than two distinct points remain.
 * @param {(Point | null)[]} points
 * @param {Point[]} target
 * @returns {Matrix}
 */
export function similarity(points, target) {
  const known = WEIGHTS.flatMap((weight, place) => {
    const point = points[place];
    return point && weight > 0 ? [{ weight, p: point, q: target[place] }] : [];
  });
  const total = known.reduce((sum, { weight }) => sum + weight, 0);
  const middle = (/** @type {'p' | 'q'} */ side, /** @type {0 | 1} */ axis) =>
    known.reduce((sum, row) => sum + row.weight * row[side][axis], 0) / total;
  const [px, py, qx, qy] = [middle('p', 0), middle('p', 1), middle('q', 0), middle('q', 1)];
  let [variance, real, imaginary] = [0, 0, 0];
  for (const { weight, p, q } of known) {
    const [x, y, u, v] = [p[0] - px, p[1] - py, q[0] - qx, q[1] - qy];
    variance += weight * (x * x + y * y);
    real += weight * (x * u + y * v);
    imaginary += weight * (x * v - y * u);
  }
  if (known.length < 2 || variance < 1e-9) throw new Error('fewer than two distinct face points');
  const [a, b] = [real / variance, imaginary / variance];
  if (Math.hypot(a, b) < 1e-9) throw new Error('face points that fit no template');
  return [a, -b, qx - a * px + b * py, b, a, qy - b * px - a * py];
}

/**
 * @param {Matrix} matrix
 * @param {Point} point
 * @returns {Point}
 */
export const applied = ([a, b, c, d, e, f], [x, y]) => [a * x + b * y + c, d * x + e * y + f];

/**
 * @param {Matrix} matrix
 * @returns {Matrix}
 */
export function inverted([a, b, c, d, e, f]) {
  const determinant = a * e - b * d;
  const [p, q, r, s] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return [p, q, -p * c - q * f, r, s, -r * c - s * f];
}

/** @param {Matrix} matrix */
export const scaleOf = ([a, b, , d, e]) => Math.sqrt(Math.abs(a * e - b * d));

/**
 * The face with these landmarks, upright and at the template's position. Outside the photo its edge is continued, with
 * increasing blur.
 * @param {Raster} photo RGB
 * @param {(Point | null)[]} points
 * @param {FaceTemplate} template
 */
export const aligned = (photo, points, template) =>
  warped(photo, similarity(points, template.points), template.width, template.height);

/**
 * A photo transformed by a similarity.
 * @param {Raster} photo RGB
 * @param {Matrix} matrix
 * @param {number} width
 * @param {number} height
 */
export function warped(photo, matrix, width, height) {
  const scale = scaleOf(matrix);
  const finer = scale < 0.9 ? SUPERSAMPLING : 1;
  let grown = matrix.map((value) => value * finer);
  let small = photo;
  if (scale < 1 / SUPERSAMPLING) {
    const columns = Math.max(1, roundedEven(photo.width * scale * finer));
    const rows = Math.max(1, roundedEven(photo.height * scale * finer));
    small = reduced(photo, columns, rows, LANCZOS, 3);
    const [across, down] = [photo.width / columns, photo.height / rows];
    const [a, b, c, d, e, f] = grown;
    grown = [a * across, b * down, c, d * across, e * down, f];
  }
  const back = inverted(/** @type {Matrix} */ (grown));
  const inside = insideOf(back, width * finer, height * finer, small);
  let result = sampledBicubic(small, back, width * finer, height * finer);
  if (inside.includes(0)) result = softened(result, inside, (finer * width) / 30);
  return finer === 1 ? result : resized(result, width, height, LANCZOS);
}

/**
 * Which pixels of a result have their centre inside the photo: 1 or 0.
 * @param {Matrix} back
 * @param {number} width
 * @param {number} height
 * @param {Raster} photo
 */
function insideOf(back, width, height, photo) {
  const inside = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = applied(back, [x + 0.5, y + 0.5]);
      if (u >= 0 && u <= photo.width && v >= 0 && v <= photo.height) inside[y * width + x] = 1;
    }
  }
  return inside;
}

/**
 * The cubic through four neighbours as Pillow's transform has it, at t in [0, 1) between the inner two.
 * @param {number} t
 * @returns {[number, number, number, number]}
 */
function cubicWeights(t) {
  return [t * (-1 + t * (2 - t)), 1 + t * t * (-2 + t), t * (1 + t * (1 - t)), t * t * (-1 + t)];
}

/**
 * Bicubic sampling of a raster whose edge is repeated outwards.
 * @param {Raster} raster
 * @param {Matrix} back from the result to the raster
 * @param {number} width
 * @param {number} height
 * @returns {Raster}
 */
function sampledBicubic({ data, width: columns, height: rows, channels }, back, width, height) {
  const result = new Uint8Array(width * height * channels);
  const at = [0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = applied(back, [x + 0.5, y + 0.5]);
      const [left, top] = [Math.floor(u - 0.5), Math.floor(v - 0.5)];
      const [across, down] = [cubicWeights(u - 0.5 - left), cubicWeights(v - 0.5 - top)];
      for (let i = 0; i < 4; i++) at[i] = Math.max(0, Math.min(columns - 1, left - 1 + i)) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0; i < 4; i++) {
          const row = Math.max(0, Math.min(rows - 1, top - 1 + i)) * columns * channels + c;
          const line =
            across[0] * data[row + at[0]] +
            across[1] * data[row + at[1]] +
            across[2] * data[row + at[2]] +
            across[3] * data[row + at[3]];
          sum += down[i] * line;
        }
        // Pillow cuts fractions off; a sum that is whole but for its last bits stays.
        result[(y * width + x) * channels + c] = Math.max(0, Math.min(255, Math.floor(sum + 1e-9)));
      }
    }
  }
  return { data: result, width, height, channels };
}

/**
 * Blurs the repeated edge, fully from about two radii outwards; the photo itself is unchanged.
 * @param {Raster} raster
 * @param {Uint8Array} inside 1 where it shows the photo
 * @param {number} radius
 * @returns {Raster}
 */
function softened(raster, inside, radius) {
  const { data, width, height, channels } = raster;
  const white = inside.map((value) => value * 255);
  const near = blurred({ data: white, width, height, channels: 1 }, radius).data;
  const soft = blurred(raster, radius).data;
  const result = Uint8Array.from(data);
  for (let i = 0; i < inside.length; i++) {
    if (inside[i]) continue;
    const ramp = Math.trunc(255 * Math.max(0, Math.min(1, 1 - near[i] / 127.5)));
    for (let at = i * channels; at < (i + 1) * channels; at++) {
      const sum = data[at] * (255 - ramp) + soft[at] * ramp + 128;
      result[at] = ((sum >> 8) + sum) >> 8;
    }
  }
  return { data: result, width, height, channels };
}

/**
 * Bilinear sampling; gray where the raster does not reach.
 * @param {Raster} raster
 * @param {Matrix} back from the result to the raster
 * @param {number} width
 * @param {number} height
 * @returns {Raster}
 */
export function sampledBilinear({ data, width: columns, height: rows, channels }, back, width, height) {
  const result = new Uint8Array(width * height * channels).fill(128);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = applied(back, [x + 0.5, y + 0.5]);
      if (u < 0 || v < 0 || u >= columns || v >= rows) continue;
      const [left, top] = [Math.floor(u - 0.5), Math.floor(v - 0.5)];
      const [dx, dy] = [u - 0.5 - left, v - 0.5 - top];
      const [x0, x1] = [Math.max(0, left), Math.min(columns - 1, left + 1)];
      const [y0, y1] = [Math.max(0, top), Math.min(rows - 1, top + 1)];
      for (let c = 0; c < channels; c++) {
        const value = (/** @type {number} */ column, /** @type {number} */ row) =>
          data[(row * columns + column) * channels + c];
        const upper = value(x0, y0) + (value(x1, y0) - value(x0, y0)) * dx;
        const lower = value(x0, y1) + (value(x1, y1) - value(x0, y1)) * dx;
        result[(y * width + x) * channels + c] = Math.floor(upper + (lower - upper) * dy + 1e-9);
      }
    }
  }
  return { data: result, width, height, channels };
}
