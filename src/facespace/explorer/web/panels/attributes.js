// @ts-check
/** Sliders for attributes: the directions that the space has learned, their quality, what else an edit moves, and
 * new directions from examples. */

import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { moveToScores, scoreOf } from '../directions.js';
import { engine } from '../engine.js';
import { checkbox } from '../fields.js';
import { displayName, isSensitive, isShown } from '../labels.js';
import { signed } from '../maths.js';
import { SliderPanel } from '../sliders.js';
import { changeOwn, on, openFacts, setExamples, setView, state } from '../state.js';

/** @typedef {import('../types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('../types.js').Direction} Direction */
/** @typedef {import('../types.js').Side} Side */

// Attributes that most users want; they come first.
const FIRST = [
  ...['Smiling', 'smile', 'Mouth_Slightly_Open', 'Eyeglasses', 'Sunglasses', 'Bangs', 'Black_Hair', 'Blond_Hair'],
  ...['Brown_Hair', 'Gray_Hair', 'Bald', 'Wavy_Hair', 'Straight_Hair', 'Young', 'Senior', 'Youth', 'Child'],
  ...['Wearing_Hat', 'Hat', 'Beard', 'Mustache', 'Goatee'],
];
const SIDE_EFFECT = 0.25; // standard deviations from which another attribute counts as moved
const SIDE_EFFECTS = 4; // shown at most
const FEWEST_EXAMPLES = 5;
const GOOD_AUC = 0.9;
const FAIR_AUC = 0.75;

const EFFECTS_TIP =
  'How far each attribute has moved since the face was loaded, in standard deviations. Lock an attribute to ' +
  'keep it fixed while you move another.';
const SENSITIVE_TIP =
  'Labels that judge a person, or that a picture cannot show, describe the annotators more than the face.';
const EXAMPLES_HINT =
  'Collect at least 5 faces with a property and 5 without it: this face, saved faces, or faces that the lasso ' +
  'on the map encloses.';

const KEPT_IN_SPACE = 'The direction is stored with the space.';
const KEPT_IN_BROWSER =
  'This space is not changed: the direction is kept in this browser, and travels in links and exported pictures.';

/** Of the space, then of this browser. @type {Map<string, Direction>} */
let directions = new Map();
/** @type {Direction[]} */
let bundled = [];
let loaded = false; // whether the space's are known
let reason = ''; // why the space has none
/** @type {SliderPanel<string>} */
let panel;
/** @type {HTMLElement} */
let effects;
/** @type {HTMLElement} */
let newDirection;
/** @type {HTMLInputElement} */
let nameField;
/** @type {HTMLElement} */
let sensitiveField;
/** @type {HTMLElement} */
let sensitiveCount;

export function startAttributes() {
  createElements();
  // Before the panel, which builds its rows of the directions at the same news.
  on('facts', () => {
    bundled = [];
    reason = '';
    loaded = false;
    nameField.value = '';
    collect();
    load();
  });
  panel = new SliderPanel({
    panel: 'attributes',
    title: 'Attributes',
    root: $('#attributes'),
    unit: 'standard deviations (σ) of this attribute over faces',
    sorts: { usual: 'Usual', quality: 'Quality', name: 'Name' },
    axes,
    read,
    move,
    footer,
    emptyText,
    pinned: effects,
    onRefresh: showSideEffects,
  });
  on('own', () => {
    collect();
    panel.rebuild();
  });
  on('examples facts', fillNewDirection);
}

function createElements() {
  effects = h('p', { class: 'effects', hidden: true, dataset: { tip: EFFECTS_TIP } });
  newDirection = h('details', { class: 'new-direction' });
  nameField = h('input', { type: 'text', maxLength: 40, placeholder: 'Name', 'aria-label': 'Name of the direction' });
  sensitiveCount = h('span');
  sensitiveField = checkbox(sensitiveCount, 'sensitive', { dataset: { tip: SENSITIVE_TIP } });
}

/** All directions by name; one of this browser never takes the place of one of the space. */
function collect() {
  directions = new Map([...state.own, ...bundled].map((direction) => [direction.name, direction]));
}

async function load() {
  const { latents } = openFacts();
  const reply = await attempt(() => engine.directions(latents));
  if (!reply) return;
  bundled = reply.directions;
  reason = reply.reason;
  loaded = true;
  collect();
  panel.build();
  const { positive, negative } = state.examples;
  const open = state.view.edit === 'attributes' && !positive.length && !negative.length;
  const other = document.querySelector('#tab-components');
  if (!directions.size && open && other) setView({ edit: 'components' });
}

function emptyText() {
  if (!reason) return 'Loading attribute directions…';
  return h('span', {}, `${reason} Until then, use Components or Raw to edit this face.`);
}

// ---- Axes

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

/** @param {string} sort */
function axes(sort) {
  const shown = [...directions.keys()].filter(isShown).sort(ORDERS[sort]);
  return shown.map((name) => axis(/** @type {Direction} */ (directions.get(name))));
}

/** @param {Direction} direction */
function axis({ name, facts, own }) {
  const quality = qualityOf(facts.auc);
  return {
    key: name,
    label: displayName(name),
    tip: qualityTip(facts),
    badge: badges(quality, own),
    classMeans: classMeans(facts),
  };
}

/**
 * A good direction needs no word: only doubts are shown, and what lives in this browser alone.
 * @param {string} quality
 * @param {boolean} [own]
 */
function badges(quality, own) {
  const words = [own ? 'own' : '', quality === 'good' ? '' : quality].filter(Boolean);
  return words.length ? h('span', { class: `badge ${quality}` }, words.join(', ')) : null;
}

