// @ts-check
/** A direction of one's own from latents of faces with and without a property, as latent/directions.py:
 * custom_direction fits it: the difference of their means in whitened space, with the plane that separates them as
 * its probe. Pure functions. */

import { inverse, product, rowTimes, solvePositive, timesColumn } from './matrices.js';

/** @typedef {import('../types.js').AttributeFacts} AttributeFacts */
/**
 * The Gaussian of encoded faces: `center` (D,), the symmetric square root of their covariance, and its inverse (D, D).
 * @typedef {object} Whitening
 * @property {Float64Array} center
 * @property {Float64Array} root
 * @property {Float64Array} inverse
 */

const FEWEST = 5; // faces of each side
const MOST = 2000; // faces of both sides
const LEAST_DIFFERENCE = 1e-4; // of the mean latents of both sides
const RIDGE = 100; // of the regression, in faces
const LEAST_GAIN = 0.05; // of a score for each standard deviation moved; below it the direction does not change it

const SAME = 'The faces with and without are the same on average. Collect faces that differ.';

/**
 * The whitening of a site's arrays `whitening_center` and `whitening_root`; made once for a space, since it inverts a
 * matrix.
 * @param {Float32Array} center (D,)
 * @param {Float32Array} root (D, D)
 * @returns {Whitening}
 */
export function readWhitening(center, root) {
  return { center: Float64Array.from(center), root: Float64Array.from(root), inverse: inverse(root, center.length) };
}

/**
 * The direction from the faces without the property to those with it: what the page shows of it, and its numbers
 * (1 + 3 D,) as the reply to `directions` has them. Throws an Error with a sentence for too few or too many faces, and
 * where both sides are the same on average.
 * @param {Float32Array[]} positive latents of faces with the property
 * @param {Float32Array[]} negative
 * @param {Whitening} whitening
 * @returns {{facts: AttributeFacts, values: Float32Array<ArrayBuffer>}}
 */
export function fitDirection(positive, negative, whitening) {
  checkCounts(positive.length, negative.length);
  const apart = difference(meanOf(positive), meanOf(negative));
  if (Math.sqrt(product(apart, apart)) < LEAST_DIFFERENCE) throw new Error(SAME);
  const size = whitening.center.length;
  const having = whitened(positive, whitening);
  const lacking = whitened(negative, whitening);
  const unit = normalized(difference(meanOf(having), meanOf(lacking)));
  const probe = normalized(ridgeProbe(having, lacking));
  const on = product(meanOf(having), probe);
  const off = product(meanOf(lacking), probe);
  /** @type {AttributeFacts} */
  const facts = {
    auc: leftOutAuc(positive, negative),
    positives: positive.length,
    negatives: negative.length,
    positive_mean: on,
    negative_mean: off,
  };
  const gain = product(unit, probe);
  if (gain > LEAST_GAIN && on > off) facts.gap = (on - off) / gain;
  const row = timesColumn(whitening.inverse, probe);
  const values = new Float32Array(1 + 3 * size);
  values[0] = -product(whitening.center, row);
  values.set(row, 1);
  values.set(rowTimes(unit, whitening.root, size), 1 + size);
  values.set(rowTimes(probe, whitening.root, size), 1 + 2 * size);
  return { facts, values };
}

/**
 * @param {number} positive
 * @param {number} negative
 */
function checkCounts(positive, negative) {
  if (positive < FEWEST || negative < FEWEST) {
    throw new Error(
      `A direction needs ${FEWEST} faces or more with and without; got ${positive} with and ${negative} without.`,
    );
  }
  if (positive + negative > MOST) {
    throw new Error(`A direction is fitted to at most ${MOST} faces; got ${positive + negative}.`);
  }
}

/**
 * Latents as white vectors.
 * @param {Float32Array[]} rows
 * @param {Whitening} whitening
 */
const whitened = (rows, { center, inverse: turn }) =>
  rows.map((row) => rowTimes(difference(row, center), turn, center.length));

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
function difference(a, b) {
  const result = Float64Array.from(a);
  for (let i = 0; i < result.length; i++) result[i] -= b[i];
  return result;
}

/** @param {ArrayLike<number>[]} rows */
function meanOf(rows) {
  const sum = new Float64Array(rows[0].length);
  for (const row of rows) for (let i = 0; i < sum.length; i++) sum[i] += row[i];
  return sum.map((value) => value / rows.length);
}

