// @ts-check
/** Draw a face: from the first stroke on, what the model sees in the drawing is the face of the page, so that sliders,
 * undo and export act on what is seen. Edits stay on top of further strokes. */

import { $, attempt, button, context2d, h, setChildren, setPressed } from '../dom.js';
import { Drawing } from '../drawing.js';
import { engine } from '../engine.js';
import { bind, bindToggle, checkbox } from '../fields.js';
import { latestWins } from '../latest.js';
import { plus } from '../maths.js';
import { whenShown } from '../panel.js';
import { cachePicture, measurePaint, paint } from '../pictures.js';
import { roving } from '../roving.js';
import {
  commit, move, on, openFacts, setDrawing, setOriginal, settleDrawing, setView, state, step, undo,
} from '../state.js';

/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').Stroke} Stroke */
/** @typedef {import('../types.js').Tool} Tool */
/** @typedef {import('../types.js').Original} Original */
/** @typedef {{strokes: Stroke[], step: number}} Drawn `step`: of the history */

const CANVAS = 448; // pixels of the longer side
const INTERVAL_MS = 33; // between two requests
const BACKGROUND = '#b9b2ad';
const MEAN_FACE_OPACITY = 0.6;

/** @type {[Tool, string][]} */
const TOOLS = [
  ['pen', 'Pen: a hard line'],
  ['brush', 'Soft brush: a light tint'],
  ['eraser', 'Eraser: back to the background'],
  ['fill', 'Fill: colours an area'],
];
const COLOURS = [
  ...['#1d1512', '#4a2f20', '#8a5a3a', '#c98f66', '#eac0a0', '#f7e2d2', '#ffffff'],
  ...['#b4473f', '#3f5f8f', '#587a4a', '#8f8f8f', '#d9b45a'],
];
const GRAYS = ['#000000', '#2b2b2b', '#555555', '#808080', '#aaaaaa', '#d5d5d5', '#ffffff'];
/** How a drawing is read: its blend towards the mean. @type {[number, string][]} */
const READINGS = [
  [0, 'As drawn'],
  [0.5, 'Balanced'],
  [0.8, 'Like a face'],
];

const SIZE_TIP = 'The width of pen, brush and eraser in pixels of the canvas.';
const BLEND_TIP =
  'Blend towards the mean: drawings lie far from the training data, and a latent near the mean decodes better. 0 is ' +
  'the encoding of your drawing, 1 the mean face.';
const HINT = 'The face follows your strokes. Sliders change it further, and undo takes back strokes and edits alike.';

let lastRequest = 0;
/** @type {Drawing} */
let drawing;
/** @type {HTMLElement} */
let tools;
/** @type {HTMLElement} */
let colours;
/** @type {Face | null} */
let mean = null;
/** What was edited on top of the drawing, while a stroke goes on. @type {Float32Array | null} */
let edits = null;
let editsKnown = false;
let readBlend = state.view.blend; // of the last drawing that was read for a step
/** Strokes that are complete are read one after the other: each is a step of its own, however slow the server is. */
let reading = Promise.resolve();

export function startDraw() {
  const label = 'Your drawing. Draw with a mouse, a pen or a finger.';
  const board = h('canvas', { class: 'board', role: 'img', tabindex: 0, 'aria-label': label });
  const pen = () => {
    const { tool, colour, width, mirror } = state.view;
    return { tool, colour, width, mirror };
  };
  drawing = new Drawing(board, pen, (strokes, finished) => draw(strokes, finished, 'Stroke'), cancel);
  tools = h('div', { class: 'line', role: 'group', 'aria-label': 'Tool' }, TOOLS.map(toolButton));
  colours = h('div', { class: 'swatches', role: 'group', 'aria-label': 'Colour' });
  roving(tools);
  roving(colours);
  const mirror = button('mirror', 'Mirror: draw both halves at once', () => {}, { quiet: true });
  setChildren(
    $('#draw'),
    head(),
    h('div', { class: 'line' }, tools, bindToggle(mirror, 'mirror')),
    colours,
    field('draw-size', 'Size', bindRange('width', { min: 2, max: 60, step: 1 }, SIZE_TIP)),
    readings(),
    blendField(),
    checkbox('Show the mean face in the background', 'meanFace'),
    checkbox('Show the face beside the drawing', 'reconstruction'),
    h('p', { class: 'hint' }, HINT),
  );
  setChildren($('#drawing'), h('p', { class: 'caption' }, 'Drawing'), board);
  on('facts', reset);
  on('view', follow);
  whenShown($('#draw'), 'drawing facts', () => drawing.set(state.drawing));
}

