// @ts-check
/** The keys, what the page does with one's data, and the tour of half a minute. */

import { $, button, dialog, h } from '../dom.js';
import { localStore } from '../state.js';

const KEYS = [['R', 'a random face'], ['0', 'back to the face before your edits'], ['Ctrl+Z, Ctrl+Shift+Z', 'undo, redo'], ['D  P  M  A', 'Draw, Photo, Map, Attributes'], ['X', 'hold to compare with the original'], ['S', 'save the face in this browser'], ['E', 'export'], ['Space', 'play or stop the morph'], ['[  ]', 'previous and next slider'], ['L', 'lock the slider that has the focus'], ['Alt+arrows', 'fine steps of a slider'], ['PageUp, PageDown', 'half a standard deviation'], ['?', 'this help']];

export function help() {
  const box = dialog('Help', h('table', { class: 'keys' }, h('tbody', {}, KEYS.map(([key, words]) => h('tr', {}, h('th', { scope: 'row' }, key.split(/ {2}|, /).map((one) => h('kbd', {}, one))), h('td', {}, words))))),
    h('p', { class: 'hint' }, 'Everything happens on this computer. Photos and drawings are neither uploaded nor kept; saved faces lie in this browser.'),
    h('div', { class: 'line' }, button('play', 'Take the tour (30 seconds)', () => { box.close(); tour(); })));
}

const STEPS = [
  ['#stage', 'This face does not exist', 'A model drew it from a row of numbers. Everything on this page sets those numbers, or changes them.'],
  ['#source-tabs', 'Where faces come from', 'Take a random one, draw one, use a photo of yours, or pick one on the map.'],
  ['#edit-tabs', 'Change it', 'Each slider moves the face along one axis, live. Lock what shall stay, roll the dice for the rest.'],
  ['#bottom-tabs', 'Nothing is lost', 'Every change is in the history. Add faces to the morph to blend them into a film.'],
  ['#export', 'Take it with you', 'The exported picture carries its numbers: drop it here to get the face back. Press ? for the keys.'],
];

/** A tour of five steps that can be skipped at any time. */
export function tour() {
  let at = 0;
  const words = h('p', {}), title = h('h2', {}), count = h('span', { class: 'hint' });
  const next = button('', 'Next', () => go(at + 1), { class: 'primary' });
  const box = h('div', { class: 'tour', role: 'dialog', 'aria-label': 'Tour', onkeydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === 'Escape') end(); } }, title, words, h('div', { class: 'line' }, count, button('', 'Skip', () => end(), { id: 'tour-skip' }), next));
  const light = () => document.querySelectorAll('.lit').forEach((el) => el.classList.remove('lit'));
  const end = () => { light(); box.remove(); localStore?.setItem('facespace:tour', 'seen'); };
  const go = (/** @type {number} */ step) => {
    at = step;
    if (!STEPS[at]) { end(); return; }
    light();
    title.textContent = STEPS[at][1];
    words.textContent = STEPS[at][2];
    count.textContent = `${at + 1} of ${STEPS.length}`;
    next.textContent = at === STEPS.length - 1 ? 'Done' : 'Next';
    const target = $(STEPS[at][0]);
    target.classList.add('lit');
    const near = target.getBoundingClientRect(), own = box.getBoundingClientRect();
    box.style.left = `${Math.max(12, Math.min(near.left + near.width / 2 - own.width / 2, innerWidth - own.width - 12))}px`;
    box.style.top = `${Math.max(12, near.bottom + 12 + own.height < innerHeight ? near.bottom + 12 : near.top > own.height + 24 ? near.top - own.height - 12 : innerHeight - own.height - 24)}px`;
    next.focus({ preventScroll: true });
  };
  document.body.append(box);
  go(0);
}

/** The tour at the first visit. */
export const firstVisit = () => { if (localStore?.getItem('facespace:tour') !== 'seen') tour(); };
