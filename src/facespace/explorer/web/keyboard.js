// @ts-check
/** The keys of the page. They rest while somebody types. */

import { $ } from './dom.js';
import { redo, state, undo } from './state.js';
import { exportDialog } from './panels/topbar.js';
import { help } from './panels/help.js';
import { toggle } from './panels/morph.js';
import { oneRandom } from './panels/random.js';
import { save } from './panels/saved.js';
import { compare } from './panels/stage.js';

const TABS = { d: 'draw', p: 'photo', m: 'map', a: 'attributes' };

export function startKeyboard() {
  document.addEventListener('keydown', (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches('input:not([type=range]):not([type=checkbox]):not([type=color]), textarea, select');
    if (typing || document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === 'z') { event.preventDefault(); (event.shiftKey ? redo : undo)(); return; }
    if ((event.ctrlKey || event.metaKey) && key === 'y') { event.preventDefault(); redo(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key in TABS) { const tab = $(`#tab-${TABS[/** @type {'d'} */ (key)]}`); if (tab && !tab.hidden) { tab.click(); tab.focus(); } return; }
    if (key === ' ' && target.matches('button, summary, [role=tab], input')) return;
    const doing = DOING[key];
    if (doing) { event.preventDefault(); doing(event); }
  });
  document.addEventListener('keyup', (event) => { if (event.key.toLowerCase() === 'x') compare(false); });
  addEventListener('blur', () => compare(false));
}

/** @type {Record<string, (event: KeyboardEvent) => void>} */
const DOING = {
  r: () => oneRandom(),
  0: () => $(`#${state.view.edit} .panel-head button:last-of-type`)?.click(),
  x: () => compare(true),
  s: () => save(),
  e: () => exportDialog(),
  ' ': () => toggle(),
  '[': () => neighbour(-1),
  ']': () => neighbour(1),
  l: () => $('input[data-row]:focus')?.closest('.row').querySelector('.extra button').click(),
  '?': () => help(),
};

/** The slider before or after the one that has the focus. @param {number} by */
function neighbour(by) {
  const all = [...document.querySelectorAll('.panel:not([hidden]) input[data-row]')];
  const at = all.indexOf(/** @type {Element} */ (document.activeElement));
  /** @type {any} */ (all[at < 0 ? 0 : (at + by + all.length) % all.length])?.focus();
}
