// @ts-check
/** The history strip: every finished change, one click away. */

import { $, h, setChildren } from '../dom.js';
import { thumbnails } from '../pictures.js';
import { whenShown } from '../panel.js';
import { roving } from '../roving.js';
import { state, step } from '../state.js';

/** @typedef {import('../types.js').HistoryEntry} HistoryEntry */

const SHOWN = 40;

/** @type {HTMLElement} */
let strip;
let updates = 0;

export function startHistory() {
  strip = h('div', { class: 'strip' });
  setChildren($('#history'), strip);
  roving(strip);
  whenShown($('#history'), 'face facts', update);
  new ResizeObserver(showCurrent).observe(strip); // a narrow page shows it later than it is filled
}

function showCurrent() {
  strip.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

async function update() {
  updates += 1;
  const current = updates;
  const start = firstShown();
  const entries = state.history.slice(start, start + SHOWN);
  const pictures = await thumbnails(entries.map((entry) => entry.z)).catch(() => null);
  if (current !== updates || !pictures) return;
  const tiles = entries.map((entry, i) => tile(entry, start + i, pictures[i]));
  setChildren(strip, tiles);
  showCurrent();
}

/** The index of the first entry that is shown: the current one lies in the middle where it can. */
function firstShown() {
  const last = state.history.length - SHOWN;
  return Math.max(0, Math.min(last, state.historyIndex - SHOWN / 2));
}

/**
 * @param {HistoryEntry} entry
 * @param {number} index
 * @param {HTMLCanvasElement} picture
 */
function tile(entry, index, picture) {
  const props = {
    type: 'button',
    class: 'tile',
    'aria-label': `${entry.label}, step ${index + 1} of ${state.history.length}`,
    'aria-current': index === state.historyIndex ? 'step' : undefined,
    dataset: { tip: entry.label },
    onclick: () => step(index),
  };
  return h('button', props, picture);
}
