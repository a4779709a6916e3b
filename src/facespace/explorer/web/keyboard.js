// @ts-check
/** The keyboard shortcuts of the page. They are off in text fields and while a dialog is open. */

import { find } from './dom.js';
import { TYPING } from './fields.js';
import { exportDialog } from './panels/export.js';
import { help } from './panels/help.js';
import { togglePlayback } from './panels/morph.js';
import { showRandomFace } from './panels/random.js';
import { saveFace } from './panels/saved.js';
import { compare } from './panels/stage.js';
import { redo, state, undo } from './state.js';

const TEXT_FIELDS = 'input:not([type=range]):not([type=checkbox]):not([type=color]), textarea, select';

const TAKEN_NUMBER = `.row input[type=number]:not([${TYPING}])`; // the value of the face: there is no text to undo

/** @type {Record<string, string>} */
const TABS = { d: 'draw', p: 'photo', m: 'map', a: 'attributes' };

/** @type {Record<string, () => void>} */
const SHORTCUTS = {
  r: showRandomFace,
  0: () => find(`#${state.view.edit} [data-reset]`)?.click(),
  x: () => compare(true),
  s: saveFace,
  e: exportDialog,
  ' ': togglePlayback,
  '[': () => focusSlider(-1),
  ']': () => focusSlider(1),
  l: toggleFocusedLock,
  '?': help,
};

const REPEATED = ['[', ']']; // while they are held

export function startKeyboard() {
  document.addEventListener('keydown', handleKey);
  document.addEventListener('keyup', (event) => {
    if (event.key.toLowerCase() === 'x') compare(false);
  });
  addEventListener('blur', () => compare(false));
}

/** @param {KeyboardEvent} event */
function handleKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  const key = event.key.toLowerCase();
  const undoes = (event.ctrlKey || event.metaKey) && historyAction(key, event.shiftKey) && target.matches(TAKEN_NUMBER);
  if ((target.matches(TEXT_FIELDS) && !undoes) || find('dialog[open]')) return;
  if (event.ctrlKey || event.metaKey) {
    const action = historyAction(key, event.shiftKey);
    if (!action) return;
    event.preventDefault();
    action();
    return;
  }
  if (event.altKey) return;
  if (key in TABS) {
    openTab(TABS[key]);
    return;
  }
  if (key === ' ' && target.matches('button, summary, [role=tab], input')) return;
  const shortcut = SHORTCUTS[key];
  if (!shortcut) return;
  event.preventDefault();
  if (!event.repeat || REPEATED.includes(key)) shortcut();
}

/**
 * @param {string} key pressed with Ctrl or Command
 * @param {boolean} shift
 */
function historyAction(key, shift) {
  if (key === 'y') return redo;
  if (key !== 'z') return null;
  return shift ? redo : undo;
}

/** @param {string} id */
function openTab(id) {
  const tab = find(`#tab-${id}`);
  if (!tab || tab.hidden) return;
  tab.click();
  tab.focus();
}

/**
 * Focuses the slider before or after the one that has the focus.
 * @param {number} step
 */
function focusSlider(step) {
  /** @type {NodeListOf<HTMLElement>} */
  const sliders = document.querySelectorAll('.panel:not([hidden]) input[data-row]');
  if (!sliders.length) return;
  const index = [...sliders].findIndex((slider) => slider === document.activeElement);
  const next = index < 0 ? 0 : (index + step + sliders.length) % sliders.length;
  sliders[next].focus();
}

function toggleFocusedLock() {
  const focused = document.activeElement;
  const cell = focused?.closest('.cell');
  const row = cell ? cell.closest('.panel')?.querySelector('.detail .row') : focused?.closest('.row');
  /** @type {HTMLElement | null | undefined} */
  const lock = row?.querySelector('.extra button');
  lock?.click();
}