/** @param {Float64Array} vector */
function normalized(vector) {
  const length = Math.max(Math.hypot(...vector), 1e-12);
  return vector.map((value) => value / length);
}

/**
 * The normal of the separating plane by ridge regression on ±1, both sides with the same total weight. The weighted
 * means are taken out, as an intercept would do.
 * @param {Float64Array[]} having white vectors
 * @param {Float64Array[]} lacking
 */
function ridgeProbe(having, lacking) {
  const count = having.length + lacking.length;
  const middle = meanOf([meanOf(having), meanOf(lacking)]);
  const shares = [...having.map(() => count / 2 / having.length), ...lacking.map(() => count / 2 / lacking.length)];
  const roots = shares.map(Math.sqrt);
  const targets = roots.map((root, place) => (place < having.length ? root : -root));
  const rows = [...having, ...lacking].map((row, place) =>
    difference(row, middle).map((value) => value * roots[place]),
  );
  return count <= middle.length ? solveBetweenFaces(rows, targets) : solveBetweenLatents(rows, targets);
}

/**
 * argmin |A w − b|² + RIDGE · |w|² = Aᵀ (A Aᵀ + RIDGE I)⁻¹ b, the smaller system where there are fewer faces.
 * @param {Float64Array[]} rows of A, (N, D)
 * @param {number[]} targets b
 */
function solveBetweenFaces(rows, targets) {
  const count = rows.length;
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) gram[i * count + j] = product(rows[i], rows[j]);
    gram[i * count + i] += RIDGE;
  }
  const weights = solvePositive(gram, Float64Array.from(targets));
  return weightedSum(rows, weights);
}

/**
 * The same as (Aᵀ A + RIDGE I)⁻¹ Aᵀ b.
 * @param {Float64Array[]} rows of A, (N, D)
 * @param {number[]} targets b
 */
function solveBetweenLatents(rows, targets) {
  const size = rows[0].length;
  const gram = new Float64Array(size * size);
  for (const row of rows) {
    for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) gram[i * size + j] += row[i] * row[j];
  }
  for (let i = 0; i < size; i++) gram[i * size + i] += RIDGE;
  return solvePositive(gram, weightedSum(rows, targets));
}

/**
 * @param {Float64Array[]} rows
 * @param {ArrayLike<number>} weights
 */
function weightedSum(rows, weights) {
  const sum = new Float64Array(rows[0].length);
  for (const [place, row] of rows.entries()) {
    for (let i = 0; i < sum.length; i++) sum[i] += weights[place] * row[i];
  }
  return sum;
}

/**
 * The AUC of the score of each face along the difference of means of all other faces (leave-one-out).
 * @param {Float32Array[]} positive latents
 * @param {Float32Array[]} negative
 */
function leftOutAuc(positive, negative) {
  const [yes, no] = [meanOf(positive), meanOf(negative)];
  const scoresOf = (/** @type {Float32Array[]} */ faces, /** @type {boolean} */ have) =>
    faces.map((face) => {
      const rest = without(have ? yes : no, faces.length, face);
      return leftOutScore(face, have ? rest : yes, have ? no : rest);
    });
  return areaUnderCurve(scoresOf(positive, true), scoresOf(negative, false));
}

/**
 * The mean of the other faces.
 * @param {Float64Array} mean of so many faces
 * @param {number} count
 * @param {Float32Array} face one of them
 */
const without = (mean, count, face) => mean.map((value, i) => (value * count - face[i]) / (count - 1));

/**
 * @param {Float32Array} face
 * @param {Float64Array} yes mean of the faces with the property
 * @param {Float64Array} no mean of those without
 */
function leftOutScore(face, yes, no) {
  let score = 0;
  for (let i = 0; i < face.length; i++) score += (face[i] - (yes[i] + no[i]) / 2) * (yes[i] - no[i]);
  return score;
}

/**
 * The share of pairs of a face with and a face without in which the first one's score is higher; of equal scores half.
 * @param {number[]} positive scores
 * @param {number[]} negative scores
 */
function areaUnderCurve(positive, negative) {
  let above = 0;
  for (const score of positive) {
    for (const other of negative) {
      if (score > other) above += 1;
      if (score === other) above += 0.5;
    }
  }
  return above / (positive.length * negative.length);
}
