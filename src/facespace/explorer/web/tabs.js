// @ts-check
/** A tab list over panels. The left and right arrow keys move between tabs. */

import { $, h } from './dom.js';

/** @typedef {[id: string, label: string][]} Tabs a panel's element id and the tab's label */

/**
 * Fills a tab list. Returns a function that shows one panel.
 * @param {string} listSelector
 * @param {Tabs} tabs
 * @param {(id: string) => void} onShow
 */
export function createTabs(listSelector, tabs, onShow) {
  const list = $(listSelector);
  const show = (/** @type {string} */ id) => {
    for (const [other] of tabs) select(other, other === id);
    onShow(id);
  };
  for (const [id, label] of tabs) {
    const props = { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': id, onclick: () => show(id) };
    list.append(h('button', props, label));
    const panel = $(`#${id}`);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', `tab-${id}`);
  }
  list.addEventListener('keydown', (event) => {
    const next = neighbour(tabs, event.key);
    if (!next) return;
    show(next);
    $(`#tab-${next}`).focus();
    event.preventDefault();
  });
  return show;
}

/**
 * @param {string} id
 * @param {boolean} selected
 */
function select(id, selected) {
  const tab = $(`#tab-${id}`);
  tab.setAttribute('aria-selected', String(selected));
  tab.tabIndex = selected ? 0 : -1;
  $(`#${id}`).hidden = !selected;
}

/**
 * The id of the tab that an arrow key leads to, or null.
 * @param {Tabs} tabs
 * @param {string} key
 */
function neighbour(tabs, key) {
  const steps = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 });
  const step = steps[key];
  const index = tabs.findIndex(([id]) => document.activeElement?.id === `tab-${id}`);
  if (!step || index < 0) return null;
  const [id] = tabs[(index + step + tabs.length) % tabs.length];
  return id;
}
