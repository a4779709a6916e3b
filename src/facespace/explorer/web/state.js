// @ts-check
/** The only owner of the page's state: one latent that every panel reads and changes, its history, and the view.
 * Panels call the functions below and subscribe to topics. */

import { latentFromText, latentToText, plus } from './maths.js';
import { emptyMix, middleOf, mixFromText, mixToText } from './mix.js';
import { directionsFromText, directionsToText } from './own_directions.js';
import { readStroke } from './strokes.js';
import { localStore, onStored, readItem, sessionStore, writeItem } from './storage.js';
import { storeView, view } from './view.js';

/** @typedef {import('./types.js').Direction} Direction */
/** @typedef {import('./types.js').EditPanel} EditPanel */
/** @typedef {import('./types.js').HistoryEntry} HistoryEntry */
/** @typedef {import('./types.js').Mix} Mix */
/** @typedef {import('./types.js').NamedLatent} NamedLatent */
/** @typedef {import('./types.js').Original} Original */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Side} Side */
/** @typedef {import('./types.js').SpaceFacts} SpaceFacts */
/** @typedef {import('./types.js').Statistics} Statistics */
/** @typedef {import('./types.js').Stroke} Stroke */
/** @typedef {import('./view.js').View} View */

const UNDO_STEPS = 200;
const SAVED_FACES = 100;
const KEYFRAMES = 12;
const EXAMPLES = 500;
const NAME_LENGTH = 60;
const LABEL_LENGTH = 120; // of a step: that of a mix names its parents

/**
 * @typedef {object} State
 * @property {SpaceFacts | null} facts
 * @property {Statistics | null} statistics
 * @property {Float32Array} z
 * @property {Original} original
 * @property {number} acts how often something was done to the face: what was asked for before comes too late
 * @property {HistoryEntry[]} history
 * @property {number} historyIndex
 * @property {Stroke[]} drawing what is on the drawing board; its history is the face's
 * @property {Stroke[]} paint strokes on the face that its latent has not taken on yet
 * @property {NamedLatent[]} saved
 * @property {NamedLatent[]} keyframes
 * @property {Mix} mix
 * @property {Record<Side, Float32Array[]>} examples
 * @property {Direction[]} own directions that live in this browser
 * @property {Record<EditPanel, Set<string | number>>} locks
 * @property {View} view
 */

/** @type {State} */
export const state = {
  facts: null,
  statistics: null,
  z: new Float32Array(),
  original: { z: new Float32Array(), picture: null },
  acts: 0,
  history: [],
  historyIndex: -1,
  drawing: [],
  paint: [],
  saved: [],
  keyframes: [],
  mix: emptyMix(),
  examples: { positive: [], negative: [] },
  own: [],
  locks: { attributes: new Set(), components: new Set(), raw: new Set() },
  view,
};

let moved = state.z; // the latent of the last move, which may not be committed yet

/** @type {Map<string, Set<() => void>>} */
const listeners = new Map();

/**
 * Calls back when one of the topics changes: facts, decoder, statistics, z (while a control moves), face (a finished
 * change), drawing, paint, saved, keyframes, mix, examples, own, directions, locks, view, shown (a panel has come into
 * sight).
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
 * Opens a space with what this browser has of it: saved faces, and of this tab the history, the keyframes and the
 * examples. Returns whether there was a history.
 * @param {SpaceFacts} facts
 */
