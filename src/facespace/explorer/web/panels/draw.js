// @ts-check
/** Draw a face and see live how the model understands it. The drawing has its own undo; only "Send to sliders" makes the
 * result the face of the page. */

import { $, button, fill, h } from '../dom.js';
import { engine, latestWins } from '../engine.js';
import { measurePaint, paint } from '../faces.js';
import { on, setFace, setView, state } from '../state.js';
import { know, visit } from './stage.js';

const SIDE = 448, INTERVAL = 33, STEPS = 40; // pixels of the longer side, milliseconds between pictures, undo
const TOOLS = /** @type {[string, string, string][]} */ ([['pen', 'pen', 'Pen: a hard line'], ['brush', 'brush', 'Soft brush: a gentle tint'], ['eraser', 'eraser', 'Eraser: back to the ghost'], ['fill', 'fill', 'Fill: colours an area']]);
const COLOURS = ['#1d1512', '#4a2f20', '#8a5a3a', '#c98f66', '#eac0a0', '#f7e2d2', '#ffffff', '#b4473f', '#3f5f8f', '#587a4a', '#8f8f8f', '#d9b45a'];
const GRAYS = ['#000000', '#2b2b2b', '#555555', '#808080', '#aaaaaa', '#d5d5d5', '#ffffff'];

let tool = 'pen', colour = '#1d1512', size = 10, mirror = false, trust = 0.85, ghost = true, live = true, active = false;
/** @type {HTMLCanvasElement} */
let sheet; // strokes over nothing
/** @type {HTMLCanvasElement} */
let under; // the ghost
/** @type {HTMLCanvasElement} */
let whole; // both, as the model gets them
/** @type {any} */
let board, tools, colours;
/** @type {ImageData[]} */
let past = [];
/** @type {{z: Float32Array, picture: any} | null} */
let seen = null;
/** @type {import('../engine.js').Face | null} */
let mean = null;

export function startDraw() {
  sheet = document.createElement('canvas');
  under = document.createElement('canvas');
  whole = document.createElement('canvas');
  board = h('canvas', { class: 'board', role: 'img', tabindex: 0, 'aria-label': 'Your drawing. Draw with a mouse, a pen or a finger.' });
  listen();
  tools = h('div', { class: 'line', role: 'group', 'aria-label': 'Tool' }, TOOLS.map(([name, picture, words]) => button(picture, words, () => { tool = name; press(); }, { quiet: true, dataset: { tool: name, tip: words } })));
  colours = h('div', { class: 'swatches', role: 'group', 'aria-label': 'Colour' });
  const mirrorButton = button('mirror', 'Mirror: draw both halves at once', () => { mirror = !mirror; mirrorButton.setAttribute('aria-pressed', String(mirror)); }, { quiet: true, 'aria-pressed': 'false' });
  fill($('#draw'),
    h('div', { class: 'panel-head' }, h('h2', {}, 'Draw'), h('div', { class: 'line' }, button('undo', 'Undo the last stroke', undoStroke, { quiet: true }), button('trash', 'Clear the drawing', clear, { quiet: true, id: 'draw-clear' }))),
    h('div', { class: 'line' }, tools, mirrorButton),
    colours,
    field('draw-size', 'Size', 2, 60, 1, size, 'The width of pen, brush and eraser, in pixels of the sheet.', (value) => { size = value; }),
    field('draw-trust', 'Trust', 0, 1, 0.01, trust, 'Sketches lie far from the faces that the model learned. Less trust draws the result nearer to the average face; 1 takes your drawing as it is.', (value) => { trust = value; send(undefined); }),
    check('Start from a faint average face', ghost, (on) => { ghost = on; layUnder(); send(undefined); }),
    check('Show what the model sees', live, (on) => { live = on; showInterpretation(); }),
    h('div', { class: 'line' }, button('send', 'Send to sliders', take, { class: 'primary', id: 'draw-send', dataset: { tip: 'Makes what the model sees the face of the page, to edit it with the sliders.' } })));
  fill($('#easel'), h('p', { class: 'caption' }, 'You drew'), board);
  on('facts', reset);
  on('view', () => { if ((state.view.source === 'draw') !== active) open(state.view.source === 'draw'); });
}

