// @ts-check
/** The pad: a square that two directions span, attributes, components or one's own. A point in it is the face, live on
 * the stage; drag, arrow keys and typed values move the point. */

import { $, announce, button, h, options, setChildren } from '../dom.js';
import { bind } from '../fields.js';
import { clamp, signed } from '../maths.js';
import { contactSheet } from '../pad_sheet.js';
import { chosenAxes, padAxes, Plane } from '../pad_axes.js';
import { LARGEST, PadSide } from '../pad_side.js';
import { whenShown } from '../panel.js';
import { commit, move, on, setView, state } from '../state.js';

/** @typedef {import('../pad_axes.js').PadAxis} PadAxis */
/** @typedef {import('../pad_axes.js').Point} Point */
/** @typedef {'x' | 'y'} Side */

const STEP = 0.1;
const LARGE_STEP = 0.5;
const SMALL = 0.1; // of a step, with Alt
/** The way of each key. @type {Record<string, [number, number]>} */
const KEYS = {
  ArrowRight: [STEP, 0],
  ArrowLeft: [-STEP, 0],
  ArrowUp: [0, STEP],
  ArrowDown: [0, -STEP],
  PageUp: [0, LARGE_STEP],
  PageDown: [0, -LARGE_STEP],
  End: [LARGE_STEP, 0],
  Home: [-LARGE_STEP, 0],
};
/** @type {[string, string][]} */
const SHEETS = [
  ['0', 'No faces'],
  ['5', '5 × 5 faces'],
  ['7', '7 × 7 faces'],
];
/** @type {[string, string][]} */
const RANGES = [
  ['2', '±2 σ'],
  ['3', '±3 σ'],
  ['4', '±4 σ'],
];
const HINT = 'Drag the point, or use the arrow keys. Attributes that are locked stay.';
const SHEET_TIP = 'The faces at the centres of cells, faintly behind the point.';
const RANGE_TIP = 'How far the square and the sliders reach, in standard deviations (σ) of the faces of this space.';

/** Null where no two axes are there. @type {Plane | null} */
let plane = null;
/** The face when a move began: each step starts from it, so that nothing drifts. @type {Float32Array | null} */
let base = null;

/** @type {HTMLElement} */
let pad;
/** @type {HTMLElement} */
let point;
/** @type {(sheet: import('../pad_sheet.js').Sheet) => Promise<void>} */
let showSheet;
/** @type {HTMLElement} */
let message;
/** @type {Record<Side, PadSide>} */
let sides;

export function startPad() {
  const root = $('#pad');
  const canvas = h('canvas', { class: 'sheet', 'aria-hidden': 'true' });
  showSheet = contactSheet(canvas);
  sides = { x: createSide('x', 'Across', '→'), y: createSide('y', 'Up', '↑') };
  point = h('span', { class: 'point', 'aria-hidden': 'true' });
  const slider = { role: 'slider', tabindex: 0, 'aria-roledescription': 'slider of two values' };
  pad = h('div', { class: 'pad', id: 'pad-square', ...slider }, canvas, sides.x.edge, sides.y.edge, point);
  message = h('p', { class: 'hint' });
  setChildren(root, head(), pad, message, sides.x.line, sides.y.line, settings());
  listenToPointer();
  listenToKeys();
  whenShown(root, 'facts statistics directions own locks view', build);
  whenShown(root, 'z', showPoint);
  whenShown(root, 'face', fillSheet);
  on('face facts', () => {
    base = null;
  });
}

function head() {
  const back = button('reset', 'Both values of the original face', reset, { quiet: true, dataset: { reset: '' } });
  return h('div', { class: 'panel-head' }, h('h2', {}, 'Pad'), h('div', { class: 'line tight' }, back));
}

/**
 * @param {Side} side
 * @param {string} name
 * @param {string} arrow
 */
function createSide(side, name, arrow) {
  return new PadSide(name, arrow, {
    onChoose: (key) => choose(side, key),
    onTyped: (value) => jump({ ...here(), [side]: value }),
  });
}

function settings() {
  const sheet = h('select', { 'aria-label': 'Faces behind the point', dataset: { tip: SHEET_TIP } }, options(SHEETS));
  const range = h('select', { 'aria-label': 'Range of the pad', dataset: { tip: RANGE_TIP } }, options(RANGES));
  return h('div', { class: 'line controls' }, bind(sheet, 'padSheet'), bind(range, 'range'));
}

