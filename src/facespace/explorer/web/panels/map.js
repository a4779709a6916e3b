// @ts-check
/** A two-dimensional map of faces, all of them decoded by the model: hover shows a face, a click loads it, two
 * clicks morph, and the lasso collects examples for a direction. */

import { $, attempt, button, h, options, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { SIDE, drawMap, faceAt, faceBeside, latentsInside, pointerPlace } from '../map_view.js';
import { fillSelect, bind } from '../fields.js';
import { latestWins } from '../latest.js';
import { displayName, isShown } from '../labels.js';
import { newNamed, on, openFacts, setExamples, setFace, setKeyframes, setView, state } from '../state.js';
import { showPreview } from './stage.js';

/** @typedef {import('../types.js').FaceMap} FaceMap */
/** @typedef {import('../types.js').Point} Point */
/** @typedef {import('../types.js').Side} Side */

const METHOD_TIP = 'Principal components keep straight lines and large distances; t-SNE keeps neighbours together.';
const BOARD_LABEL = 'Map of faces. Arrow keys go from face to face, Enter loads one.';
/** @type {[string, string][]} */
const METHODS = [
  ['pca', 'Principal components'],
  ['tsne', 't-SNE'],
];
/** @type {[string, string][]} */
const MODES = [
  ['load', 'Click loads a face'],
  ['morph', 'Two clicks morph'],
  ['positive', 'Lasso: positive examples'],
  ['negative', 'Lasso: negative examples'],
];
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @type {FaceMap | null} */
let map = null;
/** @type {Map<string, FaceMap>} */
const maps = new Map(); // by method
let pointed = -1; // index of the face that is pointed at
/** @type {number[]} */
let selected = []; // indices for a morph
/** @type {Point[]} */
let lasso = [];
let drawingLasso = false;
let sensitive = false; // whether the labels of the map are all shown

/** @type {HTMLCanvasElement} */
let board;
/** @type {HTMLSelectElement} */
let methodSelect;
/** @type {HTMLSelectElement} */
let colourSelect;
/** @type {HTMLSelectElement} */
let modeSelect;
/** @type {HTMLElement} */
let note;
/** @type {HTMLElement} */
let waiting;

export function startMap() {
  createElements();
  const redraw = button('reset', 'Compute the map again', reload, { quiet: true });
  setChildren(
    $('#map'),
    h('div', { class: 'panel-head' }, h('h2', {}, 'Map'), redraw),
    h('div', { class: 'line controls' }, methodSelect, colourSelect, modeSelect),
    waiting,
    board,
    note,
  );
  listen();
  on('facts', () => {
    maps.clear();
    map = null;
    loadWhenOpen();
  });
  on('view statistics', loadWhenOpen);
}

function createElements() {
  const size = { width: SIDE, height: SIDE };
  board = h('canvas', { class: 'map', ...size, tabindex: 0, role: 'application', 'aria-label': BOARD_LABEL });
  methodSelect = h('select', { 'aria-label': 'Kind of map', dataset: { tip: METHOD_TIP } }, options(METHODS));
  bind(methodSelect, 'mapMethod', load);
  colourSelect = bind(h('select', { 'aria-label': 'Coloured by' }), 'mapColour', draw);
  modeSelect = bind(h('select', { 'aria-label': 'Click action' }, options(MODES)), 'mapMode');
  note = h('p', { class: 'hint' });
  waiting = h('p', { class: 'waiting' }, 'Computing the map…');
}

// ---- Loading

function loadWhenOpen() {
  if (state.view.source !== 'map') return;
  if (!map) load();
  else if (sensitive !== state.view.sensitive) show(map);
}

function reload() {
  maps.clear();
  load();
}

/** Shows the chosen map; where it is not known, asks for it, once however often the page changes meanwhile. */
const load = latestWins(async () => {
  const method = methodSelect.value;
  const loaded = maps.get(method) ?? (await request(method));
  if (loaded && method === methodSelect.value) show(loaded);
});

/**
 * The map of the open space, or null where there is none yet or another space has been opened meanwhile.
 * @param {string} method
 */
async function request(method) {
  waiting.hidden = false;
  waiting.textContent = state.statistics ? 'Computing the map…' : 'Measuring the space…';
  if (!state.statistics) {
    board.hidden = true;
    return null;
  }
  const { fingerprint, latents } = openFacts();
  const loaded = await attempt(() => engine.map(method, latents));
  if (!loaded || fingerprint !== openFacts().fingerprint) return null;
  maps.set(method, loaded);
  return loaded;
}

/** @param {FaceMap} loaded */
function show(loaded) {
  map = loaded;
  sensitive = state.view.sensitive;
  waiting.hidden = true;
  board.hidden = false;
  fillColours(loaded);
  const source = loaded.encoded ? 'latents of encoded faces' : 'latents';
  note.textContent = `${loaded.count} faces decoded by the model from ${source}: ${loaded.origin}.`;
  draw();
}

/** @param {FaceMap} loaded */
function fillColours({ names, labels }) {
  const attributes = [...new Set([...names, ...Object.keys(labels)])].filter(isShown);
  /** @type {[string, string][]} */
  const choices = attributes.map((name) => [name, displayName(name)]);
  fillSelect(colourSelect, [['', 'No colours'], ...choices], 'mapColour');
  colourSelect.hidden = !attributes.length;
}

// ---- Drawing

function draw() {
  if (!map) return;
  const highlighted = pointed >= 0 ? [...selected, pointed] : selected;
  drawMap(board, { map, values: colourValues(map), highlighted, lasso });
}

/**
 * The values that colour the faces: labels of the data set where it has them, else scores.
 * @param {FaceMap} map
 */
function colourValues({ names, labels, scores }) {
  const name = colourSelect.value;
  if (!name) return null;
  if (labels[name]) return labels[name];
  const index = names.indexOf(name);
  return scores.map((row) => row[index] / 2);
}

// ---- Pointing, clicking, lasso

/**
 * Previews the face that is pointed at.
 * @param {FaceMap} shown
 * @param {number} index or −1 for none
 */
async function pointAt(shown, index) {
  if (index === pointed) return;
  pointed = index;
  draw();
  if (index < 0) {
    showPreview(null);
    return;
  }
  const pictures = await engine.decode([shown.z[index]]).catch(() => null);
  if (pictures && pointed === index) showPreview(pictures[0], 'On the map');
}

/**
 * @param {FaceMap} shown
 * @param {number} index
 */
function click(shown, index) {
  if (index < 0) return;
  if (modeSelect.value === 'morph') {
    selectForMorph(shown, index);
    return;
  }
  pointed = -1;
  showPreview(null);
  setFace(shown.z[index], 'Map');
}

/**
 * @param {FaceMap} shown
 * @param {number} index
 */
function selectForMorph(shown, index) {
  selected = [...selected, index].slice(-2);
  if (selected.length === 2) {
    setKeyframes(selected.map((face, i) => newNamed(`Map ${i + 1}`, shown.z[face])));
    setView({ bottom: 'morph' });
    toast('Both faces are keyframes of the morph now.');
    selected = [];
  }
  draw();
}

/** Which examples the lasso collects; null in the other modes. */
function lassoSide() {
  const mode = modeSelect.value;
  return mode === 'positive' || mode === 'negative' ? mode : null;
}

/**
 * Adds the faces inside the lasso to the examples.
 * @param {FaceMap} shown
 * @param {Side} side
 */
function collect(shown, side) {
  const inside = latentsInside(shown, lasso);
  lasso = [];
  draw();
  if (!inside.length) return;
  setExamples(side, [...state.examples[side], ...inside]);
  toast(`${inside.length} ${side} examples added (Attributes, Create a direction).`);
}

function listen() {
  board.addEventListener('pointermove', (event) => {
    if (!map) return;
    const place = pointerPlace(board, event);
    if (!drawingLasso) {
      pointAt(map, faceAt(map, place));
      return;
    }
    lasso.push(place);
    draw();
  });
  board.addEventListener('pointerleave', () => {
    if (map && !drawingLasso) pointAt(map, -1);
  });
  board.addEventListener('pointerdown', (event) => {
    if (!lassoSide()) return;
    drawingLasso = true;
    board.setPointerCapture(event.pointerId);
    lasso = [pointerPlace(board, event)];
    event.preventDefault();
  });
  board.addEventListener('pointercancel', () => {
    drawingLasso = false;
    lasso = [];
    draw();
  });
  board.addEventListener('pointerup', () => {
    if (!drawingLasso) return;
    drawingLasso = false;
    const side = lassoSide();
    if (map && side) collect(map, side);
  });
  board.addEventListener('click', (event) => {
    if (map && !lassoSide()) click(map, faceAt(map, pointerPlace(board, event)));
  });
  board.addEventListener('blur', () => {
    if (map) pointAt(map, -1);
  });
  board.addEventListener('keydown', handleKey);
}

/** @param {KeyboardEvent} event */
function handleKey(event) {
  if (!map) return;
  const direction = DIRECTIONS[event.key];
  if (direction) {
    event.preventDefault();
    pointAt(map, pointed < 0 ? firstPointed(map) : faceBeside(map, pointed, direction));
    return;
  }
  if (event.key !== 'Enter') return;
  event.preventDefault();
  click(map, pointed);
}

/**
 * The face in the middle of the map, else the first.
 * @param {FaceMap} shown
 */
function firstPointed(shown) {
  return Math.max(0, faceAt(shown, [SIDE / 2, SIDE / 2]));
}
