// @ts-check
/** The layer over the face on which strokes are painted, by pointer or by keys, while Draw paints on the face. */

import { $, announce, h } from '../dom.js';
import { Layer } from '../drawing.js';
import { drawFace, layerSize, startFacePaint } from '../face_paint.js';
import { clamp } from '../maths.js';
import { onNarrow, sourceInSight } from '../panel.js';
import { pictureOf } from '../pictures.js';
import { on, setPaint, state } from '../state.js';

/** @typedef {import('../types.js').Point} Point */
/** @typedef {import('../types.js').Stroke} Stroke */

const STEP = 8; // pixels of the layer that an arrow key moves the brush
const FINE = 2; // the same with Alt
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LABEL = 'Paint on the face. Arrow keys move the brush, Space starts and ends a stroke, Escape drops it.';

/** @type {Layer} */
let layer;
/** @type {HTMLElement} */
let cursor;
/** Of the brush, in pixels of the layer. @type {Point} */
let place = [0, 0];

/** @param {() => Omit<Stroke, 'points'>} pen what the next stroke is painted with */
export function startPaintLayer(pen) {
  const props = { role: 'application', tabindex: 0, 'aria-label': LABEL, hidden: true };
  const board = h('canvas', { class: 'paint-layer', id: 'paint-layer', ...props });
  cursor = h('span', { class: 'paint-cursor', 'aria-hidden': 'true' });
  $('#faces').append(board, cursor);
  const paint = (/** @type {Stroke[]} */ strokes, /** @type {boolean} */ finished) => {
    if (finished) setPaint(strokes);
  };
  layer = new Layer(board, pen, paint, showWaiting);
  board.addEventListener('keydown', handleKey);
  board.addEventListener('blur', drop);
  startFacePaint();
  on('facts', reset);
  on('paint', showWaiting);
  on('z', showFace);
  on('view', follow);
  onNarrow(follow);
}

/** Starts an empty layer for the open space. */
function reset() {
  const { width, height } = layerSize();
  layer.resize(width, height);
  place = [width / 2, height / 2];
  follow();
}

function follow() {
  const { source, drawOn, split } = state.view;
  const { board } = layer;
  const open = source === 'draw' && drawOn === 'face' && sourceInSight();
  board.hidden = !open || split || !state.facts;
  if (!board.hidden) showFace();
  showCursor();
}

/** Shows the strokes that the face has not taken on yet, and the one that goes on. */
function showWaiting() {
  const { stroke } = layer;
  layer.set(stroke ? [...state.paint, stroke] : state.paint);
  layer.board.setAttribute('aria-busy', String(state.paint.length > 0));
}

/** The face lies under the strokes: a fill looks at it. */
async function showFace() {
  const { z } = state;
  if (layer.board.hidden || !z.length) return;
  const face = await pictureOf(z).catch(() => null);
  if (!face || z !== state.z) return;
  drawFace(layer.background, face);
  layer.show();
}

// ---- Keys

/** @param {KeyboardEvent} event */
function handleKey(event) {
  if (event.ctrlKey || event.metaKey) return;
  const arrow = ARROWS[event.key];
  const toggles = event.key === ' ' || event.key === 'Enter';
  const drops = event.key === 'Escape' && layer.stroke;
  if (!arrow && !toggles && !drops) return;
  event.preventDefault();
  event.stopPropagation();
  if (arrow) moveBrush(arrow, event.altKey ? FINE : STEP);
  if (toggles && !event.repeat) toggleStroke();
  if (drops) drop();
  showCursor();
}

/**
 * @param {Point} direction
 * @param {number} step
 */
function moveBrush([x, y], step) {
  const { width, height } = layer.board;
  place = [clamp(place[0] + step * x, 0, width), clamp(place[1] + step * y, 0, height)];
  layer.go([place]);
}

function toggleStroke() {
  if (layer.stroke) {
    layer.end();
    return;
  }
  layer.begin(place);
  announce('The brush paints.');
}

/** Drops the stroke that goes on by keys. */
function drop() {
  if (!layer.stroke) return;
  layer.stroke = null;
  showWaiting();
}

function showCursor() {
  const { board } = layer;
  const { width, height } = board;
  cursor.hidden = board.hidden;
  cursor.style.left = `${(100 * place[0]) / width}%`;
  cursor.style.top = `${(100 * place[1]) / height}%`;
  cursor.style.width = `${(100 * Math.max(state.view.width, FINE)) / width}%`;
  cursor.classList.toggle('down', layer.stroke !== null);
}
