// @ts-check
/** A flat map of faces of the space, all drawn by the space itself: hover shows, a click loads, two clicks morph, and the
 * lasso gathers examples for a direction. */

import { $, attempt, button, fill, h, toast } from '../dom.js';
import { engine } from '../engine.js';
import { paint } from '../faces.js';
import { on, setExamples, setFace, setKeys, setView, state } from '../state.js';
import { visit } from './stage.js';

const SIDE = 640, FACE = 30, EDGE = 0.04; // pixels of the map and of a face on it; share that is left free around

/** @type {any} */
let map = null;
/** @type {any} */
let board, method, colour, mode, note, wait;
/** @type {number} */
let at = -1;
let drawing = false;
/** @type {number[]} */
let chosen = [];
/** @type {[number, number][]} */
let lasso = [];
/** @type {Map<string, any>} */
const known = new Map();

export function startMap() {
  board = h('canvas', { class: 'map', width: SIDE, height: SIDE, tabindex: 0, role: 'application', 'aria-label': 'Map of faces. Arrow keys go from face to face, Enter loads one.' });
  method = h('select', { 'aria-label': 'Kind of map', onchange: load, dataset: { tip: 'Principal components keep straight lines and large distances; t-SNE keeps neighbours together.' } }, h('option', { value: 'pca' }, 'Principal components'), h('option', { value: 'tsne' }, 't-SNE'));
  colour = h('select', { 'aria-label': 'Coloured by', onchange: draw });
  mode = h('select', { 'aria-label': 'What a click does' }, h('option', { value: 'load' }, 'Click loads a face'), h('option', { value: 'morph' }, 'Two clicks morph'), h('option', { value: 'with' }, 'Lasso: faces with …'), h('option', { value: 'without' }, 'Lasso: faces without …'));
  note = h('p', { class: 'hint' });
  wait = h('p', { class: 'waiting' }, 'Drawing the map…');
  fill($('#map'), h('div', { class: 'panel-head' }, h('h2', {}, 'Map'), button('reset', 'Draw the map again', () => { known.clear(); load(); }, { quiet: true })),
    h('div', { class: 'line controls' }, method, colour, mode), wait, board, note);
  listen();
  on('facts', () => { known.clear(); map = null; if (state.view.source === 'map') load(); });
  on('view', () => { if (state.view.source === 'map' && !map) load(); });
  on('statistics', () => { if (state.view.source === 'map' && !map) load(); });
}

async function load() {
  const want = method.value;
  wait.hidden = known.has(want);
  wait.textContent = state.statistics ? 'Drawing the map…' : 'Measuring the space…';
  if (!state.statistics && !known.has(want)) { board.hidden = true; return; }
  if (!known.has(want)) {
    const found = await attempt(() => engine.map(want, state.facts.latents));
    if (!found) return;
    known.set(want, found);
  }
  map = known.get(want);
  wait.hidden = true;
  board.hidden = false;
  const names = [...new Set([...map.names, ...Object.keys(map.labels)])], old = colour.value;
  fill(colour, h('option', { value: '' }, 'No colours'), names.map((name) => h('option', { value: name }, name.replaceAll('_', ' '))));
  colour.value = names.includes(old) ? old : '';
  colour.hidden = !names.length;
  note.textContent = `${map.count} faces, each drawn by the space${map.real ? ' from the latent of an encoded face' : ''}: ${map.origin}.`;
  draw();
}

/** @param {number} i */
const spot = (i) => map.places[i].map((/** @type {number} */ value, /** @type {number} */ axis) => (EDGE + (1 - 2 * EDGE) * (axis ? 1 - value : value)) * SIDE);

function draw() {
  if (!map) return;
  const context = board.getContext('2d'), face = document.createElement('canvas');
  context.clearRect(0, 0, SIDE, SIDE);
  const values = shade();
  const order = map.places.map((/** @type {any} */ _, /** @type {number} */ i) => i);
  for (const i of [...order, ...chosen, ...(at >= 0 ? [at] : [])]) {
    const [x, y] = spot(i), big = i === at || chosen.includes(i), size = big ? FACE * 1.9 : FACE, high = (size * map.height) / map.width;
    paint(face, map.faces[i]);
    context.drawImage(face, x - size / 2, y - high / 2, size, high);
    if (values || big) {
      context.lineWidth = big ? 4 : 3;
      context.strokeStyle = big ? getComputedStyle(board).getPropertyValue('--accent') : tone(values?.[i] ?? 0);
      context.setLineDash(!big && values && values[i] < 0 ? [4, 3] : []);
      context.strokeRect(x - size / 2, y - high / 2, size, high);
    }
  }
  context.setLineDash([]);
  if (lasso.length > 1) {
    context.beginPath();
    lasso.forEach(([x, y]) => context.lineTo(x, y));
    context.lineWidth = 3;
    context.strokeStyle = getComputedStyle(board).getPropertyValue('--accent');
    context.stroke();
  }
}

