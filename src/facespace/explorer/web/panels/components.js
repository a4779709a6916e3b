// @ts-check
/** One slider for each principal component of the space, the directions in which its faces differ most, with pictures
 * of what each one changes. */

import { $, h } from '../dom.js';
import { coordinates, moveAlong } from '../maths.js';
import { paintInSight } from '../pictures.js';
import { END } from '../slider_row.js';
import { SliderPanel } from '../sliders.js';
import { on, openFacts, openStatistics, state } from '../state.js';
import { strengthBar } from './raw.js';

/** @typedef {import('../types.js').Statistics} Statistics */

/** Of this space: the latents of the pictures beside a slider, by component. @type {Map<number, Float32Array[]>} */
const ends = new Map();

export function startComponents() {
  on('facts', () => ends.clear()); // before the panel builds its rows
  const panel = new SliderPanel({
    panel: 'components',
    title: 'Components',
    root: $('#components'),
    unit: 'standard deviations (σ) along this component',
    sorts: { variance: 'Variance', impact: 'Visual impact' },
    axes,
    read,
    move,
    footer: () => [h('p', { class: 'hint' }, `Principal components of ${state.statistics?.origin ?? ''}.`)],
  });
  on('statistics decoder', () => panel.rebuild());
}

/** @param {string} sort */
function axes(sort) {
  const { statistics } = state;
  if (!statistics) return [];
  const { impact, explained } = statistics;
  const order = [...explained.keys()];
  if (sort === 'impact' && impact) order.sort((a, b) => impact[b] - impact[a]);
  return order.map((k) => axis(statistics, k));
}

/**
 * @param {Statistics} statistics
 * @param {number} k
 */
function axis({ impact, explained }, k) {
  const label = `Component ${k + 1}`;
  const share = (100 * explained[k]).toFixed(1);
  const tip = `Explains ${share} % of the variance of latents.`;
  const pictures = () => endPictures(k);
  if (!impact) return { key: k, label, tip, badge: null, ends: pictures };
  const change = (100 * impact[k]).toFixed(1);
  const impactTip = `${tip} At ±2 σ it changes a pixel by ${change} % on average.`;
  return { key: k, label, tip: impactTip, badge: strengthBar(impact[k] / Math.max(...impact)), ends: pictures };
}

/**
 * Canvases of the mean face moved along component `k` to either side.
 * @param {number} k
 */
function endPictures(k) {
  const statistics = openStatistics();
  const latents = ends.get(k) ?? [-END, END].map((value) => moveAlong(statistics, statistics.mean, k, value));
  ends.set(k, latents);
  const { width, height } = openFacts().picture;
  return latents.map((z) => {
    const canvas = h('canvas', { width, height, 'aria-hidden': 'true' });
    paintInSight(canvas, z);
    return canvas;
  });
}

/** @param {Float32Array} z */
function read(z) {
  return new Map(coordinates(openStatistics(), z).entries());
}

/**
 * @param {Float32Array} z
 * @param {Map<number, number>} changes
 */
function move(z, changes) {
  const statistics = openStatistics();
  const current = coordinates(statistics, z);
  let moved = z;
  for (const [k, value] of changes) moved = moveAlong(statistics, moved, k, value - current[k]);
  return moved;
}
