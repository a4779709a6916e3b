// @ts-check
/** The only owner of the page's state: one latent that every panel reads and changes, its history, and the view.
 * Panels call the functions below and subscribe to topics. */

import { latentFromText, latentToText } from './maths.js';
import { localStore, readItem, sessionStore, writeItem } from './storage.js';

/** @typedef {import('./types.js').EditPanel} EditPanel */
/** @typedef {import('./types.js').HistoryEntry} HistoryEntry */
/** @typedef {import('./types.js').NamedLatent} NamedLatent */
/** @typedef {import('./types.js').Original} Original */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Side} Side */
/** @typedef {import('./types.js').SpaceFacts} SpaceFacts */
/** @typedef {import('./types.js').Statistics} Statistics */
/** @typedef {import('./types.js').View} View */

const UNDO_STEPS = 200;
const SAVED_FACES = 100;
const KEYFRAMES = 12;
const EXAMPLES = 500;
const LABEL_LENGTH = 60;

/**
 * @typedef {object} State
 * @property {SpaceFacts | null} facts
 * @property {Statistics | null} statistics
 * @property {Float32Array} z
 * @property {Original} original
 * @property {HistoryEntry[]} history
 * @property {number} historyIndex
 * @property {NamedLatent[]} saved
 * @property {NamedLatent[]} keyframes
 * @property {Record<Side, Float32Array[]>} examples
 * @property {Record<EditPanel, Set<string | number>>} locks
 * @property {View} view
 */

/** @type {State} */
export const state = {
  facts: null,
  statistics: null,
  z: new Float32Array(),
  original: { z: new Float32Array(), picture: null },
  history: [],
  historyIndex: -1,
  saved: [],
  keyframes: [],
  examples: { positive: [], negative: [] },
  locks: { attributes: new Set(), components: new Set(), raw: new Set() },
  view: {
    source: 'random',
    edit: 'attributes',
    bottom: 'history',
    smooth: true,
    range: 3,
    truncation: 0.8,
    all: false,
  },
};

let moved = state.z; // the latent of the last move, which may not be committed yet

/** @type {Map<string, Set<() => void>>} */
const listeners = new Map();

/**
 * Calls back when one of the topics changes: facts, statistics, z (while a control moves), face (a finished change),
 * saved, keyframes, examples, locks, view.
 * @param {string} topics separated by spaces
 * @param {() => void} callback
 */
export function on(topics, callback) {
  for (const topic of topics.split(' ')) {
    const callbacks = listeners.get(topic) ?? new Set();
    callbacks.add(callback);
    listeners.set(topic, callbacks);
  }
}

/** @param {...string} topics */
function emit(...topics) {
  /** @type {Set<() => void>} */
  const callbacks = new Set();
  for (const topic of topics) {
    for (const callback of listeners.get(topic) ?? []) callbacks.add(callback);
  }
  for (const callback of callbacks) callback();
}

/** The facts of the open space. Throws before a space is open. */
export function openFacts() {
  if (!state.facts) throw new Error('No space is open yet.');
  return state.facts;
}

/** The statistics of the open space. Throws before they are measured. */
export function openStatistics() {
  if (!state.statistics) throw new Error('The space is still being measured.');
  return state.statistics;
}

/** @param {unknown} text */
export const readLatent = (text) => latentFromText(text, openFacts().latents);

/**
 * Opens a space with the history and the saved faces that this browser has of it. Returns whether there was a history.
 * @param {SpaceFacts} facts
 */
export function openSpace(facts) {
  const z = new Float32Array(facts.latents);
  Object.assign(state, { facts, z, statistics: null, history: [], historyIndex: -1, keyframes: [] });
  state.original = { z, picture: null };
  state.examples = { positive: [], negative: [] };
  for (const locked of Object.values(state.locks)) locked.clear();
  state.saved = readItem(localStore, facts.fingerprint, 'saved', parseSaved) ?? [];
  const stored = readItem(sessionStore, facts.fingerprint, 'history', parseHistory);
  emit('facts', 'saved', 'keyframes', 'examples', 'locks');
  if (!stored?.entries[stored.index]) return false;
  state.history = stored.entries;
  step(stored.index);
  return true;
}

/**
 * @param {any} items
 * @returns {NamedLatent[]}
 */