export function openSpace(facts) {
  const z = new Float32Array(facts.latents);
  state.acts += 1;
  removals = [];
  Object.assign(state, { facts, z, statistics: null, history: [], historyIndex: -1, drawing: [], paint: [] });
  state.original = { z, picture: null };
  for (const locked of Object.values(state.locks)) locked.clear();
  state.saved = readSaved();
  state.keyframes = readItem(sessionStore, keyOf('keyframes'), parseSaved) ?? [];
  state.mix = readItem(sessionStore, keyOf('mix'), parseMix) ?? emptyMix();
  state.examples = readItem(sessionStore, keyOf('examples'), parseExamples) ?? noExamples();
  state.own = readOwn();
  const stored = readItem(sessionStore, keyOf('history'), parseHistory);
  emit('facts', 'saved', 'keyframes', 'mix', 'examples', 'locks', 'drawing');
  if (!stored?.entries[stored.index]) return false;
  state.history = stored.entries;
  step(stored.index);
  setPaint(readItem(sessionStore, keyOf('paint'), parsePaint) ?? []);
  return true;
}

/**
 * The key of what a store holds of the open space.
 * @param {'saved' | 'own' | 'keyframes' | 'mix' | 'examples' | 'history' | 'paint'} name
 */
const keyOf = (name) => `${openFacts().fingerprint}:${name}`;

const readSaved = () => readItem(localStore, keyOf('saved'), parseSaved) ?? [];
const readOwn = () => readItem(localStore, keyOf('own'), parseOwn) ?? [];

/** @param {any} stored */
const parseMix = (stored) => mixFromText(stored, openFacts().latents);

/** @param {any} stored */
const parseOwn = (stored) => directionsFromText(stored, openFacts().latents);

/** @param {any} stored @returns {Stroke[]} */
const parsePaint = (stored) => stored.map(readStroke);

/** @returns {Record<Side, Float32Array[]>} */
const noExamples = () => ({ positive: [], negative: [] });

/**
 * @param {any} stored
 * @returns {Record<Side, Float32Array[]>}
 */
const parseExamples = (stored) => ({
  positive: stored.positive.map(readLatent),
  negative: stored.negative.map(readLatent),
});

/**
 * @param {any} items
 * @returns {NamedLatent[]}
 */
function parseSaved(items) {
  return items.map((/** @type {any} */ item) => {
    const name = String(item.name).slice(0, NAME_LENGTH);
    return { id: String(item.id ?? item.z), name, z: readLatent(item.z) };
  });
}

/**
 * A face with a name, to be saved or to be a keyframe.
 * @param {string} name
 * @param {Float32Array} z
 * @returns {NamedLatent}
 */
export const newNamed = (name, z) => ({ id: `${Date.now()}-${Math.random()}`, name, z });

/** @param {NamedLatent[]} faces */
const storable = (faces) => faces.map(({ id, name, z }) => ({ id, name, z: latentToText(z) }));

/**
 * @param {any} stored
 * @returns {{index: number, entries: HistoryEntry[]}}
 */
function parseHistory(stored) {
  const strokes = (stored.strokes ?? []).map(readStroke);
  const entries = stored.entries.map((/** @type {any} */ entry) => {
    const label = String(entry.label).slice(0, LABEL_LENGTH);
    const { drawn, unread } = entry;
    const original = { z: readLatent(entry.original), picture: null, drawn: Boolean(drawn), unread: Boolean(unread) };
    const drawing = (entry.drawing ?? []).map((/** @type {number} */ index) => strokes[index]);
    if (drawing.includes(undefined)) throw new Error('A stroke is missing.');
    return { label, z: readLatent(entry.z), original, drawing };
  });
  return { index: Number(stored.index), entries };
}

function storeHistory() {
  /** @type {Map<Stroke, number>} */
  const strokes = new Map();
  const entries = state.history.map(({ label, z, original, drawing }) => {
    for (const stroke of drawing) if (!strokes.has(stroke)) strokes.set(stroke, strokes.size);
    const indices = drawing.map((stroke) => strokes.get(stroke));
    const { drawn, unread } = original;
    return { label, z: latentToText(z), original: latentToText(original.z), drawn, unread, drawing: indices };
  });
  const stored = { index: state.historyIndex, entries, strokes: [...strokes.keys()] };
  writeItem(sessionStore, keyOf('history'), stored);
}

