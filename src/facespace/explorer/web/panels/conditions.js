// @ts-check
/** The attributes that random faces are asked to have or to lack, for a prior that knows some, and the guidance. */

import { button, h, options, setChildren } from '../dom.js';
import { bind } from '../fields.js';
import { displayName, isShown } from '../labels.js';
import { on, openFacts, setView, state } from '../state.js';

/** @typedef {import('../types.js').Asked} Asked */

const [YES, NO] = ['yes', 'no'];
const SIGNS = { [YES]: 1, [NO]: -1 };
const MOST_GUIDANCE = 5;

const ADD_TIP = 'Asks for faces with an attribute. A click on it below asks for faces without it.';
const TURN_TIP = 'Switches between faces with and without it.';
const GUIDANCE_TIP =
  'Classifier-free guidance: 1 shows an attribute as often as faces that have it do; larger values show it more ' +
  'often and more clearly, on faces that vary less.';

/** @type {HTMLElement} */
let element;
/** @type {HTMLSelectElement} */
let select;
/** @type {HTMLElement} */
let list;
/** @type {HTMLElement} */
let guidance;
let offered = /** @type {string[]} */ ([]); // attributes of the selected prior
let shown = ''; // what the controls show now
let changed = () => {};

/**
 * The controls; none are seen where a prior knows no attribute.
 * @param {() => void} onChange after a change by hand
 */
export function createConditions(onChange) {
  changed = onChange;
  select = h('select', { id: 'ask', dataset: { tip: ADD_TIP } });
  select.addEventListener('change', () => ask({ ...state.view.asked, [select.value]: YES }));
  list = h('div', { class: 'line', role: 'group', 'aria-label': 'Attributes asked for' });
  guidance = guidanceField();
  const field = h('div', { class: 'field' }, h('label', { for: 'ask' }, 'Show'), select);
  element = h('div', { class: 'conditions' }, field, list, guidance);
  on('view', show);
  return element;
}

function guidanceField() {
  const range = { type: 'range', min: 1, max: MOST_GUIDANCE, step: 0.5 };
  const input = bind(h('input', { ...range, id: 'guidance', dataset: { tip: GUIDANCE_TIP } }), 'guidance');
  const output = h('output');
  const write = () => {
    output.textContent = state.view.guidance.toFixed(1);
    input.setAttribute('aria-valuetext', output.textContent);
  };
  write();
  on('view', write);
  input.addEventListener('change', () => changed());
  return h('div', { class: 'field' }, h('label', { for: 'guidance' }, 'Guidance'), input, output);
}

/** Offers the attributes that a prior of the space knows. @param {string} prior */
export function offerConditions(prior) {
  offered = openFacts().conditions[prior] ?? [];
  shown = '';
  show();
}

/** What new faces are asked for, of that which the selected prior knows. @returns {Asked} */
export function askedFor() {
  const known = Object.entries(state.view.asked).filter(([name]) => offered.includes(name));
  const conditions = Object.fromEntries(known.map(([name, word]) => [name, SIGNS[word] ?? 1]));
  return { conditions, guidance: known.length ? state.view.guidance : 1 };
}

/** @param {Record<string, string>} asked */
function ask(asked) {
  setView({ asked });
  changed();
}

function show() {
  const { asked, sensitive } = state.view;
  const now = JSON.stringify([offered, asked, sensitive]);
  if (now === shown) return;
  shown = now;
  const names = Object.keys(askedFor().conditions);
  element.hidden = !offered.length;
  guidance.hidden = !names.length;
  list.hidden = !names.length;
  /** @type {[string, string][]} */
  const choices = [['', names.length ? 'and …' : 'any face']];
  for (const name of offered) if (isShown(name) && !names.includes(name)) choices.push([name, displayName(name)]);
  setChildren(select, options(choices));
  setChildren(list, names.map(conditionTile));
}

/** @param {string} name */
function conditionTile(name) {
  const absent = state.view.asked[name] === NO;
  const turn = () => ask({ ...state.view.asked, [name]: absent ? YES : NO });
  const drop = () => ask(Object.fromEntries(Object.entries(state.view.asked).filter(([other]) => other !== name)));
  const text = `${absent ? 'without' : 'with'} ${displayName(name)}`;
  return h(
    'span',
    { class: 'condition' },
    h('button', { type: 'button', class: 'chip', onclick: turn, dataset: { tip: TURN_TIP } }, text),
    button('close', `Stop asking for ${displayName(name)}`, drop, { quiet: true }),
  );
}
