// @ts-check
/** The document that links, JSON files and exported pictures carry: versioned JSON with the latent, its original,
 * the locks, the mix and the open tabs, bound to the model's fingerprint. What is read here is untrusted. */

import { fromUrlBase64, latentToText, toUrlBase64 } from './maths.js';
import { mixFromText, mixToText } from './mix.js';
import { directionsFromText, directionsToText } from './own_directions.js';
import { changeOwn, openFacts, readLatent, restore, setLocks, setMix, state } from './state.js';

/** @typedef {import('./types.js').EditPanel} EditPanel */
/** @typedef {import('./types.js').EditTab} EditTab */
/** @typedef {import('./types.js').SourcePanel} SourcePanel */

const KIND = 'facespace-explorer';
const VERSION = 1;
const LOCKS = 64; // at most, for each panel
const SOURCE_PANELS = /** @type {SourcePanel[]} */ (['random', 'draw', 'photo', 'map', 'mix', 'saved']);
const EDIT_PANELS = /** @type {EditPanel[]} */ (['attributes', 'components', 'raw']);
const EDIT_TABS = /** @type {EditTab[]} */ ([...EDIT_PANELS, 'pad']);

/** The state of the page as a document. */
export function toDocument() {
  const { fingerprint, latents } = openFacts();
  /** @type {Record<string, (string | number)[]>} */
  const locks = {};
  for (const panel of EDIT_PANELS) locks[panel] = [...state.locks[panel]].slice(0, LOCKS);
  return {
    kind: KIND,
    version: VERSION,
    fingerprint,
    latents,
    z: latentToText(state.z),
    original: latentToText(state.original.z),
    locks,
    own: directionsToText(state.own),
    mix: mixToText(state.mix),
    view: { source: state.view.source, edit: state.view.edit },
  };
}

/**
 * Restores a document as one step of the history. Throws an Error with a sentence for a document that is not valid or
 * belongs to another model.
 * @param {any} document
 * @param {string} label
 */
export function fromDocument(document, label) {
  check(document);
  const z = readLatent(document.z);
  const original = readLatent(document.original ?? document.z);
  const own = directionsFromText(document.own, openFacts().latents);
  const names = new Set(own.map(({ name }) => name));
  if (own.length) changeOwn((known) => [...known.filter(({ name }) => !names.has(name)), ...own]);
  restore(z, original, label);
  setLocks(locksOf(document));
}

/**
 * Restores the locks alone: the face that was stored is newer. Throws as fromDocument does.
 * @param {any} document
 */
export function locksFromDocument(document) {
  check(document);
  setLocks(locksOf(document));
}

/** @param {any} document */
function check(document) {
  if (!document || typeof document !== 'object' || document.kind !== KIND) {
    throw new Error('The data are not a face of the explorer.');
  }
  if (document.version !== VERSION) {
    const version = Number(document.version);
    throw new Error(`This face has format version ${version}; this page reads version ${VERSION}.`);
  }
  const { fingerprint, latents } = openFacts();
  if (document.fingerprint !== fingerprint || document.latents !== latents) {
    const other = String(document.fingerprint).slice(0, 16);
    throw new Error(`This face belongs to another model (${other}). Open that space, then try again.`);
  }
}

/** @param {any} document */
function locksOf(document) {
  const locks = /** @type {Record<EditPanel, (string | number)[]>} */ ({});
  for (const panel of EDIT_PANELS) locks[panel] = readLocks(document.locks?.[panel]);
  return locks;
}

/** @param {unknown} given */
function readLocks(given) {
  if (!Array.isArray(given)) return [];
  return given.slice(0, LOCKS).filter((key) => typeof key === 'string' || Number.isInteger(key));
}

/**
 * Takes the mix of a document that was restored: that of a link, and that of a file where the page has none.
 * @param {any} document
 * @param {boolean} linked
 */
export function restoreMix(document, linked) {
  if (!document.mix || (!linked && state.mix.parents.length)) return;
  setMix(mixFromText(document.mix, openFacts().latents));
}

/**
 * Takes the open tabs of a document.
 * @param {any} document
 */
export function restoreView(document) {
  const { source, edit } = document.view ?? {};
  if (SOURCE_PANELS.includes(source)) state.view.source = source;
  if (EDIT_TABS.includes(edit)) state.view.edit = edit;
}

/**
 * JSON with \\u escapes, since btoa takes characters of one byte only.
 * @param {string} json
 */
function escapeNonAscii(json) {
  return json.replace(/[\u0080-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** The address of the page with this face in it, without the token. */
export function shareLink() {
  const text = toUrlBase64(escapeNonAscii(JSON.stringify(toDocument())));
  return `${location.href.split('#')[0]}#s=${text}`; // location.origin is 'null' for a page from a disk
}

/**
 * The document in a link's fragment. Throws an Error with a sentence for any other text.
 * @param {string} text
 */
export function fromLink(text) {
  try {
    return JSON.parse(fromUrlBase64(text));
  } catch {
    throw new Error('This link is incomplete or damaged.');
  }
}