/** Latents are decoded otherwise from now on: all faces are shown anew. */
export function decoderChanged() {
  emit('decoder', 'z', 'face', 'saved', 'keyframes', 'mix');
}

/** Faces that could not be decoded for a while are shown. */
export const showAgain = () => emit('z', 'face', 'saved', 'keyframes', 'mix');

/** The attributes of the open space are known. */
export const directionsChanged = () => emit('directions');

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
 * Makes a change that is no act: of an animation, or of what was asked for before.
 * @param {() => void} change
 */
export function withoutAct(change) {
  const { acts } = state;
  change();
  state.acts = acts;
}

/**
 * The same face while a control moves: shown, not yet in the history.
 * @param {Float32Array} z
 */
export function move(z) {
  state.acts += 1;
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
  state.acts += 1;
  const before = state.history[state.historyIndex];
  moved = z;
  state.z = z;
  const changed = !before || !equal(before.z, z) || before.drawing !== state.drawing;
  if (changed) appendHistory({ z, label, original: state.original, drawing: state.drawing });
  emit('z', 'face');
}

/**
 * Puts another face in the place of the current step.
 * @param {Float32Array} z
 */
export function amend(z) {
  const entry = state.history[state.historyIndex];
  if (!entry) return;
  state.history = state.history.with(state.historyIndex, { ...entry, z });
  moved = z;
  state.z = z;
  storeHistory();
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
  state.acts += 1;
  state.historyIndex = index;
  moved = entry.z;
  state.z = entry.z;
  state.original = entry.original;
  const redrawn = state.drawing !== entry.drawing;
  state.drawing = entry.drawing;
  storeHistory();
  emit('z', 'face', ...(redrawn ? ['drawing'] : []));
}

/**
 * What is on the drawing board, as far as it is drawn; the next commit makes it part of the history.
 * @param {Stroke[]} strokes
 */
export function setDrawing(strokes) {
  state.acts += 1;
  state.drawing = strokes;
  emit('drawing');
}

/**
 * Strokes on the face that its latent has not taken on yet.
 * @param {Stroke[]} strokes
 */
export function setPaint(strokes) {
  if (strokes.length > state.paint.length) state.acts += 1;
  state.paint = strokes;
  writeItem(sessionStore, keyOf('paint'), strokes);
  emit('paint');
}

/**
 * Makes another face the one before edits, with the next move or commit.
 * @param {Original} original
 */
export function setOriginal(original) {
  state.original = original;
}

/**
 * The model has read a drawing: the steps that were made meanwhile, edits included, move to what it sees.
 * @param {Original} unread of those steps
 * @param {Float32Array} read
 */
export function settleDrawing(unread, read) {
  const original = { z: read, picture: null, drawn: true };
  const settled = (/** @type {Float32Array} */ z) => (z === unread.z ? read : plus(z, [read, unread.z], [1, -1]));
  state.history = state.history.map((entry) =>
    entry.original === unread ? { ...entry, original, z: settled(entry.z) } : entry,
  );
  if (state.original === unread) {
    state.original = original;
    moved = settled(state.z);
    state.z = moved;
  }
  storeHistory();
  emit('z', 'face');
}

/** Forgets the photographs behind this and all earlier faces. */
export function forgetPhotographs() {
  for (const { original } of [state, ...state.history]) original.picture = null;
  emit('z');
}

/** Takes the last change back: the one that goes on, where there is one, else the last step. */
export function undo() {
  if (state.paint.length) {
    setPaint(state.paint.slice(0, -1));
    return;
  }
  const entry = currentEntry();
  const removal = removals.at(-1);
  if (removal?.entry === entry && removal && state.view.source === 'mix') {
    const earlier = removals.slice(0, -1);
    setMix(removal.mix);
    removals = earlier;
    return;
  }
  const goesOn = entry && (entry.drawing !== state.drawing || !equal(entry.z, state.z));
  step(goesOn ? state.historyIndex : state.historyIndex - 1);
}

