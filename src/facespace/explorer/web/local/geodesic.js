// @ts-check
/** Density-aware paths, as space/geodesic.py finds them: great circles between latents, bent towards where a Gaussian
 * prior is denser. Pure functions. */

import { minimum } from './lbfgs.js';
import { inverse, product, timesColumn } from './matrices.js';

/**
 * The prior whose density bends paths: its `center` (D,), the standard deviations `scale` (D,) of its samples, and the
 * inverse of its covariance in these units, `precision` (D, D).
 * @typedef {{center: Float64Array, scale: Float64Array, precision: Float64Array}} Guide
 */
/** @typedef {(segment: number, t: number) => Float32Array} Between */

const WAVES = [1, 2, 3, 4]; // half-periods of the sines that a bend is made of
const POINTS = 16; // places a segment at which the density is evaluated
const STIFFNESS = 0.15; // nats that half a squared standard deviation of stretching must gain
const FLOOR = 1e-6; // the lowest variance that is kept, as a share of the mean one

/**
 * The guide of a site's arrays `geodesic_center` and `geodesic_scale`, and `geodesic_covariance` where it is not the
 * unit matrix; made once for a space, since it inverts a matrix.
 * @param {Float32Array} center (D,)
 * @param {Float32Array} scale (D,)
 * @param {Float32Array | null} covariance (D, D)
 * @returns {Guide}
 */
export function readGuide(center, scale, covariance) {
  const size = center.length;
  const precision = covariance ? inverse(withFloor(covariance, size), size) : unitMatrix(size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) precision[i * size + j] *= scale[i] * scale[j];
  }
  return { center: Float64Array.from(center), scale: Float64Array.from(scale), precision };
}

/** @param {number} size */
function unitMatrix(size) {
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * (size + 1)] = 1;
  return matrix;
}

/**
 * A covariance whose lowest variance is not 0.
 * @param {Float32Array} covariance
 * @param {number} size
 */
function withFloor(covariance, size) {
  const values = Float64Array.from(covariance);
  let trace = 0;
  for (let i = 0; i < size; i++) trace += values[i * (size + 1)];
  const floor = FLOOR * Math.max(trace / size, FLOOR);
  for (let i = 0; i < size; i++) values[i * (size + 1)] += floor;
  return values;
}

/**
 * The paths between neighbouring stops, exact at both ends: the great circle about the prior's mean, plus sines that
 * raise the mean log-density along the path, scaled to the circle's distance from the mean.
 * @param {Float32Array[]} stops
 * @param {Guide} guide
 * @returns {Between}
 */
export function geodesicPaths(stops, guide) {
  const { center, scale } = guide;
  const white = stops.map((stop) => center.map((middle, d) => (stop[d] - middle) / scale[d]));
  const segments = stops.length - 1;
  const size = center.length;
  const places = Array.from({ length: segments * POINTS }, (_, place) => {
    const segment = Math.floor(place / POINTS);
    const t = ((place % POINTS) + 0.5) / POINTS;
    return { segment, waves: wavesAt(t), circle: greatCircle(white[segment], white[segment + 1], t) };
  });
  const evaluate = (/** @type {Float64Array} */ bends) => evaluation(bends, places, segments, guide);
  const best = minimum(evaluate, new Float64Array(segments * WAVES.length * size));
  return (segment, t) => {
    if (t <= 0) return stops[segment];
    if (t >= 1) return stops[segment + 1];
    const circle = greatCircle(white[segment], white[segment + 1], t);
    const { point } = bent(circle, bendOf(best, segment, wavesAt(t), size));
    return Float32Array.from(point, (value, d) => center[d] + scale[d] * value);
  };
}

/** @param {number} t */
const wavesAt = (t) => WAVES.map((wave) => Math.sin(wave * Math.PI * t));

/**
 * @param {Float64Array} bends coefficients (segments, waves, D)
 * @param {number} segment
 * @param {number[]} waves
 * @param {number} size D
 */
function bendOf(bends, segment, waves, size) {
  const bend = new Float64Array(size);
  for (const [wave, height] of waves.entries()) {
    const start = (segment * waves.length + wave) * size;
    for (let d = 0; d < size; d++) bend[d] += height * bends[start + d];
  }
  return bend;
}

/**
 * A point of a circle, bent, at its distance from the origin; with its direction, and by how much it was scaled.
 * @param {Float64Array} circle
 * @param {Float64Array} bend
 */
function bent(circle, bend) {
  const moved = circle.map((value, d) => value + bend[d]);
  const length = Math.max(Math.hypot(...moved), 1e-12);
  const ratio = Math.hypot(...circle) / length;
  return { point: moved.map((value) => value * ratio), unit: moved.map((value) => value / length), ratio };
}

/**
 * Minus the mean log-density of the paths, plus what stretching costs, and its gradient.
 * @param {Float64Array} bends coefficients (segments, waves, D)
 * @param {{segment: number, waves: number[], circle: Float64Array}[]} places
 * @param {number} segments
 * @param {Guide} guide
 */
function evaluation(bends, places, segments, { precision }) {
  const size = bends.length / segments / WAVES.length;
  const gradient = new Float64Array(bends.length);
  let value = 0;
  for (const { segment, waves, circle } of places) {
    const { point, unit, ratio } = bent(circle, bendOf(bends, segment, waves, size));
    const pull = timesColumn(precision, point);
    value += product(point, pull) / 2 / places.length;
    const radial = product(unit, pull);
    for (const [wave, height] of waves.entries()) {
      const start = (segment * waves.length + wave) * size;
      const share = (height * ratio) / places.length;
      for (let d = 0; d < size; d++) gradient[start + d] += share * (pull[d] - radial * unit[d]);
    }
  }
  for (let i = 0; i < bends.length; i++) {
    const wave = WAVES[Math.floor(i / size) % WAVES.length];
    const cost = ((STIFFNESS / 2) * (wave * Math.PI) ** 2) / segments;
    value += (cost * bends[i] ** 2) / 2;
    gradient[i] += cost * bends[i];
  }
  return { value, gradient };
}

/**
 * The great circle about the origin at t; the line for parallel and opposite ends.
 * @param {Float64Array} start
 * @param {Float64Array} end
 * @param {number} t
 */
function greatCircle(start, end, t) {
  const [lengthA, lengthB] = [Math.hypot(...start), Math.hypot(...end)];
  const cosine = product(start, end) / Math.max(lengthA, 1e-12) / Math.max(lengthB, 1e-12);
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine)));
  if (Math.sin(angle) < 1e-6 || lengthA * lengthB === 0) return start.map((value, d) => (1 - t) * value + t * end[d]);
  const length = ((1 - t) * lengthA + t * lengthB) / Math.sin(angle);
  const [shareA, shareB] = [Math.sin((1 - t) * angle) / lengthA, Math.sin(t * angle) / lengthB];
  return start.map((value, d) => length * (shareA * value + shareB * end[d]));
}
