// @ts-check
/** Draw a face: the board, its tools, and how a drawing is read. From the first stroke on, what the model sees in the
 * drawing is the face of the page (drawing_reader.js), so that sliders, undo and export act on what is seen. */

import { $, button, context2d, h, setChildren, setPressed } from '../dom.js';
import { Drawing } from '../drawing.js';
import { cancelStroke, draw, drawAgain, endReading, readAgain, readFrom } from '../drawing_reader.js';
import { engine } from '../engine.js';
import { bind, bindToggle, checkbox } from '../fields.js';
import { startPaintLayer } from './paint.js';
import { onNarrow, sourceInSight, whenShown } from '../panel.js';
import { paint } from '../pictures.js';
import { roving } from '../roving.js';
import { on, openFacts, setView, state, undo } from '../state.js';

/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').Tool} Tool */

const CANVAS = 448; // pixels of the longer side
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
/** Where strokes go, and what that does. @type {[string, string][]} */
const PLACES = [
  ['board', 'On a board'],
  ['face', 'On the face'],
];
const PAINT_HINT =
  'When a stroke ends, the face becomes the nearest one that has its colour at its place, as far as the model can ' +
  'show that. Undo takes strokes back. By keyboard: arrow keys move the brush, Space starts and ends a stroke.';
const PAINT_SPLIT = 'Switch Split off to paint on the face.';
const HINT = 'The face follows your strokes. Sliders change it further, and undo takes back strokes and edits alike.';

/** @type {Drawing} */
let drawing;
/** @type {HTMLElement} */
let tools;
/** @type {HTMLElement} */
let colours;
/** What is of use on the board alone, and what on the face. @type {Record<string, HTMLElement[]>} */
let parts;
/** @type {Face | null} */
let mean = null;

export function startDraw() {
  const label = 'Your drawing. Draw with a mouse, a pen or a finger.';
  const board = h('canvas', { class: 'board', role: 'img', tabindex: 0, 'aria-label': label });
  const pen = () => {
    const { tool, colour, width, mirror } = state.view;
    return { tool, colour, width, mirror };
  };
  startPaintLayer(pen);
  drawing = new Drawing(board, pen, (strokes, finished) => draw(strokes, finished, 'Stroke'), cancelStroke);
  readFrom(drawing);
  tools = h('div', { class: 'line', role: 'group', 'aria-label': 'Tool' }, TOOLS.map(toolButton));
  colours = h('div', { class: 'swatches', role: 'group', 'aria-label': 'Colour' });
  roving(tools);
  roving(colours);
  parts = {
    board: [
      readings(),
      blendField(),
      checkbox('Show the mean face in the background', 'meanFace'),
      checkbox('Show the face beside the drawing', 'reconstruction'),
      h('p', { class: 'hint' }, HINT),
    ],
    face: [h('p', { class: 'hint' }, PAINT_HINT), h('p', { class: 'hint', id: 'paint-split' }, PAINT_SPLIT)],
  };
  const mirror = button('mirror', 'Mirror: draw both halves at once', () => {}, { quiet: true });
  setChildren(
    $('#draw'),
    head(),
    places(),
    h('div', { class: 'line' }, tools, bindToggle(mirror, 'mirror')),
    colours,
    field('draw-size', 'Size', bindRange('width', { min: 2, max: 60, step: 1 }, SIZE_TIP)),
    parts.board,
    parts.face,
  );
  setChildren($('#drawing'), h('p', { class: 'caption' }, 'Drawing'), board);
  on('facts', reset);
  on('view', follow);
  onNarrow(follow);
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

/** Whether strokes make a drawing or change the face. */
function places() {
  const buttons = PLACES.map(([place, label]) =>
    button('', label, () => setView({ drawOn: place }), { class: 'small', dataset: { place } }),
  );
  return h('div', { class: 'line segments', role: 'group', 'aria-label': 'Where strokes go' }, buttons);
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
  input.addEventListener('change', endReading);
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
  const known = palette.includes(colour);
  if (!colour || (!known && (gray || GRAYS.includes(colour)))) setView({ colour: palette[0] });
  else if (!known) custom.value = colour;
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
  const { source, tool, colour, reconstruction, drawOn, split } = state.view;
  const onFace = drawOn === 'face';
  const open = source === 'draw' && !onFace && sourceInSight();
  showParts(onFace);
  $('#paint-split').hidden = !onFace || !split;
  $('#drawing').hidden = !open;
  document.body.classList.toggle('drawing', open);
  document.body.classList.toggle('alone', open && !reconstruction);
  for (const element of tools.querySelectorAll('button')) setPressed(element, element.dataset.tool === tool);
  for (const element of colours.querySelectorAll('button')) setPressed(element, element.dataset.colour === colour);
  if (open && state.facts) showBackground();
}

/** @param {boolean} onFace whether strokes change the face */
function showParts(onFace) {
  for (const element of parts.board) element.hidden = onFace;
  for (const element of parts.face) element.hidden = !onFace;
  for (const element of $('#draw').querySelectorAll('[data-place]')) {
    setPressed(/** @type {HTMLElement} */ (element), (element.getAttribute('data-place') === 'face') === onFace);
  }
  $('#draw-clear').hidden = onFace;
  const eraser = /** @type {HTMLElement} */ (tools.querySelector('[data-tool=eraser]'));
  eraser.hidden = onFace;
  if (onFace && state.view.tool === 'eraser') setView({ tool: 'pen' });
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
  else readAgain();
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
