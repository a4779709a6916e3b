// @ts-check
/** From a drawing to the face: the model reads it while a stroke goes on, and once more when it is complete. Edits stay
 * on top of further strokes. */

import { attempt, context2d } from './dom.js';
import { engine } from './engine.js';
import { latestWins } from './latest.js';
import { plus } from './maths.js';
import { awaited } from './pending.js';
import { cachePicture, measurePaint } from './pictures.js';
import { commit, move, openFacts, setDrawing, setOriginal, settleDrawing, state, step } from './state.js';

/** @typedef {import('./drawing.js').Drawing} Drawing */
/** @typedef {import('./types.js').Face} Face */
/** @typedef {import('./types.js').Original} Original */
/** @typedef {import('./types.js').Stroke} Stroke */
/** @typedef {{strokes: Stroke[], step: number}} Drawn `step`: of the history */

const INTERVAL_MS = 33; // between two requests

let lastRequest = 0;
/** @type {Drawing} */
let drawing;
/** What was edited on top of the drawing, while a stroke goes on. @type {Float32Array | null} */
let edits = null;
let editsKnown = false;
let readBlend = state.view.blend; // of the last drawing that was read for a step
/** Strokes that are complete are read one after the other: each is a step of its own, however slow the server is. */
let reading = Promise.resolve();

/** @param {Drawing} board */
export function readFrom(board) {
  drawing = board;
}

/**
 * @param {Stroke[]} strokes
 * @param {boolean} finished whether a step of the history is complete
 * @param {string} label
 */
export function draw(strokes, finished, label) {
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
export function cancelStroke() {
  editsKnown = false;
  step(state.historyIndex);
}

/**
 * The same drawing, read in another way.
 * @param {boolean} finished
 */
export function drawAgain(finished) {
  if (state.drawing.length && state.original.drawn) draw([...state.drawing], finished, 'Reading');
}

/** The blend towards the mean is no more changed: it is another one, or back where it was, as after a swipe. */
export function endReading() {
  if (state.view.blend === readBlend) cancelStroke();
  else drawAgain(true);
}

/** Reads a drawing whose answer had not come when the page was loaded again. */
export function readAgain() {
  if (state.original.unread) readDrawing(state.original);
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
  awaited(reading);
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
