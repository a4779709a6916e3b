// @ts-check
/** The only owner of the page's state: one latent that every panel reads and changes, what it was before, and the view.
 * Panels call the functions below and listen; nobody else writes. */

import { fromText, toText } from './maths.js';

/** @typedef {{z: Float32Array, picture: import('./engine.js').Picture | null}} Original */
/** @typedef {{z: Float32Array, what: string, original: Original}} Moment */
/** @typedef {{name: string, z: Float32Array}} Kept */

const PARTS = { source: ['random', 'draw', 'photo', 'map', 'saved'], edit: ['attributes', 'components', 'raw'] };
const UNDO = 200, KEPT = 100, VERSION = 1, KIND = 'facespace-explorer';

export const state = {
  /** @type {any} */ facts: null,
  /** @type {import('./maths.js').Statistics | null} */ statistics: null,
  /** @type {Float32Array} */ z: new Float32Array(),
  /** The face before edits, and its own pixels where it is a photo. @type {Original} */
  original: { z: new Float32Array(), picture: null },
  /** @type {Moment[]} */ history: [],
  moment: -1,
  /** @type {Kept[]} */ saved: [],
  /** @type {Kept[]} */ keys: [],
  /** @type {{with: Float32Array[], without: Float32Array[]}} */ examples: { with: [], without: [] },
  locks: { attributes: new Set(), components: new Set(), raw: new Set() },
  view: { source: 'random', edit: 'attributes', bottom: 'history', smooth: true, range: 3, variety: 0.8, all: false },
};

/** @type {Map<string, Set<() => void>>} */
const listeners = new Map();

/** Calls back when one of the topics changes: facts, statistics, z (while a control moves), face (a finished change),
 * saved, keys, examples, locks, view. @param {string} topics @param {() => void} back */
export function on(topics, back) {
  for (const topic of topics.split(' ')) {
    if (!listeners.has(topic)) listeners.set(topic, new Set());
    listeners.get(topic)?.add(back);
  }
}

/** @param {...string} topics */
function tell(...topics) {
  for (const back of new Set(topics.flatMap((topic) => [...(listeners.get(topic) ?? [])]))) back();
}

/** A space was opened: its history and saved faces come back, if this browser has them. @param {any} facts */
export function openSpace(facts) {
  Object.assign(state, { facts, statistics: null, z: new Float32Array(facts.latents), history: [], moment: -1, keys: [] });
  state.original = { z: state.z, picture: null };
  state.examples = { with: [], without: [] };
  for (const locked of Object.values(state.locks)) locked.clear();
  state.saved = read(localStore, 'saved', (kept) => kept.map((/** @type {any} */ one) => ({ name: String(one.name).slice(0, 60), z: latent(one.z) }))) ?? [];
  const past = read(sessionStore, 'history', (kept) => ({ moment: Number(kept.moment), items: kept.items.map((/** @type {any} */ one) => ({ what: String(one.what).slice(0, 60), z: latent(one.z), original: { z: latent(one.original), picture: null } })) }));
  tell('facts', 'saved', 'keys', 'examples', 'locks');
  if (past?.items[past.moment]) {
    state.history = past.items;
    step(past.moment);
    return true;
  }
  return false;
}

/** @param {import('./maths.js').Statistics} statistics */
export function setStatistics(statistics) { state.statistics = statistics; tell('statistics'); }

/** Another face, from a source. @param {Float32Array} z @param {string} what @param {import('./engine.js').Picture | null} [picture] */
export function setFace(z, what, picture = null) {
  state.original = { z, picture };
  moved = z;
  commit(what, z);
}

let moved = state.z;

/** The same face while a control moves: shown, not yet kept. @param {Float32Array} z */
export function move(z) { state.z = moved = z; tell('z'); }

/** A change is finished and can be undone. @param {string} what @param {Float32Array} [z] */
export function commit(what, z = moved) {
  const before = state.history[state.moment];
  state.z = moved = z;
  if (!before || !same(before.z, z)) {
    state.history = [...state.history.slice(Math.max(0, state.moment + 1 - UNDO), state.moment + 1), { z, what, original: state.original }];
    state.moment = state.history.length - 1;
    keepHistory();
  }
  tell('z', 'face');
}