export const redo = () => step(state.historyIndex + 1);

/**
 * Restores a face with its original, as one step of the history.
 * @param {Float32Array} z
 * @param {Float32Array} original
 * @param {string} label
 */
export function restore(z, original, label) {
  const entry = state.history[state.historyIndex];
  const known = entry && equal(entry.z, z) && equal(entry.original.z, original);
  state.original = known ? entry.original : { z: original, picture: null };
  commit(label, z);
}

/** @param {Partial<View>} changes */
export function setView(changes) {
  Object.assign(state.view, changes);
  storeView();
  emit('view');
}

/** A panel that was hidden is in sight now. */
export const panelShown = () => emit('shown');

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

/** @param {Record<EditPanel, (string | number)[]>} locks */
export function setLocks(locks) {
  for (const panel of /** @type {EditPanel[]} */ (Object.keys(state.locks))) state.locks[panel] = new Set(locks[panel]);
  emit('locks');
}

/**
 * Changes the saved faces. Other tabs may have changed them meanwhile: the change is made to what is stored. Throws an
 * Error with a sentence where there is no room.
 * @param {(saved: NamedLatent[]) => NamedLatent[]} change
 */
export function changeSaved(change) {
  const before = readSaved();
  const saved = change(localStore ? before : state.saved);
  if (saved.length > SAVED_FACES && saved.length > before.length) {
    throw new Error(`This browser keeps ${SAVED_FACES} faces of a space. Remove one first, or export this one.`);
  }
  if (!writeItem(localStore, keyOf('saved'), storable(saved))) {
    throw new Error('The store of this browser is full: the face was not saved. Remove others, or export it.');
  }
  state.saved = saved;
  emit('saved');
}

/**
 * Changes the directions of one's own, those of other tabs included; see changeSaved.
 * @param {(own: Direction[]) => Direction[]} change
 */
export function changeOwn(change) {
  const own = change(localStore ? readOwn() : state.own);
  if (!writeItem(localStore, keyOf('own'), directionsToText(own))) {
    throw new Error('The store of this browser is full: the direction was not kept.');
  }
  state.own = own;
  emit('own');
}

onStored((key) => {
  if (!state.facts) return;
  if (key === keyOf('saved')) {
    state.saved = readSaved();
    emit('saved');
  }
  if (key === keyOf('own')) {
    state.own = readOwn();
    emit('own');
  }
});

/** @param {NamedLatent[]} keyframes at most 12 */
export function setKeyframes(keyframes) {
  state.keyframes = keyframes.slice(0, KEYFRAMES);
  writeItem(sessionStore, keyOf('keyframes'), storable(state.keyframes));
  emit('keyframes');
}

/** The mixes before parents were removed, with the step of the history then; undo brings them back. */
/** @type {{mix: Mix, entry: HistoryEntry | undefined}[]} */
let removals = [];

const currentEntry = () => state.history[state.historyIndex];

/** @param {Mix['parents']} parents those that are left */
export function keepParents(parents) {
  const before = [...removals, { mix: state.mix, entry: currentEntry() }];
  setMix({ parents, ...middleOf(parents.length) });
  removals = before;
}

/** @param {Partial<Mix>} changes */
export function setMix(changes) {
  if (changes.parents) removals = [];
  state.mix = { ...state.mix, ...changes };
  writeItem(sessionStore, keyOf('mix'), mixToText(state.mix));
  emit('mix');
}

/**
 * @param {Side} side
 * @param {Float32Array[]} rows
 */
export function setExamples(side, rows) {
  state.examples = { ...state.examples, [side]: rows.slice(0, EXAMPLES) };
  const { positive, negative } = state.examples;
  const stored = { positive: positive.map(latentToText), negative: negative.map(latentToText) };
  writeItem(sessionStore, keyOf('examples'), stored);
  emit('examples');
}

/**
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
const equal = (a, b) => a.every((value, i) => value === b[i]);