// ---- Controls

function head() {
  const back = button('undo', 'Undo the last stroke', undo, { quiet: true });
  const empty = () => draw([], true, 'Empty drawing');
  const clear = button('trash', 'Clear the drawing', empty, { quiet: true, id: 'draw-clear' });
  return h('div', { class: 'panel-head' }, h('h2', {}, 'Draw'), h('div', { class: 'line' }, back, clear));
}

/** @param {[Tool, string]} tool its name is the icon's too */
function toolButton([name, label]) {
  return button(name, label, () => setView({ tool: name }), { quiet: true, dataset: { tool: name, tip: label } });
}

/** Three usual blends; the slider below has all others. */
function readings() {
  const buttons = READINGS.map(([blend, label]) => {
    const choose = () => {
      if (blend === state.view.blend) return;
      setView({ blend });
      drawAgain(true);
    };
    return button('', label, choose, { class: 'small', dataset: { blend: String(blend) } });
  });
  const group = h('div', { class: 'line segments', role: 'group', 'aria-label': 'How the drawing is read' }, buttons);
  const show = () => {
    for (const element of buttons) setPressed(element, Number(element.dataset.blend) === state.view.blend);
  };
  on('view', show);
  show();
  return group;
}

function blendField() {
  const input = bindRange('blend', { min: 0, max: 1, step: 0.01 }, BLEND_TIP, () => drawAgain(false));
  input.addEventListener('change', () => {
    if (state.view.blend === readBlend) cancel(); // it is back where it was, as after a swipe that scrolls
    else drawAgain(true);
  });
  return field('draw-blend', 'Mean blend', input);
}

/**
 * @param {'width' | 'blend'} name of the setting
 * @param {{min: number, max: number, step: number}} range
 * @param {string} tip
 * @param {() => void} [onChange]
 */
function bindRange(name, range, tip, onChange) {
  return bind(h('input', { type: 'range', ...range, dataset: { tip } }), name, onChange);
}

/**
 * A slider with a label and its value.
 * @param {string} id
 * @param {string} label
 * @param {HTMLInputElement} input
 */
function field(id, label, input) {
  input.id = id;
  const output = h('output', {}, input.value);
  on('view', () => {
    output.textContent = input.value;
  });
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, output);
}

/** @param {string[]} palette */
function fillColours(palette) {
  const gray = palette === GRAYS;
  const custom = h('input', {
    type: 'color',
    value: palette[0],
    'aria-label': 'Another colour',
    dataset: { tip: 'Another colour' },
  });
  custom.addEventListener('input', () => setView({ colour: custom.value }));
  setChildren(colours, palette.map(swatch), gray ? null : custom);
  const { colour } = state.view;
  if (!colour || (gray && !palette.includes(colour))) setView({ colour: palette[0] });
}

/** @param {string} code */
function swatch(code) {
  const element = h('button', {
    type: 'button',
    class: 'swatch',
    'aria-label': `Colour ${code}`,
    dataset: { colour: code },
    onclick: () => setView({ colour: code }),
  });
  element.style.background = code;
  return element;
}

// ---- The board

/** Starts a board for the open space. */
function reset() {
  const { input, picture } = openFacts();
  const zoom = CANVAS / Math.max(input.width, input.height);
  drawing.resize(Math.round(input.width * zoom), Math.round(input.height * zoom));
  mean = null;
  fillColours(picture.channels === 1 ? GRAYS : COLOURS);
  follow();
}

let shownBackground = '';

/** Shows the board while its tab is open, with the settings of the view. */
function follow() {
  const { source, tool, colour, reconstruction } = state.view;
  const open = source === 'draw';
  $('#drawing').hidden = !open;
  document.body.classList.toggle('drawing', open);
  document.body.classList.toggle('alone', open && !reconstruction);
  for (const element of tools.querySelectorAll('button')) setPressed(element, element.dataset.tool === tool);
  for (const element of colours.querySelectorAll('button')) setPressed(element, element.dataset.colour === colour);
  if (open && state.facts) showBackground();
}

/** Draws the background where it is another one than before. */
async function showBackground() {
  const { fingerprint } = openFacts();
  mean ??= await engine.mean().catch(() => null);
  const wanted = `${fingerprint} ${state.view.meanFace} ${Boolean(mean)}`;
  if (wanted === shownBackground || fingerprint !== state.facts?.fingerprint) return;
  const changed = shownBackground.startsWith(fingerprint);
  shownBackground = wanted;
  drawBackground();
  drawing.set(state.drawing);
  if (changed) drawAgain(true);
  else if (state.original.unread) readDrawing(state.original); // the page was loaded again before the answer came
}