/**
 * Takes a direction; that of the other axis changes places with it.
 * @param {Side} side
 * @param {string} key
 */
function choose(side, key) {
  const [x, y] = (chosenAxes(padAxes()) ?? []).map((axis) => axis.key);
  if (side === 'x') setView({ padX: key, padY: y === key ? x : y });
  else setView({ padX: x === key ? y : x, padY: key });
}

// ---- What is shown

function build() {
  const axes = padAxes();
  const chosen = chosenAxes(axes);
  plane = null;
  message.textContent = chosen ? HINT : 'Measuring the space…';
  if (chosen) span(...chosen);
  sides.x.show(axes, chosen?.[0], Boolean(plane));
  sides.y.show(axes, chosen?.[1], Boolean(plane));
  pad.setAttribute('aria-disabled', String(!plane));
  showPoint();
  fillSheet();
}

/**
 * @param {PadAxis} x
 * @param {PadAxis} y
 */
function span(x, y) {
  try {
    plane = new Plane(x, y);
  } catch (error) {
    message.textContent = error instanceof Error ? error.message : String(error);
  }
}

/** @returns {Point} */
const here = () => plane?.read(state.z) ?? { x: 0, y: 0 };

function showPoint() {
  point.hidden = !plane;
  if (!plane) return;
  const { range } = state.view;
  const { x, y } = here();
  const beyond = Math.max(Math.abs(x), Math.abs(y)) > range;
  point.classList.toggle('beyond', beyond);
  pad.style.setProperty('--x', String(clamp(x / range, -1, 1)));
  pad.style.setProperty('--y', String(clamp(y / range, -1, 1)));
  sides.x.setValue(x);
  sides.y.setValue(y);
  const spoken = `${plane.x.label} ${signed(x)}, ${plane.y.label} ${signed(y)}`;
  pad.setAttribute('aria-label', `${plane.x.label} and ${plane.y.label}`);
  pad.setAttribute('aria-valuemin', String(-range));
  pad.setAttribute('aria-valuemax', String(range));
  pad.setAttribute('aria-valuenow', x.toFixed(2));
  pad.setAttribute('aria-valuetext', spoken);
}

function fillSheet() {
  if (!plane) return;
  showSheet({ plane, z: state.z, count: Number(state.view.padSheet), limit: state.view.range });
}

// ---- Moves

/** @param {Point} to */
function moveTo(to) {
  if (!plane) return;
  base ??= state.z;
  move(plane.move(base, to));
}

function finish() {
  if (!plane || !base) return;
  base = null;
  commit(`${plane.x.label}, ${plane.y.label}`);
}

function cancel() {
  if (base) move(base);
  base = null;
}

/**
 * A move in one step.
 * @param {Point} to
 */
function jump(to) {
  if (!refused()) moveTo(to);
  finish();
  showPoint();
}

/** Whether nothing can be moved, which is said. */
function refused() {
  if (!plane) return true;
  const { x, y } = plane;
  if (x.locked && y.locked) announce(`${x.label} and ${y.label} are locked.`);
  return x.locked && y.locked;
}

function reset() {
  if (plane) jump(plane.read(state.original.z));
}

function listenToPointer() {
  const follow = (/** @type {PointerEvent} */ event) => {
    const { left, top, width, height } = pad.getBoundingClientRect();
    const { range } = state.view;
    const x = clamp((2 * (event.clientX - left)) / width - 1, -1, 1);
    const y = clamp(1 - (2 * (event.clientY - top)) / height, -1, 1);
    moveTo({ x: range * x, y: range * y });
  };
  pad.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || refused()) return;
    pad.setPointerCapture(event.pointerId);
    follow(event);
  });
  pad.addEventListener('pointermove', (event) => {
    if (pad.hasPointerCapture(event.pointerId)) follow(event);
  });
  pad.addEventListener('pointerup', finish);
  pad.addEventListener('pointercancel', cancel);
}

/** Keys move while they are held, and a step of the history ends with them. */
function listenToKeys() {
  pad.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') cancel();
    const way = KEYS[event.key];
    if (!way || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (refused()) return;
    const scale = event.altKey ? SMALL : 1;
    const { x, y } = here();
    const within = (/** @type {number} */ value) => clamp(value, -LARGEST, LARGEST);
    moveTo({ x: within(x + scale * way[0]), y: within(y + scale * way[1]) });
  });
  for (const type of ['keyup', 'blur']) pad.addEventListener(type, finish);
}
