// @ts-check
/** Two to four faces are mixed: a point between them weighs them, live on the stage, and around it lie children, which
 * vary as faces do. A child becomes the face or a parent of the next generation. */

import { $, announce, attempt, button, h, options, setChildren, toast } from '../dom.js';
import { bind } from '../fields.js';
import { latestWins } from '../latest.js';
import { randomSeed } from '../maths.js';
import { blend, childrenOf, familyLine, findPlace, freeName, middleOf, mixOf } from '../mix.js';
import { CHILDREN, LARGEST_STRENGTH, MOST_PARENTS, weightsAt } from '../mix.js';
import { MixFigure } from '../mix_figure.js';
import { chooseParent, parentItem } from '../mix_parents.js';
import { whenShown } from '../panel.js';
import { paint, picturesOf } from '../pictures.js';
import { roving } from '../roving.js';
import { keepParents, move, newNamed, on, setFace, setMix, state } from '../state.js';
import { drawFace } from './random.js';

/** @typedef {import('../mix.js').Place} Place */
/** @typedef {import('../types.js').NamedLatent} NamedLatent */

const EMPTY = 'Add two to four faces as parents. Then drag the point between them.';
const ONE = 'Add a second parent, or choose among the children of this one.';
const FIGURE_TIP =
  'Drag the point, or use the arrow keys. It is the weighted mean of the parents, which lies nearer the mean face ' +
  'than they do.';
const RANDOM_TIP = 'Adds a random face, drawn as in Random.';
const CHOOSE_TIP = 'Adds a saved face or one of the history.';
const FULL = `A mix has at most ${MOST_PARENTS} parents. Remove one first.`;
const MUTATION_TIP =
  'How far children lie from the mix: 1 varies them as the faces of this space vary about their mean, 0 not at all.';
/** @type {[string, string][]} */
const CLICKS = [
  ['face', 'Click: show face'],
  ['parent', 'Click: add parent'],
];
const CENTRE = CHILDREN / 2; // the place of the mix among its children

/** @type {HTMLElement} */
let parentRow;
/** @type {HTMLElement} */
let message;
/** @type {HTMLElement} */
let below;
/** @type {HTMLElement} */
let grid;
/** @type {HTMLElement} */
let family;
/** @type {MixFigure} */
let figure;
/** Where the point is while it is moved; null while it rests. @type {Place | null} */
let moving = null;
/** The face before that. @type {Float32Array} */
let before;
/** What the children in the grid are. @type {Float32Array[]} */
let children = [];
let shownHistory = { list: state.history, index: -1 };

export function startMix() {
  const root = $('#mix');
  parentRow = h('div', { class: 'mix-parents' });
  message = h('p', { class: 'hint' });
  figure = new MixFigure({ onMove: moveTo, onFinish: finish, onCancel: cancel });
  figure.element.dataset.tip = FIGURE_TIP;
  grid = h('div', { class: 'image-grid', role: 'group', 'aria-label': 'Children', id: 'mix-children' });
  setChildren(grid, Array.from({ length: CHILDREN + 1 }, (_, i) => childTile(i)));
  roving(grid);
  family = h('p', { class: 'hint', id: 'mix-family' });
  below = h('div', { class: 'mix-below' }, mutationField(), grid, childActions(), family);
  setChildren(root, head(), parentRow, adders(), message, figure.element, below);
  whenShown(root, 'mix facts', build);
  whenShown(root, 'statistics', fillChildren);
  on('face facts', followSteps);
}

function head() {
  const empty = () => {
    $('#mix-add').focus(); // this button hides then
    keepParents([]);
  };
  const clear = button('trash', 'Remove all parents', empty, { quiet: true, id: 'mix-clear' });
  return h('div', { class: 'panel-head' }, h('h2', {}, 'Mix'), clear);
}

function adders() {
  const current = () => {
    const label = state.history[state.historyIndex]?.label ?? 'Face';
    addParent(label.split(/[:,]/)[0], state.z);
  };
  const random = async () => {
    const face = await drawFace();
    if (face) addParent('Random face', face.z);
  };
  const choose = () => chooseParent(({ name, z }) => addParent(name.split(/[:,]/)[0], z));
  return h(
    'div',
    { class: 'line mix-adders', role: 'group', 'aria-label': 'Add a parent' },
    button('', '+ This face', current, { id: 'mix-add', dataset: { tip: 'Adds the face of the page as a parent.' } }),
    button('', '+ Random', random, { id: 'mix-random', once: true, dataset: { tip: RANDOM_TIP } }),
    button('', '+ Choose…', choose, { id: 'mix-choose', once: true, dataset: { tip: CHOOSE_TIP } }),
  );
}

function mutationField() {
  const props = { type: 'range', min: 0, max: LARGEST_STRENGTH, step: 0.05, id: 'mutation' };
  const input = h('input', { ...props, dataset: { tip: MUTATION_TIP } });
  const output = h('output');
  const show = () => {
    input.value = String(state.mix.strength);
    output.textContent = state.mix.strength.toFixed(2);
  };
  input.addEventListener('input', () => {
    output.textContent = Number(input.value).toFixed(2);
    fillChildren();
  });
  input.addEventListener('change', () => setMix({ strength: Number(input.value) }));
  on('mix', show);
  show();
  return h('div', { class: 'field' }, h('label', { for: 'mutation' }, 'Mutation'), input, output);
}