/** @param {string} id @param {string} words @param {number} min @param {number} max @param {number} step @param {number} value @param {string} tip @param {(value: number) => void} changed */
function field(id, words, min, max, step, value, tip, changed) {
  const out = h('output', {}, String(value));
  const input = h('input', { type: 'range', id, min, max, step, value, dataset: { tip }, oninput: () => { out.textContent = input.value; changed(Number(input.value)); } });
  return h('div', { class: 'field' }, h('label', { for: id }, words), input, out);
}
/** @param {string} words @param {boolean} on @param {(on: boolean) => void} changed */
const check = (words, on, changed) => h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: on, onchange: (/** @type {any} */ event) => changed(event.target.checked) }), words);

function press() {
  for (const one of tools.children) one.setAttribute('aria-pressed', String(one.dataset.tool === tool));
  for (const one of colours.querySelectorAll('button')) one.setAttribute('aria-pressed', String(one.dataset.colour === colour));
}

function reset() {
  const { width, height } = state.facts.input, zoom = SIDE / Math.max(width, height);
  for (const canvas of [sheet, under, whole, board]) { canvas.width = Math.round(width * zoom); canvas.height = Math.round(height * zoom); }
  past = [];
  seen = mean = null;
  const gray = state.facts.picture.channels === 1, palette = gray ? GRAYS : COLOURS;
  colour = palette[0];
  const own = h('input', { type: 'color', value: colour, 'aria-label': 'Another colour', dataset: { tip: 'Another colour' }, oninput: () => { colour = own.value; press(); } });
  fill(colours, palette.map((code) => {
    const one = h('button', { type: 'button', class: 'swatch', 'aria-label': `Colour ${code}`, dataset: { colour: code }, onclick: () => { colour = code; press(); } });
    one.style.background = code;
    return one;
  }), gray ? null : own);
  press();
  if (active) open(true);
}

async function open(/** @type {boolean} */ on) {
  active = on;
  $('#easel').hidden = !on;
  document.body.classList.toggle('drawing', on);
  if (!on) { visit(null); return; }
  mean ??= await engine.mean().catch(() => null);
  layUnder();
  if (past.length === 0 || !seen) await send(undefined);
  showInterpretation();
}

/** The ghost: the average face, faint, over its own mean colour; or that colour alone. */
function layUnder() {
  const context = /** @type {CanvasRenderingContext2D} */ (under.getContext('2d'));
  context.globalAlpha = 1;
  context.fillStyle = '#b9b2ad';
  if (mean) {
    const face = document.createElement('canvas'), { width, height } = mean.picture;
    paint(face, mean.picture);
    const sums = [0, 0, 0];
    for (let i = 0; i < mean.picture.pixels.length; i++) if (i % 4 < 3) sums[i % 4] += mean.picture.pixels[i];
    context.fillStyle = `rgb(${sums.map((sum) => Math.round(sum / (width * height))).join(' ')})`;
    context.fillRect(0, 0, under.width, under.height);
    if (ghost) {
      const across = (width / state.facts.input.width) * under.width, down = (height / state.facts.input.height) * under.height;
      context.globalAlpha = 0.6;
      context.imageSmoothingQuality = 'high';
      context.drawImage(face, 0, 0, under.width, under.height); // the edge that the space takes in and does not draw
      context.drawImage(face, (under.width - across) / 2, (under.height - down) / 2, across, down);
    }
  } else context.fillRect(0, 0, under.width, under.height);
  show();
}

function show() {
  for (const canvas of [whole, board]) {
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.drawImage(under, 0, 0);
    context.drawImage(sheet, 0, 0);
  }
}

let sent = 0;
const send = latestWins(async () => {
  const wait = sent + INTERVAL - performance.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  sent = performance.now();
  const { width, height } = state.facts.input, small = document.createElement('canvas');
  small.width = width;
  small.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d', { willReadFrequently: true }));
  context.imageSmoothingQuality = 'high';
  context.drawImage(whole, 0, 0, width, height);
  const asked = performance.now();
  const face = await engine.encode(context.getImageData(0, 0, width, height), trust);
  seen = { z: face.z, picture: face.picture };
  showInterpretation();
  measurePaint('facespace:drawn', asked);
});

function showInterpretation() {
  if (!active) return;
  if (seen && live) visit(seen.picture, 'The model sees');
  document.body.classList.toggle('alone', !live);
}

