// @ts-check
/** Seeded random numbers, and the latents that they become. The same seed gives the same numbers, bit for bit, in every
 * browser: only 32-bit integer arithmetic and the operations +, −, ×, ÷ and √ are used, which IEEE 754 rounds alike.
 * Math.log, whose last bits differ between browsers, is replaced by a series. They are not the numbers of PyTorch. */

import { timesColumn } from './matrices.js';

const GOLDEN = 0x9e3779b9; // 2³² ÷ the golden ratio
const HALF_LOG = 0.5 * Math.LN2;
const TERMS = 15; // of the series, whose remainder is below 2⁻⁵³
const MOST_FACES = 64;
const LARGEST_SEED = 2 ** 32 - 1;
const BITS = new DataView(new ArrayBuffer(8));

/**
 * A generator of 32-bit whole numbers: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2021). Its state is filled from the seed by the mixing function of splitmix32 (the finalizer of
 * MurmurHash3 on multiples of the golden ratio).
 * @param {number} seed a whole number from 0 to 2³² − 1
 */
export function wholeNumbers(seed) {
  const state = new Uint32Array(4);
  for (const place of state.keys()) state[place] = mixed(seed + GOLDEN * (place + 1));
  return () => {
    const result = Math.imul(rotated(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 11);
    return result;
  };
}

/** @param {number} value taken modulo 2³² */
function mixed(value) {
  let bits = value >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/**
 * @param {number} bits
 * @param {number} by
 */
const rotated = (bits, by) => (bits << by) | (bits >>> (32 - by));

/**
 * A generator of draws from N(0, 1) by the polar method (Marsaglia and Bray, 1964), which gives two at a time.
 * @param {number} seed a whole number from 0 to 2³² − 1
 */
export function normalNumbers(seed) {
  const next = wholeNumbers(seed);
  const uniform = () => (next() + 0.5) / 2 ** 31 - 1; // in (−1, 1), 0 left out
  /** @type {number | null} */
  let kept = null;
  return () => {
    if (kept !== null) {
      const value = kept;
      kept = null;
      return value;
    }
    let [x, y, square] = [0, 0, 1];
    while (square >= 1) {
      x = uniform();
      y = uniform();
      square = x * x + y * y;
    }
    const factor = Math.sqrt((-2 * naturalLog(square)) / square);
    kept = y * factor;
    return x * factor;
  };
}

/**
 * The natural logarithm of a normal positive number, as the series of log((1 + s) ÷ (1 − s)); the error is below
 * 10⁻¹⁵.
 * @param {number} value
 */
export function naturalLog(value) {
  BITS.setFloat64(0, value);
  const high = BITS.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  BITS.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let fraction = BITS.getFloat64(0); // in [1, 2)
  if (fraction > Math.SQRT2) {
    fraction /= 2;
    exponent += 1;
  }
  const s = (fraction - 1) / (fraction + 1);
  let sum = 0;
  for (let term = TERMS; term >= 0; term--) sum = sum * s * s + 1 / (2 * term + 1);
  return 2 * (s * sum + exponent * HALF_LOG);
}

/**
 * Rows of normal noise for prior.onnx, scaled by a truncation, which is the standard deviation of the draws relative
 * to the prior's. Of a mixture the first number picks the component and is not scaled. The first rows are the same
 * for every count.
 * @param {number} count
 * @param {number} size numbers of a row
 * @param {number} seed
 * @param {number} truncation
 * @param {boolean} [mixture]
 */
export function priorNoise(count, size, seed, truncation, mixture = false) {
  check(count, seed, truncation);
  const next = normalNumbers(seed);
  /** @type {Float32Array<ArrayBuffer>[]} */
  const rows = [];
  for (let row = 0; row < count; row++) {
    const noise = Float32Array.from({ length: size }, next);
    const first = noise[0];
    for (let i = 0; i < size; i++) noise[i] *= truncation;
    if (mixture) noise[0] = first;
    rows.push(noise);
  }
  return rows;
}

/**
 * Latents of the model's own prior: N(0, I), or the Gaussian of a site's arrays `model_prior_center` (D,) and
 * `model_prior_root` (D, D).
 * @param {number} count
 * @param {number} size D
 * @param {number} seed
 * @param {number} truncation
 * @param {{center: Float32Array, root: Float32Array} | null} [gaussian]
 */
export function modelPriorLatents(count, size, seed, truncation, gaussian = null) {
  const noises = priorNoise(count, size, seed, truncation);
  if (!gaussian) return noises;
  const { center, root } = gaussian;
  return noises.map((noise) => {
    const moved = timesColumn(root, noise);
    return center.map((value, i) => value + moved[i]);
  });
}

/**
 * A latent moved towards the mean latent by a share in [0, 1].
 * @param {Float32Array} z
 * @param {Float32Array} mean
 * @param {number} share
 */
export function blendedWithMean(z, mean, share) {
  if (!(share >= 0 && share <= 1)) throw new Error(`mean_blend is a number from 0 to 1; got ${share}.`);
  if (share === 0) return z;
  return z.map((value, i) => mean[i] + (1 - share) * (value - mean[i]));
}

/**
 * @param {number} count
 * @param {number} seed
 * @param {number} truncation
 */
function check(count, seed, truncation) {
  checkWhole('count', count, 1, MOST_FACES);
  checkWhole('seed', seed, 0, LARGEST_SEED);
  if (!(truncation >= 0 && truncation <= 3)) {
    throw new Error(`truncation is a number from 0 to 3; got ${truncation}.`);
  }
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function checkWhole(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new Error(`${name} is a whole number from ${low} to ${high}; got ${value}.`);
  }
}