/** The background: the mean face, faint, over its mean colour; or that colour alone. */
function drawBackground() {
  const { background } = drawing;
  const context = context2d(background);
  context.globalAlpha = 1;
  context.fillStyle = mean ? meanColour(mean.picture) : BACKGROUND;
  context.fillRect(0, 0, background.width, background.height);
  if (mean && state.view.meanFace) drawMeanFace(context, mean.picture);
  drawing.show();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Picture} picture
 */
function drawMeanFace(context, picture) {
  const { width, height } = drawing.background;
  const { input } = openFacts();
  const face = document.createElement('canvas');
  paint(face, picture);
  context.globalAlpha = MEAN_FACE_OPACITY;
  context.imageSmoothingQuality = 'high';
  // The encoder's input may have a margin around what the decoder returns: the enlarged face fills it.
  context.drawImage(face, 0, 0, width, height);
  const faceWidth = (picture.width / input.width) * width;
  const faceHeight = (picture.height / input.height) * height;
  context.drawImage(face, (width - faceWidth) / 2, (height - faceHeight) / 2, faceWidth, faceHeight);
}

/** @param {Picture} picture */
function meanColour({ pixels, width, height }) {
  const sums = [0, 0, 0];
  for (let start = 0; start < pixels.length; start += 4) {
    for (let channel = 0; channel < 3; channel++) sums[channel] += pixels[start + channel];
  }
  const means = sums.map((sum) => Math.round(sum / (width * height)));
  return `rgb(${means.join(' ')})`;
}

// ---- From the drawing to the face

/**
 * @param {Stroke[]} strokes
 * @param {boolean} finished whether a step of the history is complete
 * @param {string} label
 */
function draw(strokes, finished, label) {
  if (!editsKnown) {
    const { original, z } = state;
    edits = original.drawn && original.z !== z ? plus(z, [original.z], [-1]) : null;
    editsKnown = true;
  }
  drawing.set(strokes);
  setDrawing(strokes);
  if (finished) finish(label);
  else requestPreview({ strokes, step: state.historyIndex });
}

/** The stroke was none. */
function cancel() {
  editsKnown = false;
  step(state.historyIndex);
}

/**
 * The same drawing, read in another way.
 * @param {boolean} finished
 */
function drawAgain(finished) {
  if (state.drawing.length && state.original.drawn) draw([...state.drawing], finished, 'Reading');
}

/**
 * The step of the history is there at once, so that undo and a reload find it; its face follows.
 * @param {string} label
 */
function finish(label) {
  const z = edits ? plus(state.z, [edits], [-1]) : state.z;
  const original = { z, picture: null, drawn: true, unread: true };
  editsKnown = false;
  setOriginal(original);
  commit(label, state.z);
  readDrawing(original);
}

/**
 * Reads what is on the board now, for the steps with this original.
 * @param {Original} original
 */
function readDrawing(original) {
  const image = encoderInput();
  const { blend } = state.view;
  readBlend = blend;
  const { fingerprint } = openFacts();
  const isOpen = () => fingerprint === state.facts?.fingerprint;
  reading = reading.then(async () => {
    const start = performance.now();
    const face = isOpen() ? await attempt(() => engine.encode(image, blend)) : null;
    if (!face || !isOpen()) return;
    cachePicture(face.z, face.picture);
    settleDrawing(original, face.z);
    measurePaint('facespace:drawn', start);
  });
}

const requestPreview = latestWins(async (/** @type {Drawn} */ { strokes, step: index }) => {
  const wait = lastRequest + INTERVAL_MS - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  const isNew = () => strokes === state.drawing && index === state.historyIndex; // not finished, nor undone
  if (!isNew()) return;
  lastRequest = performance.now();
  const start = lastRequest;
  const face = await attempt(() => engine.encode(encoderInput(), state.view.blend));
  if (!face || !isNew()) return;
  show(face);
  measurePaint('facespace:drawn', start);
});

/** @param {Face} face of the drawing */
function show({ z, picture }) {
  const edited = edits ? plus(z, [edits], [1]) : z;
  if (!edits) cachePicture(z, picture);
  setOriginal({ z, picture: null, drawn: true });
  move(edited);
}

/** The drawing in the encoder's size. */
function encoderInput() {
  const { width, height } = openFacts().input;
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = context2d(canvas, { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(drawing.composite, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