/** @param {AttributeFacts} facts */
function classMeans({ gap = 0, negative_mean: negative, positive_mean: positive }) {
  if (gap <= 0 || negative === undefined || positive === undefined) return undefined;
  return { negative, positive };
}

/** @param {number | undefined} auc */
function qualityOf(auc) {
  if (auc === undefined) return 'unmeasured';
  if (auc >= GOOD_AUC) return 'good';
  return auc >= FAIR_AUC ? 'fair' : 'weak';
}

/** @param {AttributeFacts} facts */
function qualityTip({ auc, positives, negatives }) {
  if (auc === undefined) return 'How well this direction separates faces was not measured.';
  const area = auc.toFixed(2);
  const counts = positives ? ` It was fitted to ${positives} faces with and ${negatives} without the attribute.` : '';
  return `Quality: held-out area under the ROC curve ${area} (0.5 is chance, 1 is perfect).${counts}`;
}

/** @param {Float32Array} z */
function read(z) {
  return new Map([...directions].map(([name, direction]) => [name, scoreOf(direction, z)]));
}

/**
 * @param {Float32Array} z
 * @param {Map<string, number>} changes
 */
function move(z, changes) {
  /** @type {Map<Direction, number>} */
  const targets = new Map();
  for (const [name, value] of changes) {
    const direction = directions.get(name);
    if (direction) targets.set(direction, value);
  }
  const locked = [...directions.values()].filter(({ name }) => state.locks.attributes.has(name) && !changes.has(name));
  return moveToScores(z, targets, locked);
}

// ---- Around the sliders

function footer() {
  if (!loaded) return [];
  const count = [...directions.keys()].filter(isSensitive).length;
  sensitiveCount.textContent = `Show ${count} subjective or protected labels`;
  return [count ? sensitiveField : null, ownList(), newDirection];
}

/** Directions of this browser, which can be removed. */
function ownList() {
  if (!state.own.length) return null;
  const items = state.own.map(({ name }) => {
    const remove = () => attempt(async () => changeOwn((own) => own.filter((other) => other.name !== name)));
    const label = `Remove the direction ${name}`;
    return h('li', { class: 'line' }, displayName(name), button('trash', label, remove, { quiet: true }));
  });
  return h('ul', { class: 'own', 'aria-label': 'Directions of your own' }, items);
}

/** Shows which other attributes an edit has moved, relative to the original face. */
function showSideEffects() {
  const moved = state.original.z === state.z ? [] : movedAttributes(state.original.z);
  effects.hidden = !moved.length;
  const more = moved.length - SIDE_EFFECTS;
  const rest = more > 0 ? h('span', {}, `and ${more} more`) : null;
  setChildren(effects, h('b', {}, 'Moved: '), moved.slice(0, SIDE_EFFECTS).map(effectChip), rest);
}

/** @param {Float32Array} before */
function movedAttributes(before) {
  /** @type {{name: string, by: number}[]} */
  const moved = [];
  for (const [name, direction] of directions) {
    const by = scoreOf(direction, state.z) - scoreOf(direction, before);
    if (Math.abs(by) > SIDE_EFFECT && isShown(name)) moved.push({ name, by });
  }
  return moved.sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
}

/** @param {{name: string, by: number}} effect */
const effectChip = ({ name, by }) => h('span', { class: 'chip' }, `${displayName(name)} ${signed(by)}`);

function fillNewDirection() {
  const create = button('', 'Create', () => createDirection(nameField.value.trim()), {
    class: 'primary',
    once: true,
  });
  setChildren(
    newDirection,
    h('summary', {}, 'Create a direction'),
    h('p', { class: 'hint' }, `${EXAMPLES_HINT} ${state.facts?.writable ? KEPT_IN_SPACE : KEPT_IN_BROWSER}`),
    examplesLine('positive'),
    examplesLine('negative'),
    h('div', { class: 'line' }, nameField, create),
  );
}

/** @param {Side} side */
function examplesLine(side) {
  const rows = state.examples[side];
  const add = button('plus', 'This face', () => setExamples(side, [...rows, state.z]));
  const empty = button('trash', `Remove all ${side} examples`, () => setExamples(side, []), { quiet: true });
  const count = h('b', {}, `${rows.length} ${side}`);
  return h('div', { class: 'line examples' }, count, add, rows.length ? empty : null);
}

/** @param {string} name */
async function createDirection(name) {
  const { positive, negative } = state.examples;
  if (positive.length < FEWEST_EXAMPLES || negative.length < FEWEST_EXAMPLES || !name) {
    toast('A direction needs a name and at least 5 positive and 5 negative examples.', 'error');
    return;
  }
  const done = await attempt(() => (openFacts().writable ? addToSpace(name) : addToBrowser(name)));
  if (!done) return;
  toast(`“${name}” is now one of the attributes and ${done}.`);
  nameField.value = '';
  setExamples('positive', []);
  setExamples('negative', []);
}

/** @param {string} name */
async function addToSpace(name) {
  const { positive, negative } = state.examples;
  await engine.addDirection(name, positive, negative);
  await load();
  return 'stored with the space';
}

/** @param {string} name */
async function addToBrowser(name) {
  const { positive, negative } = state.examples;
  if (bundled.some((direction) => direction.name === name)) {
    throw new Error(`The space has a direction ${name} already. Take another name.`);
  }
  const direction = { ...(await engine.fitDirection(name, positive, negative)), own: true };
  changeOwn((own) => [...own.filter((other) => other.name !== name), direction]);
  return 'kept in this browser';
}
