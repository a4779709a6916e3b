// @ts-check
/** One slider for each latent dimension, the most influential first: as a wall of all of them, or as rows. */

import { $, h } from '../dom.js';
import { SliderPanel } from '../sliders.js';
import { on, openStatistics, state } from '../state.js';

/** @typedef {import('../types.js').Statistics} Statistics */

const UNUSED_HINT =
  'faces hardly differ in these dimensions; the last sliders are theirs. The less a dimension changes the picture, ' +
  'the lighter its slider.';

export function startRaw() {
  const panel = new SliderPanel({
    panel: 'raw',
    title: 'Raw dimensions',
    root: $('#raw'),
    unit: 'standard deviations (σ) of this latent',
    sorts: { influence: 'Influence', number: 'Number' },
    axes,
    read,
    move,
    footer,
    wall: true,
  });
  on('statistics', () => panel.rebuild());
}

/** @param {string} sort */
function axes(sort) {
  const { statistics } = state;
  if (!statistics) return [];
  const { influence, std } = statistics;
  const measure = influence ?? std;
  const order = [...std.keys()];
  if (sort === 'influence') order.sort((a, b) => measure[b] - measure[a]);
  return order.map((d) => axis(statistics, d));
}

/**
 * @param {Statistics} statistics
 * @param {number} d
 */
function axis({ influence, std, active }, d) {
  const label = `Latent ${d}`;
  const scale = `1 σ is ${std[d].toFixed(2)}${active[d] ? '' : '; faces hardly differ in it'}`;
  if (!influence) return { key: d, label, tip: `${scale}; its influence is still being measured.`, badge: null };
  const tip = `At ±2 σ it changes a pixel by ${(100 * influence[d]).toFixed(1)} % on average. ${scale}.`;
  const share = influence[d] / Math.max(...influence);
  return { key: d, label, tip, badge: strengthBar(share), share };
}

/**
 * A bar that shows how much of the picture an axis changes, relative to the strongest axis.
 * @param {number} share
 */
export function strengthBar(share) {
  const bar = h('span', { class: 'strength', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', `${Math.round(100 * share)}%`);
  return bar;
}

function footer() {
  const { statistics } = state;
  if (!statistics) return [];
  const unused = statistics.active.filter((active) => !active).length;
  return unused ? [h('p', { class: 'hint' }, `${unused} of ${statistics.active.length}: ${UNUSED_HINT}`)] : [];
}

/** @param {Float32Array} z */
function read(z) {
  const { mean, std } = openStatistics();
  /** @type {Map<number, number>} */
  const values = new Map();
  for (const [d, value] of z.entries()) values.set(d, std[d] > 0 ? (value - mean[d]) / std[d] : 0);
  return values;
}

/**
 * @param {Float32Array} z
 * @param {Map<number, number>} changes
 */
function move(z, changes) {
  const { mean, std } = openStatistics();
  const moved = z.slice();
  for (const [d, value] of changes) moved[d] = mean[d] + value * std[d];
  return moved;
}
