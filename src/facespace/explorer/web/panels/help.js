// @ts-check
/** The keyboard shortcuts, what the page does with the user's data, and a tour of half a minute. */

import { $, button, dialog, h } from '../dom.js';
import { setView, state } from '../state.js';
import { localStore, readText, writeText } from '../storage.js';
import { lessonsDialog } from './lesson.js';

const TOUR = 'tour';
const SEEN = 'seen';
const TOUCHES = ['pointerup', 'keyup'];
const GAP = 12; // pixels between the tour and its target or the window's edge

/** Keys and what they do. Keys are separated by a comma or two spaces. */
const SHORTCUTS = [
  ['R', 'a random face'],
  ['0', 'reset the face to before your edits'],
  ['Ctrl+Z, Ctrl+Shift+Z', 'undo, redo'],
  ['D  P  M  A', 'Draw, Photo, Map, Attributes'],
  ['X', 'hold to compare with the original'],
  ['S', 'save the face in this browser'],
  ['E', 'export'],
  ['Space', 'play or stop the morph'],
  ['[  ]', 'previous and next slider'],
  ['arrows', 'in the wall: up and down change a slider, left and right go to the next'],
  ['Delete', 'in the wall: back to zero'],
  ['L', 'lock the slider that has the focus'],
  ['H', 'hold to see where this slider changes the face'],
  ['Alt+arrows', 'fine steps of a slider'],
  ['PageUp, PageDown', 'half a standard deviation'],
  ['arrows', 'on the pad and the mix: move the point'],
  ['arrows, Space, Escape', 'on the face, in Draw: move the brush, start and end a stroke, drop it'],
  ['arrows, Enter, +, −, 0', 'on the map: the next face, load it, zoom, the whole map'],
  ['?', 'this help'],
];
const PRIVACY =
  'Everything runs on this computer. Photos are neither uploaded nor stored; a drawing stays in this tab, and saved ' +
  'faces and directions of your own in this browser.';

/** The part of a narrow page in which a section is. @type {[string, string][]} */
const PARTS = [
  ['.left', 'source'],
  ['.right', 'edit'],
  ['.bottom', 'below'],
];

const STEPS = [
  {
    target: '#stage',
    title: 'This face does not exist',
    text: 'A model decoded it from a latent, a row of numbers. Everything on this page sets or changes that latent.',
  },
  {
    target: '#source-tabs',
    title: 'Get a face',
    text: 'Draw one at random, sketch one, encode a photo, or pick one on the map.',
  },
  {
    target: '#edit-tabs',
    title: 'Change it',
    text: 'Each slider moves the face along one axis, live. Lock axes that shall stay, and randomise the rest.',
  },
  {
    target: '#bottom-tabs',
    title: 'Undo and morph',
    text: 'Every change is in the history. Add faces to the morph as keyframes of an animation.',
  },
  {
    target: '#export',
    title: 'Export it',
    text: 'The exported picture holds its latent: drop it here to restore the face. Press ? for the shortcuts.',
  },
];

export function help() {
  const rows = SHORTCUTS.map(([keys, action]) => shortcutRow(keys, action));
  const startTour = () => {
    box.close();
    tour();
  };
  const showLessons = () => {
    box.close();
    lessonsDialog();
  };
  const box = dialog(
    'Help',
    h('table', { class: 'shortcuts' }, h('tbody', {}, rows)),
    h('p', { class: 'hint' }, PRIVACY),
    h(
      'div',
      { class: 'line' },
      button('play', 'Take the tour (30 seconds)', startTour),
      button('lesson', 'Lessons', showLessons),
    ),
  );
}

/**
 * @param {string} keys
 * @param {string} action
 */
function shortcutRow(keys, action) {
  const names = keys.split(/ {2}|, /).map((name) => h('kbd', {}, name));
  return h('tr', {}, h('th', { scope: 'row' }, names), h('td', {}, action));
}

/**
 * Shows an element that a narrow page hides with its part of the page. Returns whether it can be seen then.
 * @param {HTMLElement} target
 */
function bringIntoSight(target) {
  const part = PARTS.find(([section]) => target.closest(section))?.[1];
  if (part && !target.checkVisibility()) setView({ part });
  return target.checkVisibility();
}

/** A tour of five steps, of those whose parts the page has, that can be skipped at any time. */
function tour() {
  let current = 0;
  const { part } = state.view;
  const steps = STEPS.filter(({ target }) => bringIntoSight($(target)));
  const title = h('h2');
  const text = h('p');
  const count = h('span', { class: 'hint' });
  const next = button('', 'Next', () => goTo(current + 1), { class: 'primary' });
  const skip = button('', 'Skip', end, { id: 'tour-skip' });
  const box = h('div', { class: 'tour', role: 'dialog', 'aria-label': 'Tour' });
  box.append(title, text, h('div', { class: 'line' }, count, skip, next));
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') end();
  });

  function end() {
    clearHighlight();
    box.remove();
    setView({ part });
    writeText(localStore, TOUR, SEEN);
  }

  /** @param {number} index */
  function goTo(index) {
    const step = steps[index];
    if (!step) {
      end();
      return;
    }
    const target = $(step.target);
    bringIntoSight(target);
    current = index;
    clearHighlight();
    title.textContent = step.title;
    text.textContent = step.text;
    count.textContent = `${index + 1} of ${steps.length}`;
    next.textContent = index === steps.length - 1 ? 'Done' : 'Next';
    target.classList.add('highlighted');
    placeNear(box, target);
    next.focus({ preventScroll: true });
  }

  document.body.append(box);
  goTo(0);
}

function clearHighlight() {
  for (const element of document.querySelectorAll('.highlighted')) element.classList.remove('highlighted');
}

/**
 * Places a box below its target, else above, else at the bottom of the window.
 * @param {HTMLElement} box
 * @param {HTMLElement} target
 */
function placeNear(box, target) {
  const anchor = target.getBoundingClientRect();
  const size = box.getBoundingClientRect();
  const centred = anchor.left + anchor.width / 2 - size.width / 2;
  const below = anchor.bottom + GAP;
  let top = innerHeight - size.height - 2 * GAP;
  if (below + size.height < innerHeight) top = below;
  else if (anchor.top > size.height + 2 * GAP) top = anchor.top - size.height - GAP;
  const furthestLeft = innerWidth - size.width - GAP;
  box.style.left = `${Math.max(GAP, Math.min(centred, furthestLeft))}px`;
  box.style.top = `${Math.max(GAP, top)}px`;
}

/** Starts the tour at the first visit: once there is a face to show, and somebody who has touched the page. */
export function startFirstTour() {
  if (readText(localStore, TOUR) === SEEN) return;
  const start = () => {
    if (!state.history.length) return;
    for (const type of TOUCHES) removeEventListener(type, start, true);
    setTimeout(tour); // after what the touch itself does
  };
  for (const type of TOUCHES) addEventListener(type, start, true);
}
