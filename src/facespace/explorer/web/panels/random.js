// @ts-check
/** New faces from a prior: a grid to choose from, their truncation, the prior and the seed. */

import { did } from '../activity.js';
import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { bind, fillSelect } from '../fields.js';
import { randomSeed } from '../maths.js';
import { roving } from '../roving.js';
import { thumbnail } from '../pictures.js';
import { isSite } from '../site.js';
import { on, openFacts, setView, state, withoutAct } from '../state.js';
import { TRUNCATION } from '../view.js';
import { askedFor, createConditions, offerConditions } from './conditions.js';
import { loadFace } from './stage.js';

/** @typedef {import('../types.js').Face} Face */

const FACES = 9;
const LARGEST_SEED = 2 ** 32 - 1;
const MODEL_PRIOR = 'model'; // its name in the protocol

const VARIETY_TIP =
  'Truncation: the standard deviation of random draws. 0 is the mean face, 1 the prior itself; larger values ' +
  'vary more.';
const SEED_TIP = isSite
  ? 'The same seed gives the same faces on this page; facespace sample draws others.'
  : 'The same seed gives the same faces, here and with facespace sample.';
const RANDOM = 'Random face'; // label of a step
const CHANGED_MEANWHILE = 'The face was changed meanwhile, so the new one is not shown.';
const NEW_FACES_TIP = 'Draws nine other faces. The key R shows one on the stage.';

/** @type {HTMLElement} */
let grid;
/** @type {HTMLElement} */
let origin;
/** @type {HTMLSelectElement} */
let priorSelect;
let draws = 0; // of the grid
let own = { truncation: TRUNCATION, guidance: 1 }; // settings of the space before

export function startRandom() {
  grid = h('div', { class: 'image-grid', role: 'group', 'aria-label': 'Random faces' });
  roving(grid);
  origin = h('p', { class: 'hint' });
  const newFaces = button('dice', 'New faces', drawNewFaces, { class: 'primary', dataset: { tip: NEW_FACES_TIP } });
  const meanFace = button('', 'Mean face', showMeanFace, { dataset: { tip: 'The decoded mean of the latents.' } });
  setChildren(
    $('#random'),
    h('div', { class: 'panel-head' }, h('h2', {}, 'Random faces'), newFaces),
    grid,
    varietyField(),
    priorField(),
    createConditions(drawFaces),
    origin,
    seedField(),
    h('div', { class: 'line' }, meanFace),
  );
  on('facts', () => {
    takeSettings();
    fillPriors();
    showPrior();
    setChildren(grid); // those of the space before
    drawFaces();
  });
  on('decoder', drawFaces);
}

const varietyText = () => state.view.truncation.toFixed(2);

function varietyField() {
  const props = { type: 'range', min: 0, max: 1.5, step: 0.05, id: 'variety', dataset: { tip: VARIETY_TIP } };
  const input = bind(h('input', props), 'truncation');
  const output = h('output');
  const show = () => {
    input.setAttribute('aria-valuetext', varietyText());
    output.textContent = varietyText();
  };
  show();
  input.addEventListener('change', drawFaces);
  on('view', show);
  return h('div', { class: 'field' }, h('label', { for: 'variety' }, 'Variety'), input, output);
}

function priorField() {
  priorSelect = bind(h('select', { id: 'prior' }), 'prior', () => {
    showPrior();
    drawFaces();
  });
  return h('div', { class: 'field' }, h('label', { for: 'prior' }, 'Prior'), priorSelect);
}

function seedField() {
  const range = { min: 0, max: LARGEST_SEED, step: 1 };
  const input = h('input', { type: 'number', id: 'seed', class: 'wide', ...range, dataset: { tip: SEED_TIP } });
  bind(input, 'seed', drawFaces);
  return h('div', { class: 'field' }, h('label', { for: 'seed' }, 'Seed'), input);
}

function fillPriors() {
  const { prior, priors } = openFacts();
  const kinds = [prior, ...Object.keys(priors).filter((kind) => kind !== prior)];
  /** @type {[string, string][]} */
  const choices = kinds.map((kind) => [kind, priorLabel(kind)]);
  fillSelect(priorSelect, choices, 'prior');
  if (!(state.view.prior in priors)) priorSelect.value = prior;
}

/** Settings that are still those of the space before become those of this one. */
function takeSettings() {
  const { temperature, guidance } = openFacts().sampling;
  const next = { truncation: temperature ?? TRUNCATION, guidance: guidance ?? 1 };
  const { view } = state;
  setView({
    truncation: view.truncation === own.truncation ? next.truncation : view.truncation,
    guidance: view.guidance === own.guidance ? next.guidance : view.guidance,
  });
  own = next;
}

/** @param {string} kind */
function priorLabel(kind) {
  if (kind !== MODEL_PRIOR) return `fitted prior: ${kind}`;
  // Another prior is the default only where it fits held-out faces better.
  return openFacts().prior === MODEL_PRIOR ? "the model's own prior" : 'model prior, fits less';
}

function showPrior() {
  offerConditions(priorSelect.value);
  origin.textContent = `Drawn from ${openFacts().priors[priorSelect.value]}.`;
}

/** @param {Face} face */
function choose(face) {
  loadFace(face, RANDOM);
  did('drawn', priorSelect.value);
}

function drawNewFaces() {
  setView({ seed: randomSeed() });
  drawFaces();
}

/** The faces of the settings of now, whatever answers first. */
async function drawFaces() {
  draws += 1;
  const current = draws;
  const { seed, truncation } = state.view;
  const faces = await attempt(() => engine.random(FACES, seed, truncation, priorSelect.value, askedFor()));
  if (faces && current === draws) setChildren(grid, faces.map(tile));
}

/**
 * @param {Face} face
 * @param {number} index
 */
function tile(face, index) {
  const props = { type: 'button', class: 'tile', 'aria-label': `Random face ${index + 1}` };
  return h('button', { ...props, onclick: () => choose(face) }, thumbnail(face.picture));
}

/** One new face, as the panel is set; undefined where it failed, which is said. */
export async function drawFace() {
  const { truncation } = state.view;
  const faces = await attempt(() => engine.random(1, randomSeed(), truncation, priorSelect.value, askedFor()));
  return faces?.[0];
}

/** Shows one new face. */
export async function showRandomFace() {
  const face = await unlessActed(drawFace);
  if (face === null) toast(CHANGED_MEANWHILE);
  if (!face) return;
  showAwaited(face, RANDOM);
  did('drawn', priorSelect.value);
}

/** Shows one as the first face of a space, which nobody asked for, unless something else was done meanwhile. */
export async function showFirstFace() {
  const face = await unlessActed(drawFace);
  if (face) showAwaited(face, RANDOM);
}

async function showMeanFace() {
  const face = await unlessActed(() => attempt(() => engine.mean()));
  if (face) showAwaited(face, 'Mean face');
  else if (face === null) toast(CHANGED_MEANWHILE);
}

/**
 * A face that is waited for; null where the face of the page was changed meanwhile, which then stays, and undefined
 * where there is none or another space was opened. Other faces that were waited for are no such change.
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T | null | undefined>}
 */
async function unlessActed(ask) {
  const { facts, acts } = state;
  const face = await ask();
  if (!face || state.facts !== facts) return undefined;
  return state.acts === acts ? face : null;
}

/**
 * @param {Face} face
 * @param {string} label
 */
function showAwaited(face, label) {
  withoutAct(() => loadFace(face, label));
}
