// @ts-check
/** The attributes of the page: the directions of the open space and of this browser, their order, and how a face is
 * read and moved along them. Shows nothing; panels/attributes.js and panels/pad.js do. */

import { attempt } from './dom.js';
import { moveToScores, scoreOf } from './directions.js';
import { engine } from './engine.js';
import { isShown } from './labels.js';
import { directionsChanged, on, openFacts, state } from './state.js';

/** @typedef {import('./types.js').Direction} Direction */

// Attributes that most users want; they come first.
const FIRST = [
  ...['Smiling', 'smile', 'Mouth_Slightly_Open', 'Eyeglasses', 'Sunglasses', 'Bangs', 'Black_Hair', 'Blond_Hair'],
  ...['Brown_Hair', 'Gray_Hair', 'Bald', 'Wavy_Hair', 'Straight_Hair', 'Young', 'Senior', 'Youth', 'Child'],
  ...['Wearing_Hat', 'Hat', 'Beard', 'Mustache', 'Goatee'],
];

/** Of the space, then of this browser. @type {Map<string, Direction>} */
let directions = new Map();
/** @type {Direction[]} */
let bundled = [];
let loaded = false; // whether the space's are known
let reason = ''; // why the space has none

// Before any panel, which builds its rows of the directions at the same news.
on('facts', () => {
  bundled = [];
  reason = '';
  loaded = false;
  collect();
  loadDirections();
});
on('own', collect);

/** All directions by name; one of this browser never takes the place of one of the space. */
function collect() {
  directions = new Map([...state.own, ...bundled].map((direction) => [direction.name, direction]));
}

/** Asks for the directions of the space, and tells the panels. */
export async function loadDirections() {
  const { latents } = openFacts();
  const reply = await attempt(() => engine.directions(latents));
  if (!reply) return;
  bundled = reply.directions;
  reason = reply.reason;
  loaded = true;
  collect();
  directionsChanged();
}

/** All of them by name. */
export const allDirections = () => directions;

/** Whether those of the space are known, and why it has none. */
export const directionsFacts = () => ({ loaded, reason });

/** Whether the space itself has a direction. @param {string} name */
export const isBundled = (name) => bundled.some((direction) => direction.name === name);

const aucOf = (/** @type {string} */ name) => directions.get(name)?.facts.auc ?? 0;

/** @param {string} name */
function usualRank(name) {
  const index = FIRST.indexOf(name);
  return index < 0 ? FIRST.length : index;
}

/** @type {Record<string, (a: string, b: string) => number>} */
const ORDERS = {
  usual: (a, b) => usualRank(a) - usualRank(b) || aucOf(b) - aucOf(a),
  quality: (a, b) => aucOf(b) - aucOf(a),
  name: (a, b) => a.localeCompare(b),
};

/**
 * The directions that are shown, in an order.
 * @param {string} sort a key of ORDERS
 */
export function shownDirections(sort) {
  const names = [...directions.keys()].filter(isShown).sort(ORDERS[sort]);
  return names.map((name) => /** @type {Direction} */ (directions.get(name)));
}

/**
 * Those that are locked, without the ones that an edit moves.
 * @param {(name: string) => boolean} moved
 */
export function lockedDirections(moved) {
  return [...directions.values()].filter(({ name }) => state.locks.attributes.has(name) && !moved(name));
}

/** The scores of a face. @param {Float32Array} z */
export function readAttributes(z) {
  return new Map([...directions].map(([name, direction]) => [name, scoreOf(direction, z)]));
}

/**
 * A face moved so that it has the given scores, while those of locked attributes stay.
 * @param {Float32Array} z
 * @param {Map<string, number>} changes
 */
export function moveAttributes(z, changes) {
  /** @type {Map<Direction, number>} */
  const targets = new Map();
  for (const [name, value] of changes) {
    const direction = directions.get(name);
    if (direction) targets.set(direction, value);
  }
  return moveToScores(z, targets, lockedDirections((name) => changes.has(name)));
}