async function take() {
  await send(undefined);
  if (!seen) return;
  know(seen.z, seen.picture);
  setFace(seen.z, 'Drawing');
  setView({ source: 'random' });
}

function keepStep() {
  past.push(/** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d', { willReadFrequently: true })).getImageData(0, 0, sheet.width, sheet.height));
  if (past.length > STEPS) past.shift();
}
function undoStroke() {
  const before = past.pop();
  if (!before) return;
  /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d', { willReadFrequently: true })).putImageData(before, 0, 0);
  show();
  send(undefined);
}
function clear() {
  keepStep();
  /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d', { willReadFrequently: true })).clearRect(0, 0, sheet.width, sheet.height);
  show();
  send(undefined);
}

function listen() {
  /** @type {[number, number] | null} */
  let from = null;
  const at = (/** @type {PointerEvent} */ event) => {
    const box = board.getBoundingClientRect();
    return /** @type {[number, number]} */ ([((event.clientX - box.left) / box.width) * board.width, ((event.clientY - box.top) / box.height) * board.height]);
  };
  board.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    board.setPointerCapture(event.pointerId);
    keepStep();
    from = at(event);
    if (tool === 'fill') { flood(Math.floor(from[0]), Math.floor(from[1])); from = null; } else stroke(from, from);
    event.preventDefault();
  });
  board.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => {
    if (!from) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) { const to = at(one); stroke(from, to); from = to; }
  });
  for (const end of ['pointerup', 'pointercancel']) board.addEventListener(end, () => { from = null; });
}

/** @param {[number, number]} from @param {[number, number]} to */
function stroke(from, to) {
  const context = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d', { willReadFrequently: true }));
  context.globalCompositeOperation = tool === 'eraser' ? 'destination-out' : 'source-over';
  for (const flip of mirror ? [false, true] : [false]) {
    const x = (/** @type {number} */ value) => (flip ? sheet.width - value : value);
    if (tool === 'brush') dabs(context, [x(from[0]), from[1]], [x(to[0]), to[1]]);
    else {
      context.lineCap = 'round';
      context.lineWidth = size;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(x(from[0]), from[1]);
      context.lineTo(x(to[0]) + 0.01, to[1]);
      context.stroke();
    }
  }
  context.globalCompositeOperation = 'source-over';
  show();
  send(undefined);
}

/** Soft round spots along a line. @param {CanvasRenderingContext2D} context @param {[number, number]} from @param {[number, number]} to */
function dabs(context, from, to) {
  const count = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / (size / 3)));
  for (let i = 1; i <= count; i++) {
    const x = from[0] + ((to[0] - from[0]) * i) / count, y = from[1] + ((to[1] - from[1]) * i) / count;
    const spot = context.createRadialGradient(x, y, 0, x, y, size);
    spot.addColorStop(0, `${colour}40`);
    spot.addColorStop(1, `${colour}00`);
    context.fillStyle = spot;
    context.fillRect(x - size, y - size, 2 * size, 2 * size);
  }
}

/** Colours what is joined to a place and looks like it. @param {number} x @param {number} y */
function flood(x, y) {
  const { width, height } = whole, context = /** @type {CanvasRenderingContext2D} */ (sheet.getContext('2d', { willReadFrequently: true }));
  const seenPixels = /** @type {CanvasRenderingContext2D} */ (whole.getContext('2d', { willReadFrequently: true })).getImageData(0, 0, width, height).data;
  const image = context.getImageData(0, 0, width, height), start = 4 * (y * width + x), todo = [y * width + x], done = new Uint8Array(width * height);
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const like = (/** @type {number} */ at) => Math.abs(seenPixels[at] - seenPixels[start]) + Math.abs(seenPixels[at + 1] - seenPixels[start + 1]) + Math.abs(seenPixels[at + 2] - seenPixels[start + 2]) < 48;
  while (todo.length) {
    const place = /** @type {number} */ (todo.pop());
    if (place < 0 || place >= done.length || done[place] || !like(4 * place)) continue;
    done[place] = 1;
    image.data.set([r, g, b, 255], 4 * place);
    if (place % width) todo.push(place - 1);
    if ((place + 1) % width) todo.push(place + 1);
    todo.push(place - width, place + width);
  }
  context.putImageData(image, 0, 0);
  show();
  send(undefined);
}
