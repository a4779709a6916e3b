// @ts-check
/** Directions of one's own as text, for the browser's store and for documents. What is read here is untrusted. */

import { latentFromText, latentToText } from './maths.js';

/** @typedef {import('./types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('./types.js').Direction} Direction */

const MOST = 8;
const NAME_LENGTH = 40;
const PARTS = /** @type {const} */ (['row', 'step', 'lock']);

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
    const values = latentFromText(item.values, 1 + PARTS.length * size);
    const [row, step, lock] = PARTS.map((_, i) => values.slice(1 + i * size, 1 + (i + 1) * size));
    const name = String(item.name).slice(0, NAME_LENGTH);
    return { name, facts: readFacts(item.facts), offset: values[0], row, step, lock, own: true };
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
