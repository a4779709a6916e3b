// @ts-check
/** Paint on a face as an edit of its latent, as latent/painting.py finds it: Gauss-Newton steps within the span of what
 * the encoder sees in the painted face and not in the face so far. Pictures are rows of numbers in [0, 1]. */

import { product, rowTimes, solvePositive } from './matrices.js';

/**
 * Colours (H · W · C) in [0, 1], and how much of each value is painted, of the same length.
 * @typedef {{colours: Float64Array, cover: Float64Array}} Paint
 */
/** @typedef {{picture: Float64Array, weight: Float64Array}} Goal the picture to reach, and the weight of each value */
/** @typedef {{moved: Float64Array, picture: Float64Array, error: number}} At `moved`: σ from the start */
/**
 * @typedef {object} PaintTools
 * @property {(picture: Float64Array) => Promise<ArrayLike<number>>} encode
 * @property {(z: Float64Array) => Promise<Float64Array>} decode
 * @property {{root: Float64Array, inverse: Float64Array}} whitening
 */

const OUTSIDE_WEIGHT = 0.2; // of a squared difference outside the paint, against 1 inside
const DISTANCE_WEIGHT = 0.05; // of a squared standard deviation moved
const USUAL_SIZE = 64 * 64 * 3; // values of a picture; in larger ones a value weighs less, in smaller ones more
const STEPS = 6;
const SHARES = [1, 0.5]; // of a solution that are tried
const RIDGE = 1e-6; // relative to the trace

/**
 * The painted picture.
 * @param {Paint} paint
 * @param {Float64Array} picture
 */
const painted = ({ colours, cover }, picture) => picture.map((value, i) => value + cover[i] * (colours[i] - value));

/**
 * @param {Paint} paint
 * @param {Float64Array} start
 * @returns {Goal}
 */
function goalOf({ colours, cover }, start) {
  const weight = cover.map((share) => share + OUTSIDE_WEIGHT * (1 - share));
  const picture = start.map((value, i) => {
    const outside = OUTSIDE_WEIGHT * (1 - cover[i]);
    return (cover[i] * colours[i] + outside * value) / weight[i];
  });
  const scale = USUAL_SIZE / start.length;
  return { picture, weight: weight.map((value) => scale * value) };
}

/**
 * @param {Goal} goal
 * @param {Float64Array} picture
 * @param {Float64Array} moved
 */
function errorOf(goal, picture, moved) {
  let sum = 0;
  for (let i = 0; i < picture.length; i++) sum += goal.weight[i] * (picture[i] - goal.picture[i]) ** 2;
  return sum + DISTANCE_WEIGHT * product(moved, moved);
}

/**
 * @param {Float64Array} a
 * @param {ArrayLike<number>} b
 * @param {number} [share]
 */
const sumOf = (a, b, share = 1) => a.map((value, i) => value + share * b[i]);

/**
 * A latent near z whose face takes on the paint; z itself where none is found.
 * @param {Float32Array} z
 * @param {Paint} paint
 * @param {PaintTools} tools
 */
export async function paintedLatent(z, paint, { encode, decode, whitening }) {
  const start = Float64Array.from(z);
  const latentAt = (/** @type {Float64Array} */ moved) => sumOf(start, rowTimes(moved, whitening.root, z.length));
  const at = async (/** @type {Float64Array} */ moved) => {
    const picture = await decode(latentAt(moved));
    return { moved, picture, error: errorOf(goal, picture, moved) };
  };
  const face = await decode(start);
  const goal = goalOf(paint, face);
  const wanted = Float64Array.from(await encode(painted(paint, face)));
  const still = new Float64Array(z.length);
  /** @type {At} */
  let best = { moved: still, picture: face, error: errorOf(goal, face, still) };
  /** @type {Float64Array[]} */
  const moves = [];
  /** @type {Float64Array[]} */
  const changes = [];
  for (let count = 0; count < STEPS; count++) {
    const seen = await encode(best.picture);
    const move = rowTimes(sumOf(wanted, seen, -1), whitening.inverse, z.length);
    if (!move.some(Boolean)) break;
    const tried = await at(sumOf(best.moved, move));
    moves.push(move);
    changes.push(sumOf(tried.picture, best.picture, -1));
    const step = stepOf(moves, changes, best, goal);
    const found = [tried];
    for (const share of SHARES) found.push(await at(sumOf(best.moved, step, share)));
    const nearest = found.reduce((least, other) => (other.error < least.error ? other : least));
    if (nearest.error >= best.error) break;
    best = nearest;
  }
  return Float32Array.from(latentAt(best.moved));
}

/**
 * The combination of moves that minimises the error, were the picture linear in them with these changes.
 * @param {Float64Array[]} moves
 * @param {Float64Array[]} changes
 * @param {At} best
 * @param {Goal} goal
 */
function stepOf(moves, changes, best, goal) {
  const count = moves.length;
  const lacking = sumOf(goal.picture, best.picture, -1);
  const weighted = changes.map((change) => change.map((value, i) => value * goal.weight[i]));
  const system = new Float64Array(count * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      const pixels = product(weighted[row], changes[column]);
      system[row * count + column] = pixels + DISTANCE_WEIGHT * product(moves[row], moves[column]);
    }
  }
  let trace = 0;
  for (let i = 0; i < count; i++) trace += system[i * count + i];
  for (let i = 0; i < count; i++) system[i * count + i] += RIDGE * trace;
  const right = moves.map((move, i) => product(weighted[i], lacking) - DISTANCE_WEIGHT * product(move, best.moved));
  const shares = solvePositive(system, Float64Array.from(right));
  const step = new Float64Array(best.moved.length);
  for (const [i, move] of moves.entries()) for (let d = 0; d < step.length; d++) step[d] += shares[i] * move[d];
  return step;
}
