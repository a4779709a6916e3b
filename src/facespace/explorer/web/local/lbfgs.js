// @ts-check
/** The minimum of a smooth function by L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.5)
 * with a line search for the strong Wolfe conditions (algorithms 3.5 and 3.6). Limits and interpolation are those of
 * torch.optim.LBFGS, so that both take the same steps. Pure functions. */

import { product } from './matrices.js';

/** @typedef {{value: number, gradient: Float64Array}} Evaluation */
/** @typedef {(x: Float64Array) => Evaluation} Evaluate */
/** A step and what was found there; slope along the direction. @typedef {Evaluation & {t: number, slope: number}}
 * Trial */
/** Changes of gradient and point. @typedef {{before: Float64Array, step: Float64Array, weight: number}} Pair */

const MOST_ITERATIONS = 30;
const MOST_EVALUATIONS = 37;
const LEAST_GRADIENT = 1e-7;
const LEAST_CHANGE = 1e-9;
const LEAST_CURVATURE = 1e-10;
const DECREASE = 1e-4; // of the value, as a share of what the slope promises
const FLATTER = 0.9; // the slope's share that may be left

/** @param {Float64Array} values */
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/**
 * @param {Float64Array} x
 * @param {Float64Array} direction
 * @param {number} t
 */
const stepped = (x, direction, t) => x.map((value, i) => value + t * direction[i]);

/**
 * Where the function is lowest near a point; never higher than there.
 * @param {Evaluate} evaluate
 * @param {Float64Array} start
 */
export function minimum(evaluate, start) {
  let x = start;
  let found = evaluate(x);
  const first = found.value;
  let evaluations = 1;
  /** @type {Pair[]} */
  const pairs = [];
  for (let iteration = 1; iteration <= MOST_ITERATIONS && evaluations < MOST_EVALUATIONS; iteration++) {
    if (largest(found.gradient) <= LEAST_GRADIENT) break;
    const direction = descent(found.gradient, pairs);
    const slope = product(found.gradient, direction);
    if (slope > -LEAST_CHANGE) break;
    const total = found.gradient.reduce((sum, value) => sum + Math.abs(value), 0);
    const guess = iteration === 1 ? Math.min(1, 1 / total) : 1;
    const origin = { ...found, t: 0, slope };
    const at = (/** @type {number} */ t) => trialOf(evaluate, x, direction, t);
    const { trial, count } = lineSearch(at, origin, guess, largest(direction), MOST_EVALUATIONS - evaluations);
    evaluations += count;
    const step = direction.map((value) => value * trial.t);
    remember(pairs, trial.gradient, found.gradient, step);
    const change = Math.abs(trial.value - found.value);
    x = stepped(x, direction, trial.t);
    found = trial;
    if (largest(step) <= LEAST_CHANGE || change < LEAST_CHANGE) break;
  }
  return evaluate(x).value <= first ? x : start;
}

/**
 * @param {Evaluate} evaluate
 * @param {Float64Array} x
 * @param {Float64Array} direction
 * @param {number} t
 * @returns {Trial}
 */
function trialOf(evaluate, x, direction, t) {
  const { value, gradient } = evaluate(stepped(x, direction, t));
  return { t, value, gradient, slope: product(gradient, direction) };
}

/**
 * Keeps what a step says of the curvature.
 * @param {Pair[]} pairs
 * @param {Float64Array} gradient
 * @param {Float64Array} last
 * @param {Float64Array} step
 */
function remember(pairs, gradient, last, step) {
  const before = gradient.map((value, i) => value - last[i]);
  const curvature = product(before, step);
  if (curvature > LEAST_CURVATURE) pairs.push({ before, step, weight: 1 / curvature });
}

/**
 * Minus the gradient times the approximate inverse of the Hessian.
 * @param {Float64Array} gradient
 * @param {Pair[]} pairs
 */
function descent(gradient, pairs) {
  let direction = gradient.map((value) => -value);
  const shares = new Float64Array(pairs.length);
  for (let i = pairs.length - 1; i >= 0; i--) {
    shares[i] = product(pairs[i].step, direction) * pairs[i].weight;
    direction = stepped(direction, pairs[i].before, -shares[i]);
  }
  const latest = pairs.at(-1);
  if (latest) {
    const scale = 1 / latest.weight / product(latest.before, latest.before);
    direction = direction.map((value) => value * scale);
  }
  for (const [i, { before, step, weight }] of pairs.entries()) {
    direction = stepped(direction, step, shares[i] - product(before, direction) * weight);
  }
  return direction;
}

