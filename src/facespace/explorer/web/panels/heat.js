// @ts-check
/** The heat map over the face: where a slider changes the picture. It is the mean absolute difference between the face
 * and itself moved along the slider to either side. */

import { $, announce, h, setChildren } from '../dom.js';
import { engine } from '../engine.js';
import { clamp } from '../maths.js';
import { paint, pictureOf } from '../pictures.js';
import { on, state } from '../state.js';

/** @typedef {import('../types.js').Picture} Picture */

export const HEAT_SIGMA = 2; // standard deviations to either side
const LEAST_SCALE = 12; // levels of the hottest colour, at least: what hardly changes stays cool
const STRONGEST = 0.92; // opacity of the hottest colour
const SOFTEN = 0.8; // exponent of the opacity
/** From cool to hot (the colours of matplotlib's plasma): read on skin, and alike in both themes. */
const COLOURS = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]];

let asked = 0;
/** @type {HTMLCanvasElement} */
let canvas;
/** @type {HTMLElement} */
let legend;

export function startHeat() {
  canvas = h('canvas', { class: 'heat', id: 'heat', 'aria-hidden': 'true', hidden: true });
  legend = h('p', { class: 'heat-legend', id: 'heat-legend', hidden: true });
  $('#faces').append(canvas, legend);
  on('z facts view decoder', hideHeat);
}

export function hideHeat() {
  asked += 1;
  canvas.hidden = true;
  legend.hidden = true;
}

/**
 * Shows where an axis changes the face, unless the heat map is switched off.
 * @param {string} label of the axis
 * @param {(by: number) => Float32Array} moved the face moved by some standard deviations
 */
export async function showHeat(label, moved) {
  if (!state.view.heat) return;
  asked += 1;
  const mine = asked;
  const [face, ...others] = await picturesAround(moved);
  if (mine !== asked) return;
  const map = differenceMap(face, others);
  const most = map.reduce((a, b) => Math.max(a, b), 0);
  const mean = map.reduce((a, b) => a + b, 0) / map.length;
  paint(canvas, coloured(map, face, Math.max(most, LEAST_SCALE)));
  const scale = h('span', { class: 'heat-scale', 'aria-hidden': 'true' });
  setChildren(legend, h('b', {}, label), scale, `±${HEAT_SIGMA} σ: up to ${percent(most)} %`);
  canvas.hidden = false;
  legend.hidden = false;
  const words = `±${HEAT_SIGMA} σ change a pixel by up to ${percent(most)} %, ${percent(mean)} % on average.`;
  announce(`${label}: ${words}`);
}

/** @param {(by: number) => Float32Array} moved */
async function picturesAround(moved) {
  const ends = engine.decode([moved(-HEAT_SIGMA), moved(HEAT_SIGMA)]);
  return [await pictureOf(state.z), ...(await ends)];
}

/** @param {number} levels of 255 */
const percent = (levels) => ((100 * levels) / 255).toFixed(levels < 25 ? 1 : 0);

/**
 * The absolute difference of a picture and others, the mean over these and over the colours: levels (W · H,).
 * @param {Picture} face
 * @param {Picture[]} others
 */
export function differenceMap({ pixels, width, height }, others) {
  const map = new Float32Array(width * height);
  for (const other of others) {
    for (const i of map.keys()) {
      const at = 4 * i;
      let sum = 0;
      for (let c = at; c < at + 3; c++) sum += Math.abs(pixels[c] - other.pixels[c]);
      map[i] += sum / (3 * others.length);
    }
  }
  return map;
}

/**
 * @param {Float32Array} map
 * @param {import('../types.js').Size} size
 * @param {number} scale levels of the hottest colour
 * @returns {Picture}
 */
function coloured(map, { width, height }, scale) {
  const pixels = new Uint8ClampedArray(4 * map.length);
  for (const [i, levels] of map.entries()) {
    const share = clamp(levels / scale, 0, 1);
    pixels.set(colourOf(share), 4 * i);
    pixels[4 * i + 3] = 255 * STRONGEST * share ** SOFTEN;
  }
  return { pixels, width, height };
}

/** @param {number} share from 0 to 1 */
function colourOf(share) {
  const place = share * (COLOURS.length - 1);
  const index = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[index].map((low, c) => low + (place - index) * (COLOURS[index + 1][c] - low));
}