function childActions() {
  const click = bind(h('select', { 'aria-label': 'What a click on a child does' }, options(CLICKS)), 'mixClick');
  const fresh = button('dice', 'New children', () => setMix({ seed: randomSeed() }), { id: 'mix-new' });
  return h('div', { class: 'line controls' }, click, fresh);
}

/** @param {number} index */
function childTile(index) {
  const label = index === CENTRE ? 'The mix' : `Child ${index < CENTRE ? index + 1 : index}`;
  const canvas = h('canvas', { class: 'thumbnail', 'aria-hidden': 'true' });
  const props = { type: 'button', class: 'tile', 'aria-label': label, onclick: () => use(index) };
  return h('button', index === CENTRE ? { ...props, class: 'tile centre' } : props, canvas);
}

// ---- Parents

/**
 * @param {string} name
 * @param {Float32Array} z
 */
function addParent(name, z) {
  const { parents } = state.mix;
  if (parents.length >= MOST_PARENTS) {
    toast(FULL, 'error');
    return;
  }
  changeParents([...parents, newNamed(freeName(name, parents), z)]);
}

/** @param {NamedLatent[]} parents */
const changeParents = (parents) => setMix({ parents, ...middleOf(parents.length) });

/** @param {NamedLatent} parent */
const removeParent = (parent) => keepParents(state.mix.parents.filter((other) => other !== parent));

/** @param {NamedLatent} parent */
const load = (parent) => setFace(parent.z, parent.name);

// ---- What is shown

async function build() {
  const { parents } = state.mix;
  const pictures = await attempt(() => picturesOf(parents.map(({ z }) => z)));
  if (!pictures || parents !== state.mix.parents) return;
  const actions = { load, remove: removeParent };
  setChildren(parentRow, parents.map((parent, i) => parentItem(parent, i, pictures[i], actions)));
  figure.setParents(parents, pictures);
  message.textContent = [EMPTY, ONE][parents.length] ?? '';
  message.hidden = parents.length > 1;
  below.hidden = !parents.length;
  $('#mix-clear').hidden = !parents.length;
  showPlace(moving ?? state.mix);
  fillChildren();
}

/** @param {Place} place */
function showPlace(place) {
  const { parents } = state.mix;
  if (parents.length > 1) figure.setPlace(place);
  const weights = weightsAt(parents.length, place);
  for (const [i, weight] of weights.entries()) {
    const share = parentRow.querySelector(`[data-share="${i}"]`);
    if (share) share.textContent = `${Math.round(100 * weight)} %`;
  }
  family.textContent = parents.length ? `Parents: ${familyLine(parents, weights)}.` : '';
}

/** Paints the children of the mix as it is shown. */
function fillChildren() {
  const { statistics, mix } = state;
  if (!mix.parents.length || !statistics) return;
  const strength = Number(/** @type {HTMLInputElement} */ ($('#mutation')).value);
  paintChildren(childrenOf({ ...mix, ...moving, strength }, statistics));
}

const paintChildren = latestWins(async (/** @type {Float32Array[]} */ rows) => {
  const pictures = await attempt(() => picturesOf(rows));
  if (!pictures) return;
  children = rows;
  for (const [i, canvas] of [...grid.querySelectorAll('canvas')].entries()) paint(canvas, pictures[i], 2);
});

/** The point goes where undo and redo lead, as far as that is a mix of these parents. */
function followSteps() {
  const { history: list, historyIndex: index, z, mix } = state;
  const stepped = list === shownHistory.list && index !== shownHistory.index;
  shownHistory = { list, index };
  const place = stepped ? findPlace(mix.parents, z) : null;
  if (place) setMix(place);
}

// ---- Moves

/** @param {Place} place */
function moveTo(place) {
  if (!moving) before = state.z;
  moving = place;
  showPlace(place);
  move(blend(state.mix.parents, weightsAt(state.mix.parents.length, place)));
  fillChildren();
}

function finish() {
  if (!moving) return;
  const place = moving;
  moving = null;
  setMix(place);
  setFace(mixOf(state.mix), `Mix: ${line()}`);
}

function cancel() {
  if (!moving) return;
  moving = null;
  move(before);
  showPlace(state.mix);
  fillChildren();
}

const line = () => familyLine(state.mix.parents, weightsAt(state.mix.parents.length, state.mix));

/**
 * Takes a child.
 * @param {number} index
 */
function use(index) {
  const z = children[index];
  if (!z) return;
  const child = index !== CENTRE;
  if (state.view.mixClick === 'parent') {
    addParent(child ? 'Child' : 'Mix', z);
    announce(`The mix has ${state.mix.parents.length} parents.`);
    return;
  }
  const mutation = child ? `, mutation ${state.mix.strength.toFixed(2)}` : '';
  setFace(z, `${child ? 'Child' : 'Mix'}: ${line()}${mutation}`);
}
