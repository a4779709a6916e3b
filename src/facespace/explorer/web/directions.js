// @ts-check
/** Reads and moves attributes. Scores and moves are linear in the latent, so that no slider waits for the server.
 * `row` and `lock` of a direction are its probe in the latents' own numbers: the product of one's row and another's
 * lock is the cosine of both probes over faces. */

import { dot, plus, solve } from './maths.js';

/** @typedef {import('./types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('./types.js').Direction} Direction */
/** @typedef {import('./types.js').Statistics} Statistics */

/**
 * How many numbers describe a direction of latents of a size.
 * @param {number} size
 */
export const directionLength = (size) => 1 + 3 * size;

/**
 * The direction of its numbers: the offset, then row, step and lock.
 * @param {string} name
 * @param {AttributeFacts} facts
 * @param {Float32Array} values (1 + 3 D,)
 * @returns {Direction}
 */
export function directionOf(name, facts, values) {
  const size = (values.length - 1) / 3;
  const [row, step, lock] = [0, 1, 2].map((part) => values.slice(1 + part * size, 1 + (part + 1) * size));
  return { name, facts, offset: values[0], row, step, lock };
}

const LEAST_GAIN = 0.05; // of a score for each standard deviation moved; below it nothing would change
const LEAST_REST = 0.05; // of a move's effect that locks must leave

/**
 * The score of a latent, in standard deviations of faces.
 * @param {Direction} direction
 * @param {Float32Array} z
 */
export const scoreOf = ({ offset, row }, z) => offset + dot(row, z);

/**
 * A latent moved so that its scores become the given ones while those of locked attributes stay. One attribute moves
 * along its direction; several move together by the shortest way, since each one's own would move the others too.
 * Throws an Error with a sentence where the locks leave nothing.
 * @param {Float32Array} z
 * @param {Map<Direction, number>} targets
 * @param {Direction[]} locked
 */
export function moveToScores(z, targets, locked) {
  const edited = [...targets.keys()];
  const lacking = edited.map((direction) => /** @type {number} */ (targets.get(direction)) - scoreOf(direction, z));
  if (edited.length !== 1) return moveTogether(z, [...edited, ...locked], [...lacking, ...locked.map(() => 0)]);
  return plus(z, [moveOf(edited[0], locked)], lacking);
}

/**
 * The move along a direction that raises its score by one and leaves the locked ones as they are. Throws an Error with
 * a sentence where the locks leave nothing.
 * @param {Direction} direction
 * @param {Direction[]} locked
 */
export function moveOf(direction, locked) {
  const step = withoutLocked(direction.step, locked);
  const gain = dot(direction.row, step);
  const before = dot(direction.row, direction.step);
  if (Math.abs(before) < LEAST_GAIN) throw new Error(`The direction ${direction.name} does not change its own score.`);
  if (gain < LEAST_REST * before) {
    const names = locked.map(({ name }) => name).join(', ');
    throw new Error(`With ${names} locked, ${direction.name} cannot be changed. Lock fewer.`);
  }
  return step.map((value) => value / gain);
}

/**
 * A principal component as a direction. What changes its coordinate alone is also the shortest move that does.
 * @param {Statistics} statistics
 * @param {number} k
 * @returns {Direction}
 */
export function componentDirection({ mean, components, componentStd }, k) {
  const axis = components.slice(k * mean.length, (k + 1) * mean.length);
  const row = axis.map((value) => value / componentStd[k]);
  const step = axis.map((value) => value * componentStd[k]);
  return { name: `Component ${k + 1}`, facts: {}, offset: -dot(row, mean), row, step, lock: step };
}

/**
 * The part of a step that changes no locked score.
 * @param {Float32Array} step
 * @param {Direction[]} locked
 */
function withoutLocked(step, locked) {
  if (!locked.length) return step;
  const weights = solve(cosines(locked), locked.map(({ row }) => dot(row, step)));
  return plus(step, locked.map(({ lock }) => lock), weights.map((weight) => -weight));
}

/** @param {Direction[]} directions */
const cosines = (directions) => directions.map(({ row }) => directions.map(({ lock }) => dot(row, lock)));

/**
 * @param {Float32Array} z
 * @param {Direction[]} directions
 * @param {number[]} changes of their scores
 */
function moveTogether(z, directions, changes) {
  if (!directions.length) return z;
  return plus(z, directions.map(({ lock }) => lock), solve(cosines(directions), changes));
}
