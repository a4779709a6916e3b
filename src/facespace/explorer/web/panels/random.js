// @ts-check
/** New faces from the space's prior: a sheet to choose from, how varied they are, and which prior they come from. */

import { $, attempt, button, fill, h } from '../dom.js';
import { engine } from '../engine.js';
import { small } from '../faces.js';
import { seed } from '../maths.js';
import { on, setFace, setView, state } from '../state.js';
import { know } from './stage.js';

const SHOWN = 9;

let current = seed();
/** @type {any} */
let sheet, select, origin, seedField;

export function startRandom() {
  sheet = h('div', { class: 'sheet', role: 'group', 'aria-label': 'Random faces' });
  origin = h('p', { class: 'hint' });
  select = h('select', { id: 'prior', onchange: () => { tellOrigin(); draw(); } });
  seedField = h('input', { type: 'number', min: 0, max: 2 ** 32 - 1, step: 1, id: 'seed', class: 'wide', value: current, dataset: { tip: 'The seed: the same number gives the same faces, here and with facespace sample.' }, onchange: () => { current = Math.min(2 ** 32 - 1, Math.max(0, Math.floor(Number(seedField.value)) || 0)); draw(); } });
  const variety = h('input', { type: 'range', min: 0, max: 1.5, step: 0.05, value: state.view.variety, id: 'variety', 'aria-valuetext': words(), dataset: { tip: 'Variety (the temperature of the prior): 0 is the average face, 1 is the prior itself, more is wilder.' }, oninput: () => {
    setView({ variety: Number(variety.value) });
    variety.setAttribute('aria-valuetext', words());
  }, onchange: draw });
  const shown = h('output', {}, words());
  fill($('#random'),
    h('div', { class: 'panel-head' }, h('h2', {}, 'Random faces'), button('dice', 'New faces', () => { current = seed(); seedField.value = current; draw(); }, { class: 'primary', dataset: { tip: 'Nine other faces. The key R shows one on the stage at once.' } })),
    sheet,
    h('div', { class: 'field' }, h('label', { for: 'variety' }, 'Variety'), variety, shown),
    h('div', { class: 'field' }, h('label', { for: 'prior' }, 'Drawn from'), select),
    origin,
    h('div', { class: 'field' }, h('label', { for: 'seed' }, 'Seed'), seedField),
    h('div', { class: 'line' }, button('', 'The average face', average, { dataset: { tip: 'The face in the middle of the space.' } })));
  on('view', () => { variety.value = String(state.view.variety); shown.textContent = words(); });
  on('facts', () => {
    fill(select, Object.keys(state.facts.priors).map((kind) => h('option', { value: kind }, kind === 'own' ? "the space's own prior" : `fitted prior: ${kind}`)));
    select.value = state.facts.prior;
    tellOrigin();
    draw();
  });
}

const words = () => state.view.variety.toFixed(2);
function tellOrigin() { origin.textContent = `These come from ${state.facts.priors[select.value]}.`; }

async function draw() {
  const found = await attempt(() => engine.random(SHOWN, current, state.view.variety, select.value));
  if (!found) return;
  fill(sheet, found.map(({ z, picture }, i) => h('button', { type: 'button', class: 'tile', 'aria-label': `Random face ${i + 1}`, onclick: () => { know(z, picture); setFace(z, 'Random face'); } }, small(picture))));
}

/** One new face on the stage. */
export async function oneRandom() {
  const found = await attempt(() => engine.random(1, seed(), state.view.variety, select.value));
  if (found) { know(found[0].z, found[0].picture); setFace(found[0].z, 'Random face'); }
}

/** The middle of the space on the stage. */
export async function average() {
  const found = await attempt(() => engine.mean());
  if (found) { know(found.z, found.picture); setFace(found.z, 'Average face'); }
}