/**
 * A step that fulfils the strong Wolfe conditions, or the best one of so many.
 * @param {(t: number) => Trial} at
 * @param {Trial} origin
 * @param {number} guess
 * @param {number} length of the direction, its largest number
 * @param {number} most evaluations
 */
function lineSearch(at, origin, guess, length, most) {
  let [last, trial] = [origin, at(guess)];
  let count = 0;
  while (count < most) {
    if (tooHigh(trial, origin) || (count > 1 && trial.value >= last.value)) break;
    if (Math.abs(trial.slope) <= -FLATTER * origin.slope) return { trial, count: count + 1 };
    if (trial.slope >= 0) break;
    const [least, farthest] = [trial.t + 0.01 * (trial.t - last.t), trial.t * 10];
    const next = at(cubicMinimum(last, trial, least, farthest));
    [last, trial] = [trial, next];
    count += 1;
  }
  if (count === most) last = origin;
  return zoomed(at, origin, [last, trial], length, count, most);
}

/**
 * @param {Trial} trial
 * @param {Trial} origin
 */
const tooHigh = (trial, origin) => trial.value > origin.value + DECREASE * trial.t * origin.slope;

/**
 * Narrows a bracket around such a step.
 * @param {(t: number) => Trial} at
 * @param {Trial} origin
 * @param {[Trial, Trial]} bracket
 * @param {number} length
 * @param {number} count evaluations but the first
 * @param {number} most
 */
function zoomed(at, origin, bracket, length, count, most) {
  let low = lowOf(bracket);
  let near = false;
  while (count < most) {
    const [one, other] = bracket;
    if (Math.abs(other.t - one.t) * length < LEAST_CHANGE) break;
    const [left, right] = [Math.min(one.t, other.t), Math.max(one.t, other.t)];
    const placed = insideBracket(cubicMinimum(one, other, left, right), left, right, near);
    near = placed.near;
    const trial = at(placed.t);
    count += 1;
    if (tooHigh(trial, origin) || trial.value >= bracket[low].value) {
      bracket[1 - low] = trial;
      low = lowOf(bracket);
      continue;
    }
    const done = Math.abs(trial.slope) <= -FLATTER * origin.slope;
    if (!done && trial.slope * (bracket[1 - low].t - bracket[low].t) >= 0) bracket[1 - low] = bracket[low];
    bracket[low] = trial;
    if (done) break;
  }
  return { trial: bracket[low], count: count + 1 };
}

/**
 * The place of the lower one of two trials.
 * @param {[Trial, Trial]} bracket
 */
const lowOf = ([one, other]) => (one.value <= other.value ? 0 : 1);

/**
 * A step kept away from a bracket's ends where it came too near to them before.
 * @param {number} t
 * @param {number} left
 * @param {number} right
 * @param {boolean} near whether the last one was near an end
 */
function insideBracket(t, left, right, near) {
  const margin = 0.1 * (right - left);
  if (Math.min(right - t, t - left) >= margin) return { t, near: false };
  if (!near && t < right && t > left) return { t, near: true };
  return { t: Math.abs(t - right) < Math.abs(t - left) ? right - margin : left + margin, near: false };
}

/**
 * The minimum of the cubic through two trials, within bounds.
 * @param {Trial} one
 * @param {Trial} other
 * @param {number} least
 * @param {number} farthest
 */
function cubicMinimum(one, other, least, farthest) {
  const between = one.slope + other.slope - (3 * (one.value - other.value)) / (one.t - other.t);
  const square = between * between - one.slope * other.slope;
  if (!(square >= 0)) return (least + farthest) / 2;
  const root = Math.sqrt(square);
  const [a, b] = one.t <= other.t ? [one, other] : [other, one];
  const t = b.t - (b.t - a.t) * ((b.slope + root - between) / (b.slope - a.slope + 2 * root));
  return Math.min(Math.max(t, least), farthest);
}
