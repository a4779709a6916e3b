// @ts-check
/** Sliders for attributes (attribute_axes.js): the quality of their directions, what else an edit moves, and new
 * directions from examples. */

import { allDirections, directionsFacts, isBundled, loadDirections } from '../attribute_axes.js';
import { moveAttributes, readAttributes, shownDirections } from '../attribute_axes.js';
import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { scoreOf } from '../directions.js';
import { engine } from '../engine.js';
import { checkbox } from '../fields.js';
import { keepPerson } from '../keep_person.js';
import { displayName, isSensitive, isShown } from '../labels.js';
import { signed } from '../maths.js';
import { SliderPanel } from '../sliders.js';
import { changeOwn, on, openFacts, setExamples, setView, state } from '../state.js';

/** @typedef {import('../types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('../types.js').Direction} Direction */
/** @typedef {import('../types.js').Side} Side */

const SIDE_EFFECT = 0.25; // standard deviations from which another attribute counts as moved
const SIDE_EFFECTS = 4; // shown at most
const FEWEST_EXAMPLES = 5;
const GOOD_AUC = 0.9;
const FAIR_AUC = 0.75;

const EFFECTS_TIP =
  'How far each attribute has moved since the face was loaded, in standard deviations. Lock an attribute to ' +
  'keep it fixed while you move another.';
const KEEP_TIP =
  'After a slider is moved, the model edits the face anew until an attribute classifier finds the attribute (or no ' +
  'longer does), while all others stay. It takes seconds; another move cancels it.';
const SENSITIVE_TIP =
  'Labels that judge a person, or that a picture cannot show, describe the annotators more than the face.';
const EXAMPLES_HINT =
  'Collect at least 5 faces with a property and 5 without it: this face, saved faces, or faces that the lasso ' +
  'on the map encloses.';

const KEPT_IN_SPACE = 'The direction is stored with the space.';
const KEPT_IN_BROWSER =
  'This space is not changed: the direction is kept in this browser, and travels in links and exported pictures.';

/** @type {SliderPanel<string>} */
let panel;
/** @type {HTMLElement} */
let keepField;
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
  on('facts', () => {
    nameField.value = '';
    keepField.hidden = !canKeepPerson();
  });
  panel = new SliderPanel({
    panel: 'attributes',
    title: 'Attributes',
    root: $('#attributes'),
    unit: 'standard deviations (σ) of this attribute over faces',
    sorts: { usual: 'Usual', quality: 'Quality', name: 'Name' },
    axes: (sort) => shownDirections(sort).map(axis),
    read: readAttributes,
    move: moveAttributes,
    onMoved,
    footer,
    emptyText,
    pinned: h('div', {}, keepField, effects),
    onRefresh: showSideEffects,
  });
  on('own', () => panel.rebuild());
  on('directions', showDirections);
  on('examples facts', fillNewDirection);
}

function createElements() {
  keepField = checkbox('Keep the person', 'keepPerson', { dataset: { tip: KEEP_TIP } });
  effects = h('p', { class: 'effects', hidden: true, dataset: { tip: EFFECTS_TIP } });
  newDirection = h('details', { class: 'new-direction' });
  nameField = h('input', { type: 'text', maxLength: 40, placeholder: 'Name', 'aria-label': 'Name of the direction' });
  sensitiveCount = h('span');
  sensitiveField = checkbox(sensitiveCount, 'sensitive', { dataset: { tip: SENSITIVE_TIP } });
}

/** Builds the rows. A space without directions opens Components instead. */
function showDirections() {
  panel.build();
  const { positive, negative } = state.examples;
  const open = state.view.edit === 'attributes' && !positive.length && !negative.length;
  const other = document.querySelector('#tab-components');
  if (!allDirections().size && open && other) setView({ edit: 'components' });
}

function emptyText() {
  const { reason } = directionsFacts();
  if (!reason) return 'Loading attribute directions…';
  return h('span', {}, `${reason} Until then, use Components or Raw to edit this face.`);
}

// ---- Axes

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

const canKeepPerson = () => !state.facts?.unavailable.edit;

/**
 * @param {string} name
 * @param {Float32Array} from
 */
function onMoved(name, from) {
  const direction = allDirections().get(name);
  if (!state.view.keepPerson || !canKeepPerson() || !direction) return;
  keepPerson(direction, from, (busy) => panel.showBusy(name, busy));
}

// ---- Around the sliders

function footer() {
  if (!directionsFacts().loaded) return [];
  const count = [...allDirections().keys()].filter(isSensitive).length;
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
  for (const [name, direction] of allDirections()) {
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
  await loadDirections();
  return 'stored with the space';
}

/** @param {string} name */
async function addToBrowser(name) {
  const { positive, negative } = state.examples;
  if (isBundled(name)) {
    throw new Error(`The space has a direction ${name} already. Take another name.`);
  }
  const direction = { ...(await engine.fitDirection(name, positive, negative)), own: true };
  changeOwn((own) => [...own.filter((other) => other.name !== name), direction]);
  return 'kept in this browser';
}