function parseSaved(items) {
  return items.map((/** @type {any} */ item) => {
    const name = String(item.name).slice(0, LABEL_LENGTH);
    return { name, z: readLatent(item.z) };
  });
}

/**
 * @param {any} stored
 * @returns {{index: number, entries: HistoryEntry[]}}
 */
function parseHistory(stored) {
  const entries = stored.entries.map((/** @type {any} */ entry) => {
    const label = String(entry.label).slice(0, LABEL_LENGTH);
    const original = { z: readLatent(entry.original), picture: null };
    return { label, z: readLatent(entry.z), original };
  });
  return { index: Number(stored.index), entries };
}

function storeHistory() {
  const entries = state.history.map(({ label, z, original }) => {
    return { label, z: latentToText(z), original: latentToText(original.z) };
  });
  writeItem(sessionStore, openFacts().fingerprint, 'history', { index: state.historyIndex, entries });
}

/** @param {Statistics} statistics */
export function setStatistics(statistics) {
  state.statistics = statistics;
  emit('statistics');
}

/**
 * Sets another face, from a source. `picture` is the photo that it was encoded from.
 * @param {Float32Array} z
 * @param {string} label
 * @param {Picture | null} [picture]
 */
export function setFace(z, label, picture = null) {
  state.original = { z, picture };
  commit(label, z);
}

/**
 * The same face while a control moves: shown, not yet in the history.
 * @param {Float32Array} z
 */
export function move(z) {
  moved = z;
  state.z = z;
  emit('z');
}

/**
 * Finishes a change, which can then be undone.
 * @param {string} label
 * @param {Float32Array} [z]
 */
export function commit(label, z = moved) {
  const before = state.history[state.historyIndex];
  moved = z;
  state.z = z;
  if (!before || !equal(before.z, z)) appendHistory({ z, label, original: state.original });
  emit('z', 'face');
}

/** @param {HistoryEntry} entry */
function appendHistory(entry) {
  const end = state.historyIndex + 1;
  const start = Math.max(0, end - UNDO_STEPS);
  state.history = [...state.history.slice(start, end), entry];
  state.historyIndex = state.history.length - 1;
  storeHistory();
}

/**
 * Goes to an entry of the history.
 * @param {number} index
 */
export function step(index) {
  const entry = state.history[index];
  if (!entry) return;
  state.historyIndex = index;
  moved = entry.z;
  state.z = entry.z;
  state.original = entry.original;
  storeHistory();
  emit('z', 'face');
}

export const undo = () => step(state.historyIndex - 1);
export const redo = () => step(state.historyIndex + 1);

/**
 * Restores a face with its original and its locks, as one step of the history.
 * @param {{z: Float32Array, original: Float32Array, locks: Record<EditPanel, (string | number)[]>}} saved
 * @param {string} label
 */
export function restore({ z, original, locks }, label) {
  for (const panel of /** @type {EditPanel[]} */ (Object.keys(state.locks))) state.locks[panel] = new Set(locks[panel]);
  state.original = { z: original, picture: null };
  commit(label, z);
  emit('locks');
}

/** @param {Partial<View>} changes */
export function setView(changes) {
  Object.assign(state.view, changes);
  emit('view');
}

/**
 * @param {EditPanel} panel
 * @param {string | number} axis
 */
export function toggleLock(panel, axis) {
  const locked = state.locks[panel];
  const wasLocked = locked.delete(axis);
  if (!wasLocked) locked.add(axis);
  emit('locks');
}

/** @param {NamedLatent[]} saved */
export function setSaved(saved) {
  state.saved = saved.slice(0, SAVED_FACES);
  const items = state.saved.map(({ name, z }) => ({ name, z: latentToText(z) }));
  writeItem(localStore, openFacts().fingerprint, 'saved', items);
  emit('saved');
}

/** @param {NamedLatent[]} keyframes at most 12 */
export function setKeyframes(keyframes) {
  state.keyframes = keyframes.slice(0, KEYFRAMES);
  emit('keyframes');
}

/**
 * @param {Side} side
 * @param {Float32Array[]} rows
 */
export function setExamples(side, rows) {
  state.examples[side] = rows.slice(0, EXAMPLES);
  emit('examples');
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
const equal = (a, b) => a.every((value, i) => value === b[i]);