/** What colours the faces: labels of the set where it has them, else scores. @returns {number[] | null} */
function shade() {
  const name = colour.value;
  if (!name) return null;
  const place = map.names.indexOf(name);
  return map.labels[name] ?? map.scores.map((/** @type {Float32Array} */ row) => row[place] / 2);
}
/** Blue and dashed for no, orange and whole for yes: told apart without colours too. @param {number} value */
const tone = (value) => (Math.abs(value) < 0.05 ? '#9a9a9a' : value > 0 ? `hsl(28 90% ${62 - 14 * Math.min(1, value)}%)` : `hsl(215 75% ${70 - 18 * Math.min(1, -value)}%)`);

/** @param {PointerEvent} event @returns {[number, number]} */
function where(event) {
  const box = board.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
}
/** @param {[number, number]} place */
function nearest([x, y]) {
  let best = -1, least = FACE * FACE;
  for (let i = 0; i < map.places.length; i++) {
    const [a, b] = spot(i), away = (a - x) ** 2 + (b - y) ** 2;
    if (away < least) { least = away; best = i; }
  }
  return best;
}

/** @param {number} i */
function point(i) {
  if (i === at) return;
  at = i;
  if (i >= 0) engine.decode([map.z[i]]).then(([picture]) => { if (at === i) visit(picture, 'On the map'); }, () => {});
  else visit(null);
  draw();
}

/** @param {number} i */
function pick(i) {
  if (i < 0) return;
  if (mode.value === 'morph') {
    chosen = [...chosen, i].slice(-2);
    if (chosen.length === 2) {
      setKeys(chosen.map((one, n) => ({ name: `Map ${n + 1}`, z: map.z[one] })));
      setView({ bottom: 'morph' });
      toast('Both faces are key faces of the morph now.');
      chosen = [];
    }
    draw();
    return;
  }
  at = -1;
  visit(null);
  setFace(map.z[i], 'Map');
}

function listen() {
  board.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    if (!map) return;
    if (drawing) { lasso.push(where(event)); draw(); } else point(nearest(where(event)));
  });
  board.addEventListener('pointerleave', () => { if (map && !drawing) point(-1); });
  board.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
    if (!mode.value.startsWith('with')) return;
    drawing = true;
    board.setPointerCapture(event.pointerId);
    lasso = [where(event)];
    event.preventDefault();
  });
  board.addEventListener('pointerup', () => { if (drawing) gather(); });
  board.addEventListener('click', (/** @type {PointerEvent} */ event) => { if (map && !mode.value.startsWith('with')) pick(nearest(where(event))); });
  board.addEventListener('blur', () => { if (map) point(-1); });
  board.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const by = /** @type {any} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] })[event.key];
    if (!map || (!by && event.key !== 'Enter')) return;
    event.preventDefault();
    if (!by) { pick(at); return; }
    point(at < 0 ? nearest([SIDE / 2, SIDE / 2]) < 0 ? 0 : nearest([SIDE / 2, SIDE / 2]) : beside(by));
  });
}

/** The nearest face in a direction. @param {[number, number]} by */
function beside(by) {
  const [x, y] = spot(at);
  let best = at, least = Infinity;
  for (let i = 0; i < map.places.length; i++) {
    const [a, b] = spot(i), ahead = (a - x) * by[0] + (b - y) * by[1], aside = Math.abs((a - x) * by[1]) + Math.abs((b - y) * by[0]);
    if (i !== at && ahead > 1 && ahead + 2 * aside < least) { least = ahead + 2 * aside; best = i; }
  }
  return best;
}

/** The faces inside the lasso become examples. */
function gather() {
  drawing = false;
  const inside = map.z.filter((/** @type {any} */ _, /** @type {number} */ i) => within(spot(i)));
  lasso = [];
  draw();
  const side = /** @type {'with' | 'without'} */ (mode.value);
  if (inside.length) { setExamples(side, [...state.examples[side], ...inside]); toast(`${inside.length} faces are in the tray “${side}” (Attributes, Make a direction).`); }
}

/** Whether the lasso goes around a place: a ray from it crosses the line an odd number of times. @param {[number, number]} place */
function within([x, y]) {
  let inside = false;
  for (let i = 0, j = lasso.length - 1; i < lasso.length; j = i++) {
    const [a, b] = lasso[i], [c, d] = lasso[j];
    if (b > y !== d > y && x < ((c - a) * (y - b)) / (d - b) + a) inside = !inside;
  }
  return inside;
}
