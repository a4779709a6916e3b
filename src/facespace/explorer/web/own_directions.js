// @ts-check
/** Directions of one's own as text, for the browser's store and for documents. What is read here is untrusted. */

import { directionLength, directionOf } from './directions.js';
import { latentFromText, latentToText } from './maths.js';

/** @typedef {import('./types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('./types.js').Direction} Direction */

const MOST = 8;
const NAME_LENGTH = 40;

/** @param {Direction[]} directions */
export function directionsToText(directions) {
  return directions.slice(0, MOST).map(({ name, facts, offset, row, step, lock }) => {
    return { name, facts, values: latentToText(Float32Array.from([offset, ...row, ...step, ...lock])) };
  });
}

/**
 * Throws an Error with a sentence for anything but directions of `size` latents.
 * @param {any} given
 * @param {number} size
 * @returns {Direction[]}
 */
export function directionsFromText(given, size) {
  if (!Array.isArray(given)) return [];
  return given.slice(0, MOST).map((item) => {
    const values = latentFromText(item.values, directionLength(size));
    const name = String(item.name).slice(0, NAME_LENGTH);
    return { ...directionOf(name, readFacts(item.facts), values), own: true };
  });
}

/**
 * @param {any} given
 * @returns {AttributeFacts}
 */
function readFacts(given) {
  const numbers = Object.entries(given ?? {}).filter(([, value]) => Number.isFinite(value));
  return Object.fromEntries(numbers);
}
