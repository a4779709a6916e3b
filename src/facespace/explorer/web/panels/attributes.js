// @ts-check
/** Sliders for attributes: the directions that the space has learned, their quality, what else an edit moves, and
 * new directions from examples. */

import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { latestWins } from '../latest.js';
import { signed } from '../maths.js';
import { SliderPanel } from '../sliders.js';
import { on, setExamples, setView, state } from '../state.js';

/** @typedef {import('../types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('../types.js').Directions} Directions */
/** @typedef {import('../types.js').Side} Side */

// Attributes that most users want; they come first.
const FIRST = [
  ...['Smiling', 'smile', 'Mouth_Slightly_Open', 'Eyeglasses', 'Sunglasses', 'Bangs', 'Black_Hair', 'Blond_Hair'],
  ...['Brown_Hair', 'Gray_Hair', 'Bald', 'Wavy_Hair', 'Straight_Hair', 'Young', 'Senior', 'Youth', 'Child'],
  ...['Wearing_Hat', 'Hat', 'Beard', 'Mustache', 'Goatee'],
];
// Judgements about a person, or traits that a picture cannot show: shown on request only.
const SENSITIVE = new Set([
  ...['Attractive', 'Attractive_Man', 'Attractive_Woman', 'Chubby', 'Double_Chin', 'Pale_Skin', 'Big_Nose', 'Big_Lips'],
  ...['Pointy_Nose', 'Asian', 'White', 'Black', 'Indian', 'Male', 'Ugly', 'Obese', 'Narrow_Eyes', 'Oval_Face'],
  ...['Round_Jaw', 'Heavy_Makeup'],
]);
const SIDE_EFFECT = 0.25; // standard deviations from which another attribute counts as moved
const SIDE_EFFECTS = 6; // shown at most
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

/** @type {Directions} */
let directions = { names: [], facts: {}, reason: '' };
let scores = new Float32Array(); // of the face, one for each direction
/** @type {{z: Float32Array, scores: Float32Array} | null} */
let original = null; // the scores before edits
let showSensitive = false;
/** @type {SliderPanel<string>} */
let panel;
/** @type {HTMLElement} */
let effects;
/** @type {HTMLElement} */
let newDirection;

export function startAttributes() {
  effects = h('p', { class: 'effects', hidden: true });
  newDirection = h('details', { class: 'new-direction' });
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
    onRefresh: () => showSideEffects(),
  });
  on('facts', () => {
    directions = { names: [], facts: {}, reason: '' };
    panel.build();
    load();
  });
  on('face', () => updateScores(state.z));
  on('examples', fillNewDirection);
}

async function load() {
  const loaded = await attempt(() => engine.directions());
  if (!loaded) return;
  directions = loaded;
  scores = new Float32Array(directions.names.length);
  await updateScores(state.z);
  panel.build();
  const open = state.view.edit === 'attributes';
  const other = document.querySelector('#tab-components');
  if (!directions.names.length && open && other) setView({ edit: 'components' });
}

const updateScores = latestWins(async (/** @type {Float32Array} */ z) => {
  if (!directions.names.length) return;
  if (z.some(Boolean)) scores = await engine.scores(z);
  panel.refresh();
});

function emptyText() {
  if (!directions.reason) return 'Loading attribute directions…';
  return h('span', {}, `${directions.reason} Until then, use Components or Raw to edit this face.`);
}

// ---- Axes

const displayName = (/** @type {string} */ name) => name.replaceAll('_', ' ');
const isShown = (/** @type {string} */ name) => showSensitive || !SENSITIVE.has(name);
const aucOf = (/** @type {string} */ name) => directions.facts[name]?.auc ?? 0;

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
  const shown = directions.names.filter(isShown).sort(ORDERS[sort]);
  return shown.map((name) => axis(name, directions.facts[name] ?? {}));
}

/**
 * @param {string} name
 * @param {AttributeFacts} facts
 */
function axis(name, facts) {
  const quality = qualityOf(facts.auc);
  return {
    key: name,
    label: displayName(name),
    tip: qualityTip(facts),
    badge: h('span', { class: `badge ${quality}` }, quality),
    classMeans: classMeans(facts),
  };
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

/** @param {Float32Array} z the face of the page or its original */
function read(z) {
  const known = z === original?.z ? original.scores : scores;
  /** @type {Map<string, number>} */
  const values = new Map();
  for (const [i, name] of directions.names.entries()) values.set(name, known[i] ?? 0);
  return values;
}

/**
 * @param {Float32Array} z
 * @param {Map<string, number>} changes
 */
async function move(z, changes) {
  if (!changes.size) return { z };
  const { names } = directions;
  const before = await engine.scores(z);
  /** @type {Record<string, number>} */
  const differences = {};
  for (const [name, value] of changes) differences[name] = value - before[names.indexOf(name)];
  const locked = names.filter((name) => state.locks.attributes.has(name) && !changes.has(name));
  const edited = await engine.edit(z, differences, locked);
  scores = edited.scores;
  return { z: edited.z, picture: edited.picture };
}

// ---- Below the sliders

function footer() {
  fillNewDirection();
  return [effects, sensitiveCheckbox(), newDirection];
}

function sensitiveCheckbox() {
  const count = directions.names.filter((name) => SENSITIVE.has(name)).length;
  if (!count) return null;
  const box = h('input', { type: 'checkbox', checked: showSensitive });
  box.addEventListener('change', () => {
    showSensitive = box.checked;
    panel.build();
  });
  const props = { class: 'check', dataset: { tip: SENSITIVE_TIP } };
  return h('label', props, box, `Show ${count} subjective or protected labels`);
}

/** Shows which other attributes an edit has moved, relative to the original face. */
const showSideEffects = latestWins(async () => {
  const { z } = state.original;
  if (!directions.names.length || z === state.z || !z.some(Boolean)) {
    effects.hidden = true;
    return;
  }
  if (original?.z !== z) original = { z, scores: await engine.scores(z) };
  const moved = movedAttributes(original.scores);
  effects.hidden = !moved.length;
  setChildren(effects, h('b', {}, 'Moved: '), moved.slice(0, SIDE_EFFECTS).map(effectChip));
  effects.dataset.tip = EFFECTS_TIP;
});

/** @param {Float32Array} before */
function movedAttributes(before) {
  /** @type {{name: string, by: number}[]} */
  const moved = [];
  for (const [i, name] of directions.names.entries()) {
    const by = scores[i] - before[i];
    if (Math.abs(by) > SIDE_EFFECT && isShown(name)) moved.push({ name, by });
  }
  return moved.sort((a, b) => Math.abs(b.by) - Math.abs(a.by));
}

/** @param {{name: string, by: number}} effect */
const effectChip = ({ name, by }) => h('span', { class: 'chip' }, `${displayName(name)} ${signed(by)}`);

function fillNewDirection() {
  const name = h('input', {
    type: 'text',
    maxLength: 40,
    placeholder: 'Name',
    'aria-label': 'Name of the direction',
  });
  const create = button('', 'Create', () => createDirection(name.value.trim()), {
    class: 'primary',
    once: true,
  });
  setChildren(
    newDirection,
    h('summary', {}, 'Create a direction'),
    h('p', { class: 'hint' }, EXAMPLES_HINT),
    examplesLine('positive'),
    examplesLine('negative'),
    h('div', { class: 'line' }, name, create),
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
  const done = await attempt(() => engine.addDirection(name, positive, negative));
  if (!done) return;
  toast(`“${name}” is now one of the attributes and stored with the space.`);
  setExamples('positive', []);
  setExamples('negative', []);
  load();
}
