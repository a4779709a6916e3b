// @ts-check
/** A two-dimensional map of faces, all of them decoded by the model, that can be zoomed: hover shows a face, a click
 * loads it, two clicks morph, and the lasso collects examples for a direction. */

import { $, attempt, button, h, options, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { fillSelect, bind } from '../fields.js';
import { displayName, isShown } from '../labels.js';
import { latestWins } from '../latest.js';
import { faceAt, faceBeside, latentsInside, layOut, level, nearestFace } from '../map_layout.js';
import { drawMap } from '../map_view.js';
import { MapZoom, SIDE } from '../map_zoom.js';
import { newNamed, on, openFacts, setExamples, setFace, setKeyframes, setView, state } from '../state.js';
import { showPreview } from './stage.js';

/** @typedef {import('../types.js').FaceMap} FaceMap */
/** @typedef {import('../types.js').Point} Point */
/** @typedef {import('../types.js').Side} Side */

const METHOD_TIP = 'Principal components keep straight lines and large distances; t-SNE keeps neighbours together.';
const BOARD_LABEL =
  'Map of faces. Arrow keys go from face to face, Enter loads one, plus and minus zoom, 0 shows the whole map.';
const ZOOM_TIP = 'Zoom: the wheel, two fingers, or the keys + and −; a drag moves the map. A click shows all of it.';
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
const ZOOM_KEYS = /** @type {Record<string, 1 | -1>} */ ({ '+': 1, '=': 1, '-': -1 });
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @type {FaceMap | null} */
let map = null;
/** Of the map, at the level of the view. @type {{layout: import('../map_layout.js').Layout, level: number} | null} */
let laidOut = null;
/** @type {Map<string, FaceMap>} */
let maps = new Map(); // by method, of the space and its decoder of now
let pointed = -1; // index of the face that is pointed at
/** @type {number[]} */
let selected = []; // indices for a morph
/** @type {Point[]} */
let lasso = []; // on the map
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
/** @type {HTMLElement} */
let zoomButton;
/** @type {MapZoom} */
let zoom;

export function startMap() {
  createElements();
  const redraw = button('reset', 'Compute the map again', reload, { quiet: true });
  setChildren(
    $('#map'),
    h('div', { class: 'panel-head' }, h('h2', {}, 'Map'), h('div', { class: 'line tight' }, zoomButtons(), redraw)),
    h('div', { class: 'line controls' }, methodSelect, colourSelect, modeSelect),
    waiting,
    board,
    note,
  );
  listen();
  on('facts decoder', () => {
    maps = new Map();
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
  zoom = new MapZoom(board, () => {
    zoomButton.textContent = zoomText();
    draw();
  });
}

const zoomText = () => `${zoom.viewport.scale.toFixed(1)}×`;

function zoomButtons() {
  const props = { class: 'zoom', dataset: { tip: ZOOM_TIP } };
  zoomButton = button('', '', () => zoom.reset(), props);
  zoomButton.textContent = zoomText();
  return [
    button('minus', 'Zoom out', () => zoom.step(-1), { quiet: true }),
    zoomButton,
    button('plus', 'Zoom in', () => zoom.step(1), { quiet: true }),
  ];
}

// ---- Loading

function loadWhenOpen() {
  if (state.view.source !== 'map') return;
  if (!map) load();
  else if (sensitive !== state.view.sensitive) show(map);
}

function reload() {
  maps = new Map();
  load();
}

/** Shows the chosen map; where it is not known, asks for it, once however often the page changes meanwhile. */
const load = latestWins(async () => {
  const method = methodSelect.value;
  const loaded = maps.get(method) ?? (await request(method));
  if (loaded && method === methodSelect.value) show(loaded);
});

/**
 * The map of the open space, or null where there is none yet or another space or decoder is open meanwhile.
 * @param {string} method
 */
async function request(method) {
  waiting.hidden = false;
  waiting.textContent = state.statistics ? 'Computing the map…' : 'Measuring the space…';
  if (!state.statistics) {
    board.hidden = true;
    return null;
  }
  const asked = maps;
  const loaded = await attempt(() => engine.map(method, openFacts().latents));
  if (!loaded || asked !== maps) return null;
  maps.set(method, loaded);
  return loaded;
}

/** @param {FaceMap} loaded */
function show(loaded) {
  if (map !== loaded) zoom.reset();
  map = loaded;
  laidOut = null;
  sensitive = state.view.sensitive;
  waiting.hidden = true;
  board.hidden = false;
  fillColours(loaded);
  const source = loaded.encoded ? 'latents of encoded faces' : 'latents';
  note.textContent =
    `${loaded.count} faces decoded by the model from ${source}: ${loaded.origin}. Zoom in where several share a place.`;
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
  const { viewport } = zoom;
  drawMap(board, { map, layout: layoutOf(map), viewport, values: colourValues(map), highlighted, lasso });
}

/**
 * The cells of the faces in the view of now.
 * @param {FaceMap} shown
 */
function layoutOf(shown) {
  const { scale } = zoom.viewport;
  if (laidOut?.level !== level(scale)) laidOut = { layout: layOut(shown, scale), level: level(scale) };
  return laidOut.layout;
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
  const inside = latentsInside(shown, layoutOf(shown), lasso);
  lasso = [];
  draw();
  if (!inside.length) return;
  setExamples(side, [...state.examples[side], ...inside]);
  toast(`${inside.length} ${side} examples added (Attributes, Create a direction).`);
}

function listen() {
  board.addEventListener('pointermove', (event) => {
    if (!map) return;
    const place = zoom.placeOf(event);
    if (zoom.pinching) endLasso();
    if (!drawingLasso) {
      pointAt(map, zoom.pointers.size && zoom.dragged ? -1 : faceAt(layoutOf(map), place));
      return;
    }
    lasso.push(place);
    draw();
  });
  board.addEventListener('pointerleave', () => {
    if (map && !drawingLasso) pointAt(map, -1);
  });
  board.addEventListener('pointerdown', (event) => {
    if (!lassoSide() || event.button) return;
    drawingLasso = !zoom.pinching;
    board.setPointerCapture(event.pointerId);
    lasso = [zoom.placeOf(event)];
    event.preventDefault();
  });
  board.addEventListener('pointercancel', endLasso);
  board.addEventListener('pointerup', () => {
    if (!drawingLasso) return;
    drawingLasso = false;
    const side = lassoSide();
    if (map && side) collect(map, side);
  });
  board.addEventListener('click', (event) => {
    if (map && !lassoSide() && !zoom.dragged) click(map, faceAt(layoutOf(map), zoom.placeOf(event)));
  });
  board.addEventListener('blur', () => {
    if (map) pointAt(map, -1);
  });
  board.addEventListener('keydown', handleKey);
  const follow = () => {
    zoom.draggable = !lassoSide();
  };
  on('view', follow);
  follow();
}

function endLasso() {
  if (!drawingLasso) return;
  drawingLasso = false;
  lasso = [];
  draw();
}

/** @param {KeyboardEvent} event */
function handleKey(event) {
  if (!map || event.ctrlKey || event.metaKey) return;
  const direction = DIRECTIONS[event.key];
  const zoomKey = ZOOM_KEYS[event.key];
  if (direction) pointBeside(map, direction);
  else if (zoomKey) zoom.step(zoomKey, pointed < 0 ? undefined : layoutOf(map).centres[pointed]);
  else if (event.key === '0') zoom.reset();
  else if (event.key === 'Enter') click(map, pointed);
  else return;
  event.preventDefault();
  event.stopPropagation(); // 0 resets the face elsewhere
}

/**
 * Points at the next face in a direction, at first at the one in the middle of the view.
 * @param {FaceMap} shown
 * @param {Point} direction
 */
function pointBeside(shown, direction) {
  const layout = layoutOf(shown);
  const { scale, x, y } = zoom.viewport;
  const centre = /** @type {Point} */ ([x + 0.5 / scale, y + 0.5 / scale]);
  const next = pointed < 0 ? nearestFace(layout, centre) : faceBeside(layout, pointed, direction);
  pointAt(shown, next);
  zoom.bringIntoSight(layout.centres[next]);
}
