// @ts-check
/** Whether the page fulfils the conditions of a lesson's step: each condition has a sentence, and says how far the page
 * is from it. Shows nothing. */

import { allDirections } from './attribute_axes.js';
import { scoreOf } from './directions.js';
import { displayName } from './labels.js';
import { coordinates, distanceRatio, signed } from './maths.js';
import { openFacts, state } from './state.js';

/** @typedef {import('./types.js').Condition} Condition */
/**
 * What happened since the step began: the face that it began with, activities, and the space that was open.
 * @typedef {{start: Float32Array, seen: Set<string>, space: string}} Since
 */
/**
 * @typedef {{text: string, met: boolean, now?: string, impossible?: boolean}} Check `now`: how far it is;
 *   `impossible`: this space cannot fulfil it
 */
/** @typedef {(z: Float32Array) => number} Reader */

const TAB_NAMES = /** @type {Record<string, string>} */ ({ raw: 'Raw', map: 'Map', mix: 'Mix', pad: 'Pad' });

/** @param {string} name */
const tabName = (name) => TAB_NAMES[name] ?? name[0].toUpperCase() + name.slice(1);

/** @param {string} name */
function missing(name) {
  return { text: `This space has no ${displayName(name)}; go on without it`, met: false, impossible: true };
}

/** @type {Record<string, (condition: Condition, since: Since) => Check>} */
const CHECKS = {
  open: ({ value }) => ({ text: `Open ${tabName(String(value))}`, met: isOpen(String(value)) }),
  moved: checkMoved,
  kept: checkKept,
  locked: checkLocked,
  drawn: checkDrawn,
  compared: checkCompared,
  typicality: checkTypicality,
  keyframes: ({ value }) => count(`Add ${value} keyframes to the morph`, state.keyframes.length, value),
  saved: ({ value }) => count(value === 1 ? 'Save a face' : `Save ${value} faces`, state.saved.length, value),
  parents: ({ value }) => count(`Add ${value} parents to the mix`, state.mix.parents.length, value),
  strokes: ({ value }) => count(`Draw ${value} strokes`, state.drawing.length, value),
  space: checkSpace,
};

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
export const check = (condition, since) => CHECKS[condition.kind](condition, since);

/**
 * @param {string} text
 * @param {number} now
 * @param {unknown} goal
 * @returns {Check}
 */
const count = (text, now, goal) => ({ text, met: now >= Number(goal), now: String(now) });

/** @param {string} name */
function isOpen(name) {
  const panel = document.getElementById(name);
  return Boolean(panel && !panel.hidden && panel.checkVisibility());
}

// ---- Axes

/** @param {string} name of an attribute, as a file or the page writes it */
function findDirection(name) {
  const plain = (/** @type {string} */ text) => displayName(text).toLowerCase();
  return [...allDirections().values()].find((direction) => plain(direction.name) === plain(name));
}

/**
 * What reads an axis: an attribute, "component 1" or "latent 0" as the page counts them. Undefined where the space has
 * none such, or is still being measured.
 * @param {string} name
 * @returns {Reader | undefined}
 */
function readerOf(name) {
  const { statistics } = state;
  const [, kind, number] = /^(component|latent) (\d+)$/i.exec(name) ?? [];
  if (!kind) {
    const direction = findDirection(name);
    return direction && ((z) => scoreOf(direction, z));
  }
  if (!statistics) return undefined;
  if (kind.toLowerCase() === 'latent') {
    const d = Number(number);
    return d < statistics.std.length ? (z) => (z[d] - statistics.mean[d]) / (statistics.std[d] || 1) : undefined;
  }
  const k = Number(number) - 1;
  return k >= 0 && k < statistics.componentStd.length ? (z) => coordinates(statistics, z)[k] : undefined;
}

/**
 * The largest change of any latent or component, in standard deviations.
 * @param {string} kind
 * @param {Float32Array} start
 */
function largestChange(kind, start) {
  const { statistics, z } = state;
  if (!statistics) return 0;
  const values = (/** @type {Float32Array} */ face) =>
    kind === 'component' ? coordinates(statistics, face) : face.map((value, d) => value / (statistics.std[d] || 1));
  const before = values(start);
  return Math.max(...values(z).map((value, i) => Math.abs(value - before[i])));
}

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
function checkMoved({ value, amount }, { start }) {
  const name = String(value);
  const any = /^any (latent|component)$/i.exec(name);
  if (any) {
    const kind = any[1].toLowerCase();
    const by = largestChange(kind, start);
    const goal = Math.abs(amount);
    return { text: `Move any ${kind} by ${goal} σ or more`, met: by >= goal, now: by.toFixed(1) };
  }
  const read = readerOf(name);
  if (!read) return missing(name);
  const by = read(state.z) - read(start);
  const met = amount > 0 ? by >= amount : by <= amount;
  const verb = amount > 0 ? 'Raise' : 'Lower';
  return { text: `${verb} ${displayName(name)} by ${Math.abs(amount)} σ or more`, met, now: signed(by) };
}

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
function checkKept({ value, amount }, { start }) {
  const name = String(value);
  const read = readerOf(name);
  if (!read) return missing(name);
  const by = read(state.z) - read(start);
  return { text: `Keep ${displayName(name)} within ±${amount} σ`, met: Math.abs(by) <= amount, now: signed(by) };
}

/** @param {Condition} condition @returns {Check} */
function checkLocked({ value }) {
  const direction = findDirection(String(value));
  if (!direction) return missing(String(value));
  return { text: `Lock ${displayName(direction.name)}`, met: state.locks.attributes.has(direction.name) };
}

// ---- Faces and spaces

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
function checkDrawn({ value }, { seen }) {
  const prior = String(value);
  const drawn = [...seen].filter((item) => item.startsWith('drawn:')).map((item) => item.slice('drawn:'.length));
  if (prior === 'any') return { text: 'Take a random face', met: drawn.length > 0 };
  if (!(prior in openFacts().priors)) return missing(`prior ${prior}`);
  return { text: `Take a random face of the prior ${prior}`, met: drawn.includes(prior) };
}

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
function checkCompared({ value }, { seen }) {
  const isPhoto = state.original.picture !== null;
  const split = state.view.split && (value === 'any' || isPhoto);
  const held = seen.has('compared:photo') || (value === 'any' && seen.has('compared:face'));
  const other = value === 'photo' ? 'your photo' : 'the original';
  return { text: `Compare the face with ${other}: hold X, or Split`, met: split || held };
}

/** @param {Condition} condition @returns {Check} */
function checkTypicality({ value, amount }) {
  const { statistics } = state;
  const text = `Find a face ${value} ${amount} × a usual face's distance from the mean`;
  if (!statistics) return { text, met: false };
  const ratio = distanceRatio(statistics, state.z);
  return { text, met: value === 'below' ? ratio < amount : ratio > amount, now: `${ratio.toFixed(2)} ×` };
}

/**
 * @param {Condition} condition
 * @param {Since} since
 * @returns {Check}
 */
function checkSpace({ value }, { space }) {
  const { name, spaces, fingerprint } = openFacts();
  if (value !== 'other') {
    if (!spaces.includes(String(value))) return missing(`space ${value}; facespace explore ${value} loads it`);
    return { text: `Select the space ${value}`, met: name === value };
  }
  if (spaces.length < 2) return missing('second space');
  return { text: 'Select another space, at the top of the page', met: fingerprint !== space };
}
