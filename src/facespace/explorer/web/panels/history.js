// @ts-check
/** The strip of past moments: every finished change, one click away. */

import { $, fill, h } from '../dom.js';
import { smalls } from '../faces.js';
import { on, state, step } from '../state.js';

const SHOWN = 40;

export function startHistory() {
  const strip = h('div', { class: 'strip' });
  fill($('#history'), strip);
  let turn = 0;
  on('face facts', async () => {
    const mine = ++turn, first = Math.max(0, Math.min(state.history.length - SHOWN, state.moment - SHOWN / 2)), some = state.history.slice(first, first + SHOWN);
    const pictures = await smalls(some.map((one) => one.z)).catch(() => null);
    if (mine !== turn || !pictures) return;
    fill(strip, some.map((one, i) => h('button', { type: 'button', class: 'tile', 'aria-label': `${one.what}, step ${first + i + 1} of ${state.history.length}`, 'aria-current': first + i === state.moment ? 'step' : undefined, dataset: { tip: one.what }, onclick: () => step(first + i) }, pictures[i])));
    strip.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  });
}