/** Goes to a moment of the history. @param {number} moment */
export function step(moment) {
  if (!state.history[moment]) return;
  state.moment = moment;
  state.z = moved = state.history[moment].z;
  state.original = state.history[moment].original;
  keepHistory();
  tell('z', 'face');
}

const keepHistory = () => write(sessionStore, 'history', { moment: state.moment, items: state.history.map(({ what, z, original }) => ({ what, z: toText(z), original: toText(original.z) })) });
export const undo = () => step(state.moment - 1);
export const redo = () => step(state.moment + 1);

/** @param {Partial<typeof state.view>} changes */
export function setView(changes) { Object.assign(state.view, changes); tell('view'); }

/** @param {'attributes' | 'components' | 'raw'} panel @param {any} key */
export function toggleLock(panel, key) {
  const set = state.locks[panel];
  if (!set.delete(key)) set.add(key);
  tell('locks');
}

/** @param {Kept[]} saved */
export function setSaved(saved) {
  state.saved = saved.slice(0, KEPT);
  write(localStore, 'saved', state.saved.map(({ name, z }) => ({ name, z: toText(z) })));
  tell('saved');
}
/** @param {Kept[]} keys at most 12 */
export function setKeys(keys) { state.keys = keys.slice(0, 12); tell('keys'); }
/** @param {'with' | 'without'} side @param {Float32Array[]} rows */
export function setExamples(side, rows) { state.examples[side] = rows.slice(0, 500); tell('examples'); }

/** The state that links, files and pictures carry: versioned, and bound to the model's fingerprint. */
export const toDocument = () => ({
  kind: KIND, version: VERSION, fingerprint: state.facts.fingerprint, latents: state.facts.latents,
  z: toText(state.z), original: toText(state.original.z),
  locks: Object.fromEntries(Object.entries(state.locks).map(([name, set]) => [name, [...set].slice(0, 64)])),
  view: { source: state.view.source, edit: state.view.edit },
});

/** Takes over a document that somebody gave. Throws an Error with a sentence for anything that is not whole and of this
 * model. @param {unknown} given @param {string} what */
export function fromDocument(given, what) {
  const doc = /** @type {any} */ (given);
  if (!doc || typeof doc !== 'object' || doc.kind !== KIND) throw new Error('This is no face of the explorer.');
  if (doc.version !== VERSION) throw new Error(`This face was kept by another version (${Number(doc.version)}); this page reads version ${VERSION}.`);
  if (doc.fingerprint !== state.facts.fingerprint || doc.latents !== state.facts.latents) {
    throw new Error(`This face was made by another model (${String(doc.fingerprint).slice(0, 16)}). Open that space, then try again.`);
  }
  const z = latent(doc.z), original = latent(doc.original ?? doc.z);
  for (const [name, set] of Object.entries(state.locks)) {
    set.clear();
    const given = Array.isArray(doc.locks?.[name]) ? doc.locks[name].slice(0, 64) : [];
    for (const key of given) if (typeof key === 'string' || Number.isInteger(key)) set.add(key);
  }
  state.original = { z: original, picture: null };
  moved = z;
  commit(what, z);
  tell('locks');
}

/** The tabs that a document was made with, before they are laid out. @param {any} doc */
export function takeView(doc) {
  for (const part of /** @type {('source' | 'edit')[]} */ (['source', 'edit'])) if (PARTS[part].includes(doc.view?.[part])) state.view[part] = doc.view[part];
}

const latent = (/** @type {unknown} */ text) => fromText(text, state.facts.latents);
const same = (/** @type {Float32Array} */ a, /** @type {Float32Array} */ b) => a.every((value, i) => value === b[i]);

/** A store of the browser, or nothing where the browser forbids it, as in some frames. @param {'localStorage' | 'sessionStorage'} name */
function store(name) {
  try { return window[name]; } catch { return null; }
}
export const localStore = store('localStorage'), sessionStore = store('sessionStorage');

/** @param {Storage | null} where @param {string} name @param {any} value */
function write(where, name, value) {
  try { where?.setItem(`facespace:${state.facts.fingerprint}:${name}`, JSON.stringify(value)); } catch { /* full: the page goes on without */ }
}
/** @param {Storage | null} where @param {string} name @param {(value: any) => any} check */
function read(where, name, check) {
  try {
    const text = where?.getItem(`facespace:${state.facts.fingerprint}:${name}`);
    return text ? check(JSON.parse(text)) : null;
  } catch { return null; }
}
