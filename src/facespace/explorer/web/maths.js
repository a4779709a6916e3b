// @ts-check
/** Arithmetic on latents, and their text form in links and files. Pure functions. */

/** @typedef {import('./types.js').Statistics} Statistics */

const LARGEST_VALUE = 1e6;
const RIDGE = 1e-6; // relative to probes of length 1

/** A draw from N(0, 1), by the Box-Muller transform. */
export function randomNormal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

/** A seed for the server's generators. */
export const randomSeed = () => Math.floor(Math.random() * 2 ** 32);

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * A number with its sign and one decimal.
 * @param {number} value
 */
export function signed(value) {
  const sign = value >= 0 ? '+' : '−';
  return `${sign}${Math.abs(value).toFixed(1)}`;
}

/**
 * A number with two decimals, as a field holds it: never a zero with a sign.
 * @param {number} value
 */
export const fixed = (value) => value.toFixed(2).replace(/^-(0\.00)$/, '$1');

/**
 * The coordinate of a latent (D,) along each principal component (K,), in standard deviations.
 * @param {Statistics} statistics
 * @param {Float32Array} z
 */
export function coordinates(statistics, z) {
  const { mean, components, componentStd } = statistics;
  const size = z.length;
  const result = new Float32Array(componentStd.length);
  for (let k = 0; k < result.length; k++) {
    let sum = 0;
    for (let d = 0; d < size; d++) sum += (z[d] - mean[d]) * components[k * size + d];
    result[k] = sum / componentStd[k];
  }
  return result;
}

/**
 * A latent moved along component `k` by some standard deviations.
 * @param {Statistics} statistics
 * @param {Float32Array} z
 * @param {number} k
 * @param {number} by
 */
export function moveAlong(statistics, z, k, by) {
  const { components, componentStd } = statistics;
  const moved = z.slice();
  const size = moved.length;
  for (let d = 0; d < size; d++) moved[d] += by * componentStd[k] * components[k * size + d];
  return moved;
}

/**
 * A latent drawn from the Gaussian of the space's faces: its numbers vary together as theirs do.
 * @param {Statistics} statistics
 * @param {number} truncation standard deviation of the draw, 1 as the faces
 */
export function randomLatent(statistics, truncation) {
  let z = statistics.mean;
  for (const k of statistics.componentStd.keys()) z = moveAlong(statistics, z, k, truncation * randomNormal());
  return z;
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * z plus the sum of vectors by weights.
 * @param {Float32Array} z
 * @param {Float32Array[]} vectors
 * @param {ArrayLike<number>} weights
 */
export function plus(z, vectors, weights) {
  const sum = z.slice();
  for (const [i, vector] of vectors.entries()) {
    for (let d = 0; d < sum.length; d++) sum[d] += weights[i] * vector[d];
  }
  return sum;
}

/**
 * Solves a symmetric positive system by Gaussian elimination; a small ridge keeps it regular.
 * @param {number[][]} matrix (N, N), which is changed
 * @param {number[]} right (N,)
 */
export function solve(matrix, right) {
  const size = right.length;
  const x = [...right];
  for (let i = 0; i < size; i++) matrix[i][i] += RIDGE;
  for (let i = 0; i < size; i++) {
    for (let row = i + 1; row < size; row++) {
      const factor = matrix[row][i] / matrix[i][i];
      for (let column = i; column < size; column++) matrix[row][column] -= factor * matrix[i][column];
      x[row] -= factor * x[i];
    }
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let column = i + 1; column < size; column++) x[i] -= matrix[i][column] * x[column];
    x[i] /= matrix[i][i];
  }
  return x;
}

/**
 * How far a latent lies from the mean face, as a multiple of a usual face's distance (the median).
 * @param {Statistics} statistics
 * @param {Float32Array} z
 */
export function distanceRatio(statistics, z) {
  return Math.hypot(...coordinates(statistics, z)) / Math.max(statistics.distances[50], 1e-6);
}

/**
 * The percentage of the space's faces whose Mahalanobis distance from the mean is smaller than this latent's.
 * @param {Statistics} statistics
 * @param {Float32Array} z
 */
export function distancePercentile(statistics, z) {
  const { distances } = statistics;
  const distance = Math.hypot(...coordinates(statistics, z));
  if (distance >= distances[100]) return 100;
  let percent = 0;
  while (percent < 100 && distances[percent + 1] <= distance) percent++;
  return percent;
}

/**
 * Base64 without the characters that an address escapes.
 * @param {string} bytes one character a byte
 */
export const toUrlBase64 = (bytes) => btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/**
 * The inverse of toUrlBase64. Throws for other text.
 * @param {string} text
 */
export const fromUrlBase64 = (text) => atob(text.replaceAll('-', '+').replaceAll('_', '/'));

/** @param {Float32Array} z */
export function latentToText(z) {
  const bytes = new Uint8Array(z.buffer, z.byteOffset, z.byteLength);
  let characters = '';
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return toUrlBase64(characters);
}

/**
 * The latent of a text. Throws an Error with a sentence for anything but `size` finite numbers.
 * @param {unknown} text
 * @param {number} size
 */
export function latentFromText(text, size) {
  if (typeof text !== 'string' || text.length > 8 * size + 8) throw new Error('The data hold no latent of this space.');
  let characters = '';
  try {
    characters = fromUrlBase64(text);
  } catch {
    // Not base64: the length check below reports it.
  }
  if (characters.length !== 4 * size)
    throw new Error(`A latent of this space has ${size} dimensions; this one differs.`);
  const bytes = Uint8Array.from(characters, (character) => character.charCodeAt(0));
  const z = new Float32Array(bytes.buffer);
  const valid = z.every((value) => Number.isFinite(value) && Math.abs(value) < LARGEST_VALUE);
  if (!valid) throw new Error('The latent holds values that are not finite or too large.');
  return z;
}

/**
 * Arrays of bytes one after another.
 * @param {...ArrayBufferView} parts
 */
export function joined(...parts) {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const all = new Uint8Array(size);
  let offset = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    all.set(new Uint8Array(buffer, byteOffset, byteLength), offset);
    offset += byteLength;
  }
  return all.buffer;
}

/**
 * The bytes of latents one after another.
 * @param {Float32Array[]} rows
 */
export const latentsToBytes = (rows) => new Uint8Array(joined(...rows));

/**
 * A whole number as Python and numpy round: halves to the even one.
 * @param {number} value
 */
export function roundedEven(value) {
  const low = Math.floor(value);
  if (value - low === 0.5) return low % 2 === 0 ? low : low + 1;
  return Math.round(value);
}
