// @ts-check
/** One slider for each principal component of the space: the directions in which its faces differ most. */

import { $, h } from '../dom.js';
import { along, coordinates } from '../maths.js';
import { on, state } from '../state.js';
import { sliderPanel } from '../sliders.js';
import { strengthBar } from './raw.js';

export function startComponents() {
  const panel = sliderPanel({ panel: 'components', title: 'Components', root: $('#components'), unit: 'standard deviations (σ) along this component', sorts: { variance: 'Variance', impact: 'Visual impact' }, axes, read, move, foot });
  on('facts', panel.build);
  on('statistics', panel.rebuild);
}

/** @param {string} sort */
function axes(sort) {
  const s = state.statistics;
  if (!s) return [];
  const impact = s.impact, order = [...s.spread.keys()], total = s.spread.reduce((sum, one) => sum + one * one, 0);
  if (sort === 'impact' && impact) order.sort((a, b) => impact[b] - impact[a]);
  const most = impact ? Math.max(...impact) : 1;
  return order.map((k) => ({
    key: k, label: `Component ${k + 1}`,
    tip: `Holds ${((100 * s.spread[k] ** 2) / total).toFixed(1)} % of the variance of latents.${impact ? ` At ±2 σ it changes a pixel by ${(100 * impact[k]).toFixed(1)} % on average.` : ''}`,
    badge: impact ? strengthBar(impact[k] / most) : null,
  }));
}

const foot = () => [h('p', { class: 'hint' }, `Principal components of ${state.statistics?.origin ?? ''}.`)];

/** @param {Float32Array} z */
const read = (z) => new Map(Array.from(coordinates(/** @type {any} */ (state.statistics), z), (value, k) => [k, value]));

/** @param {Float32Array} z @param {Map<number, number>} changes */
function move(z, changes) {
  const s = /** @type {any} */ (state.statistics), at = coordinates(s, z);
  let out = z;
  for (const [k, value] of changes) out = along(s, out, k, value - at[k]);
  return { z: out };
}
