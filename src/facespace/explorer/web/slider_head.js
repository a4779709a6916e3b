// @ts-check
/** The head of a slider panel: its title, what acts on all of its sliders at once, and its settings. */

import { button, h, options as selectOptions } from './dom.js';
import { bind, bindToggle, checkbox, fillSelect } from './fields.js';
import { on, setView, state } from './state.js';

/** @typedef {import('./types.js').EditPanel} EditPanel */
/**
 * @typedef {object} HeadOptions
 * @property {EditPanel} panel
 * @property {string} title
 * @property {Record<string, string>} sorts the orders of the rows; the first is the default
 * @property {boolean} [wall] whether all axes can be shown at once, as a wall of small sliders
 */
/** @typedef {{onRandomise: () => void, onReset: () => void}} HeadActions */

/** @type {[string, string][]} */
const RANGES = [
  ['2', '±2 σ'],
  ['3', '±3 σ'],
  ['4', '±4 σ'],
];
const TRUNCATIONS = [0.3, 0.5, 0.8, 1, 1.5];

const RANGE_TIP = 'How far the sliders reach, in standard deviations (σ) of the faces of this space.';
const TRUNCATION_TIP =
  'Truncation: the standard deviation (σ) of random values, which vary together as those of faces do. Small values ' +
  'stay near the mean face.';
const HEAT_TIP =
  'Where a slider changes the face: shown while the pointer rests on its label or handle, or its label or the key H ' +
  'is held.';
const WALL_TIP = 'All sliders at once: drag across several, double-click one to set it to zero.';

/**
 * @param {HeadOptions} options
 * @param {HeadActions} actions
 */
export function createHead(options, { onRandomise, onReset }) {
  const { title, wall } = options;
  const quiet = { quiet: true };
  const buttons = h(
    'div',
    { class: 'line tight' },
    wall && bindToggle(button('wall', WALL_TIP, () => {}, quiet), 'wall'),
    button('dice', `Randomise all ${title.toLowerCase()} that are not locked`, onRandomise, quiet),
    button('reset', 'Reset to the original face', onReset, { ...quiet, dataset: { reset: '' } }),
    createMenu(options),
  );
  return h('div', { class: 'panel-head' }, h('h2', {}, title), buttons);
}

/**
 * The order of a panel's rows: the chosen one, else the first.
 * @param {Pick<HeadOptions, 'panel' | 'sorts'>} options
 */
export function chosenSort({ panel, sorts }) {
  const chosen = state.view.sorts[panel];
  return chosen in sorts ? chosen : Object.keys(sorts)[0];
}

/**
 * The settings of the panel, behind one button.
 * @param {HeadOptions} options
 */
function createMenu(options) {
  const field = (/** @type {string} */ name, /** @type {HTMLElement} */ control) =>
    h('label', { class: 'choice' }, h('span', {}, name), control);
  const label = { 'aria-label': `Settings of ${options.title}`, dataset: { tip: 'Settings' } };
  const summary = h('summary', { class: 'button quiet', ...label }, '⋯');
  const fields = h(
    'div',
    { class: 'menu-box' },
    field('Order', createOrder(options)),
    field('Range', createRange()),
    field('Random', createTruncation()),
    checkbox('Heat map', 'heat', { dataset: { tip: HEAT_TIP } }),
  );
  const menu = h('details', { class: 'menu' }, summary, fields);
  menu.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) menu.open = false;
  });
  menu.addEventListener('keydown', ({ key }) => {
    if (key !== 'Escape') return;
    menu.open = false;
    summary.focus();
  });
  return menu;
}

/** @param {HeadOptions} options */
function createOrder(options) {
  const { panel, sorts } = options;
  const order = h('select', { 'aria-label': 'Order of the sliders' }, selectOptions(Object.entries(sorts)));
  order.value = chosenSort(options);
  order.addEventListener('change', () => setView({ sorts: { ...state.view.sorts, [panel]: order.value } }));
  return order;
}

function createRange() {
  const props = { 'aria-label': 'Range of the sliders', dataset: { tip: RANGE_TIP } };
  return bind(h('select', props, selectOptions(RANGES)), 'range');
}

function createTruncation() {
  const props = { 'aria-label': 'Truncation of random values', dataset: { tip: TRUNCATION_TIP } };
  const select = bind(h('select', props), 'truncation');
  // Another panel sets it to values between the usual ones.
  const fill = () => {
    const values = [...new Set([...TRUNCATIONS, state.view.truncation])].sort((a, b) => a - b);
    fillSelect(select, values.map((value) => [String(value), `${value} σ`]), 'truncation');
  };
  on('view', fill);
  fill();
  return select;
}
