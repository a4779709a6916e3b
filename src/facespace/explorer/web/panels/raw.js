// @ts-check
/** One slider for each latent, the most influential first; those that tell nothing are folded away. */

import { $, h } from '../dom.js';
import { on, state } from '../state.js';
import { sliderPanel } from '../sliders.js';

export function startRaw() {
  const panel = sliderPanel({ panel: 'raw', title: 'Raw dimensions', root: $('#raw'), unit: 'standard deviations (σ) of this latent', sorts: { influence: 'Influence', number: 'Number' }, axes, read, move, foot, waiting });
  on('facts', panel.build);
  on('statistics', panel.rebuild);
}

/** @param {string} sort */
function axes(sort) {
  const s = state.statistics;
  if (!s) return [];
  const strength = s.influence ?? s.deviation;
  const used = [...s.active.keys()].filter((d) => s.active[d]);
  if (sort === 'influence') used.sort((a, b) => strength[b] - strength[a]);
  return used.map((d) => ({
    key: d, label: `Latent ${d}`,
    tip: s.influence ? `At ±2 σ it changes a pixel by ${(100 * s.influence[d]).toFixed(1)} % on average. 1 σ is ${s.deviation[d].toFixed(2)}.` : `1 σ is ${s.deviation[d].toFixed(2)}; its influence is still being measured.`,
    badge: s.influence ? strengthBar(s.influence[d] / Math.max(...s.influence)) : null,
  }));
}

/** How much of the picture an axis moves, against the strongest. @param {number} share */
export function strengthBar(share) {
  const bar = h('span', { class: 'strength', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', `${Math.round(100 * share)}%`);
  return bar;
}

const waiting = () => (state.statistics ? 'No dimension is used: all faces of this space are alike. Train it for longer, or with a smaller weight on the KL term.' : 'Measuring the space…');

function foot() {
  const s = state.statistics, unused = s ? s.active.filter((on) => !on).length : 0;
  if (!s || !unused) return [];
  return [h('details', {}, h('summary', {}, `${unused} unused dimensions`), h('p', { class: 'hint' }, 'Faces hardly differ in them: in training, the model found that they were not worth their cost. Moving them would change nothing that you can see.'))];
}

/** @param {Float32Array} z */
function read(z) {
  const s = /** @type {any} */ (state.statistics);
  return new Map(Array.from(z, (value, d) => [d, s.deviation[d] > 0 ? (value - s.mean[d]) / s.deviation[d] : 0]));
}

/** @param {Float32Array} z @param {Map<number, number>} changes */
function move(z, changes) {
  const s = /** @type {any} */ (state.statistics), out = z.slice();
  for (const [d, value] of changes) out[d] = s.mean[d] + value * s.deviation[d];
  return { z: out };
}
