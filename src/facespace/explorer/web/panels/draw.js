// @ts-check
/** Draw a face and see live how the model reconstructs it. The drawing has its own undo; only "Send to sliders"
 * makes the reconstruction the face of the page. */

import { $, button, context2d, h, setChildren, setPressed } from '../dom.js';
import { Drawing } from '../drawing.js';
import { engine } from '../engine.js';
import { latestWins } from '../latest.js';
import { measurePaint, paint } from '../pictures.js';
import { on, openFacts, setView, state } from '../state.js';
import { loadFace, showPreview } from './stage.js';

/** @typedef {import('../drawing.js').Tool} Tool */
/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Picture} Picture */

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

const SIZE_TIP = 'The width of pen, brush and eraser in pixels of the canvas.';
const BLEND_TIP =
  'Blend towards the mean: drawings lie far from the training data, and a latent near the mean decodes better. 0 is ' +
  'the encoding of your drawing, 1 the mean face.';
const SEND_TIP = 'Makes the reconstruction the face of the page, to edit it with the sliders.';

let blend = 0.15; // towards the mean latent
let showMeanFace = true;
let showReconstruction = true;
let active = false;
let lastRequest = 0;
/** @type {Drawing} */
let drawing;
/** @type {HTMLElement} */
let tools;
/** @type {HTMLElement} */
let colours;
/** @type {Face | null} */
let reconstruction = null;
/** @type {Face | null} */
let mean = null;

export function startDraw() {
  const label = 'Your drawing. Draw with a mouse, a pen or a finger.';
  const board = h('canvas', { class: 'board', role: 'img', tabindex: 0, 'aria-label': label });
  drawing = new Drawing(board, () => requestReconstruction());
  tools = h('div', { class: 'line', role: 'group', 'aria-label': 'Tool' }, TOOLS.map(toolButton));
  colours = h('div', { class: 'swatches', role: 'group', 'aria-label': 'Colour' });
  setChildren(
    $('#draw'),
    head(),
    h('div', { class: 'line' }, tools, mirrorButton()),
    colours,
    sizeField(),
    blendField(),
    checkbox('Show the mean face in the background', showMeanFace, setMeanFace),
    checkbox('Show the reconstruction', showReconstruction, setReconstruction),
    h('div', { class: 'line' }, sendButton()),
  );
  setChildren($('#drawing'), h('p', { class: 'caption' }, 'Drawing'), board);
  on('facts', reset);
  on('view', () => {
    const selected = state.view.source === 'draw';
    if (selected !== active) open(selected);
  });
}

// ---- Controls

function head() {
  const undo = button('undo', 'Undo the last stroke', () => drawing.undo(), { quiet: true });
  const clear = button('trash', 'Clear the drawing', () => drawing.clear(), { quiet: true, id: 'draw-clear' });
  return h('div', { class: 'panel-head' }, h('h2', {}, 'Draw'), h('div', { class: 'line' }, undo, clear));
}

/** @param {[Tool, string]} tool its name is the icon's too */
function toolButton([name, label]) {
  const select = () => {
    drawing.tool = name;
    showSelection();
  };
  return button(name, label, select, { quiet: true, dataset: { tool: name, tip: label } });
}

function mirrorButton() {
  const toggle = () => {
    drawing.mirror = !drawing.mirror;
    setPressed(element, drawing.mirror);
  };
  const label = 'Mirror: draw both halves at once';
  const element = button('mirror', label, toggle, { quiet: true, 'aria-pressed': 'false' });
  return element;
}

function sendButton() {
  return button('send', 'Send to sliders', send, { class: 'primary', id: 'draw-send', dataset: { tip: SEND_TIP } });
}

function sizeField() {
  const range = { min: 2, max: 60, step: 1, value: drawing.size };
  return field('draw-size', 'Size', range, SIZE_TIP, (value) => {
    drawing.size = value;
  });
}

function blendField() {
  const range = { min: 0, max: 1, step: 0.01, value: blend };
  return field('draw-blend', 'Mean blend', range, BLEND_TIP, (value) => {
    blend = value;
    requestReconstruction();
  });
}

