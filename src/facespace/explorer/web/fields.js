// @ts-check
/** Controls that show and change one setting of the view, and the one way in which a typed number is taken. */

import { h, options, setChildren, setPressed, toast } from './dom.js';
import { clamp } from './maths.js';
import { on, setView, state } from './state.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

/** On a number field while its text is not taken yet: then Ctrl+Z is of the text. */
export const TYPING = 'data-typing';

/**
 * What a control is set to, in the type of its setting.
 * @param {Control} control
 * @param {keyof View} name
 */
function read(control, name) {
  if (control.type === 'checkbox') return /** @type {HTMLInputElement} */ (control).checked;
  return typeof state.view[name] === 'number' ? Number(control.value) : control.value;
}

/**
 * @param {Control} control
 * @param {unknown} value
 */
function write(control, value) {
  if (control.type === 'checkbox') /** @type {HTMLInputElement} */ (control).checked = Boolean(value);
  else if (has(control, String(value))) control.value = String(value);
}

/**
 * Whether a control can show a value; a select keeps its own where it lacks one.
 * @param {Control} control
 * @param {string} value
 */
function has(control, value) {
  return !(control instanceof HTMLSelectElement) || [...control.options].some((option) => option.value === value);
}

/**
 * Binds a control to a setting. A select whose choices lack the value keeps what it shows.
 * @template {Control} C
 * @param {C} control
 * @param {keyof View} name
 * @param {() => void} [onChange] after a change by hand
 */
export function bind(control, name, onChange = () => {}) {
  const show = () => write(control, state.view[name]);
  const take = (/** @type {unknown} */ value) => {
    setView({ [name]: value });
    onChange();
  };
  if (control.type === 'number') {
    onTyped(/** @type {HTMLInputElement} */ (control), () => Number(state.view[name]), take);
  } else control.addEventListener(control.type === 'range' ? 'input' : 'change', () => take(read(control, name)));
  on('view', show);
  show();
  return control;
}

/**
 * Fills a bound select and shows its setting.
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} choices
 * @param {keyof View} name
 */
export function fillSelect(select, choices, name) {
  setChildren(select, options(choices));
  write(select, state.view[name]);
  return select;
}

/**
 * Binds a button that is pressed while a setting is on.
 * @param {HTMLElement} element
 * @param {keyof View} name
 */
export function bindToggle(element, name) {
  const show = () => setPressed(element, Boolean(state.view[name]));
  element.addEventListener('click', () => setView({ [name]: !state.view[name] }));
  on('view', show);
  show();
  return element;
}

/**
 * A labelled checkbox of a setting.
 * @param {string | HTMLElement} label
 * @param {keyof View} name
 * @param {Record<string, any>} [props]
 */
export function checkbox(label, name, props = {}) {
  return h('label', { class: 'check', ...props }, bind(h('input', { type: 'checkbox' }), name), label);
}

const plain = (/** @type {number} */ value) => String(Number(value.toFixed(2)));

/**
 * Takes a typed number: within the field's bounds, whole where its step is 1, and the field then shows what was taken.
 * What is no number is replaced by the current value.
 * @param {HTMLInputElement} field
 * @param {() => number} current
 * @param {(value: number) => void} use
 * @param {(value: number) => string} [format]
 */
export function onTyped(field, current, use, format = plain) {
  const setTyping = (/** @type {boolean} */ typing) => field.toggleAttribute(TYPING, typing);
  field.addEventListener('input', () => setTyping(true));
  field.addEventListener('blur', () => setTyping(false));
  field.addEventListener('change', () => {
    setTyping(false);
    const typed = field.valueAsNumber;
    const given = field.step === '1' ? Math.round(typed) : typed;
    const value = Number.isFinite(given) ? clamp(given, Number(field.min), Number(field.max)) : current();
    field.value = format(value);
    const range = `Here a value goes from ${field.min} to ${field.max}.`.replace('-', '−');
    if (Number.isFinite(given) && value !== given) toast(range);
    if (Number.isFinite(given)) use(value);
  });
}