/**
 * A slider with a label and its value.
 * @param {string} id
 * @param {string} label
 * @param {{min: number, max: number, step: number, value: number}} range
 * @param {string} tip
 * @param {(value: number) => void} onChange
 */
function field(id, label, range, tip, onChange) {
  const output = h('output', {}, String(range.value));
  const input = h('input', { type: 'range', id, ...range, dataset: { tip } });
  input.addEventListener('input', () => {
    output.textContent = input.value;
    onChange(Number(input.value));
  });
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, output);
}

/**
 * @param {string} label
 * @param {boolean} checked
 * @param {(checked: boolean) => void} onChange
 */
function checkbox(label, checked, onChange) {
  const box = h('input', { type: 'checkbox', checked });
  box.addEventListener('change', () => onChange(box.checked));
  return h('label', { class: 'check' }, box, label);
}

/** @param {boolean} shown */
function setMeanFace(shown) {
  showMeanFace = shown;
  drawBackground();
  requestReconstruction();
}

/** @param {boolean} shown */
function setReconstruction(shown) {
  showReconstruction = shown;
  updateReconstruction();
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
  custom.addEventListener('input', () => selectColour(custom.value));
  setChildren(colours, palette.map(swatch), gray ? null : custom);
}

/** @param {string} code */
function swatch(code) {
  const element = h('button', {
    type: 'button',
    class: 'swatch',
    'aria-label': `Colour ${code}`,
    dataset: { colour: code },
    onclick: () => selectColour(code),
  });
  element.style.background = code;
  return element;
}

/** @param {string} code */
function selectColour(code) {
  drawing.colour = code;
  showSelection();
}

/** Marks the selected tool and colour. */
function showSelection() {
  for (const element of tools.querySelectorAll('button')) setPressed(element, element.dataset.tool === drawing.tool);
  for (const element of colours.querySelectorAll('button')) {
    setPressed(element, element.dataset.colour === drawing.colour);
  }
}

// ---- The drawing and its reconstruction

/** Starts an empty drawing for the open space. */
function reset() {
  const { input, picture } = openFacts();
  const zoom = CANVAS / Math.max(input.width, input.height);
  drawing.reset(Math.round(input.width * zoom), Math.round(input.height * zoom));
  reconstruction = null;
  mean = null;
  const palette = picture.channels === 1 ? GRAYS : COLOURS;
  fillColours(palette);
  selectColour(palette[0]);
  if (active) open(true);
}

/** @param {boolean} selected whether the tab is open */
async function open(selected) {
  active = selected;
  $('#drawing').hidden = !selected;
  document.body.classList.toggle('drawing', selected);
  if (!selected) {
    showPreview(null);
    return;
  }
  mean ??= await engine.mean().catch(() => null);
  drawBackground();
  if (drawing.empty || !reconstruction) await requestReconstruction();
  updateReconstruction();
}

/** The background: the mean face, faint, over its mean colour; or that colour alone. */
function drawBackground() {
  const { background } = drawing;
  const context = context2d(background);
  context.globalAlpha = 1;
  context.fillStyle = mean ? meanColour(mean.picture) : BACKGROUND;
  context.fillRect(0, 0, background.width, background.height);
  if (mean && showMeanFace) drawMeanFace(context, mean.picture);
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

const requestReconstruction = latestWins(async () => {
  const wait = lastRequest + INTERVAL_MS - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  lastRequest = performance.now();
  const image = encoderInput();
  const start = performance.now();
  reconstruction = await engine.encode(image, blend);
  updateReconstruction();
  measurePaint('facespace:drawn', start);
});

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

function updateReconstruction() {
  if (!active) return;
  if (reconstruction && showReconstruction) showPreview(reconstruction.picture, 'Reconstruction');
  document.body.classList.toggle('alone', !showReconstruction);
}

async function send() {
  await requestReconstruction();
  if (!reconstruction) return;
  loadFace(reconstruction, 'Drawing');
  setView({ source: 'random' });
}
