// @ts-check
/** From strokes on the face to its latent: one after the other, each a step of the history once the face has taken it
 * on. What changes the face meanwhile ends those that wait, since they were painted on another one. */

import { announce, attempt, context2d, toast } from './dom.js';
import { engine } from './engine.js';
import { awaited } from './pending.js';
import { cachePicture, paint as paintPicture, pictureOf } from './pictures.js';
import { commit, on, openFacts, setPaint, state, withoutAct } from './state.js';
import { paintStroke } from './strokes.js';

/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Size} Size */
/** @typedef {import('./types.js').Stroke} Stroke */

const LONGER_SIDE = 448; // pixels of the layer
const LABEL = 'Paint';
const NOTHING = 'The model knows no face near this one that is closer to this paint. Try a larger stroke.';

/** The face that the waiting strokes lie on. @type {Float32Array | null} */
let under = null;
/** The stroke that the engine works on. @type {Stroke | null} */
let worked = null;

export function startFacePaint() {
  on('facts', () => {
    worked = null;
    under = null;
  });
  on('z', () => {
    if (state.paint.length && under !== null && !same(under, state.z)) setPaint([]);
  });
  on('paint', () => {
    if (worked && state.paint[0] !== worked) {
      worked = null;
      engine.cancelEdit().catch(console.debug);
    }
    awaited(read());
  });
}

/**
 * Whether two latents are the same face, as that of a link after a reload is.
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
const same = (a, b) => a.length === b.length && a.every((value, d) => value === b[d]);

/** The size of the layer over a face of the open space. @returns {Size} */
export function layerSize() {
  const { width, height } = openFacts().picture;
  const zoom = LONGER_SIDE / Math.max(width, height);
  return { width: Math.round(width * zoom), height: Math.round(height * zoom) };
}

/** Lets the face take on the first of the waiting strokes, and then the others. */
async function read() {
  const [stroke] = state.paint;
  if (!stroke) under = null;
  if (!stroke || worked) return;
  worked = stroke;
  const from = state.z;
  under = from;
  announce('The face takes on the paint.');
  const painted = await attempt(async () => engine.paint(from, strokePicture(stroke, await pictureOf(from))));
  if (worked !== stroke) return; // taken back, or another face
  worked = null;
  if (!painted) {
    setPaint([]);
    return;
  }
  const left = state.paint.slice(1);
  under = painted.z;
  if (same(from, painted.z)) toast(NOTHING);
  cachePicture(painted.z, painted.picture);
  withoutAct(() => commit(LABEL, painted.z)); // which the stroke was
  setPaint(left); // which goes on with the next one
}

/**
 * A face over a whole canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} face
 */
export function drawFace(canvas, face) {
  const source = document.createElement('canvas');
  paintPicture(source, face);
  const context = context2d(canvas);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
}

/**
 * A stroke alone, in the size of the face.
 * @param {Stroke} stroke
 * @param {Picture} face that it lies on
 */
function strokePicture(stroke, face) {
  const { width, height } = openFacts().picture;
  const large = document.createElement('canvas');
  Object.assign(large, layerSize());
  const visible = document.createElement('canvas');
  Object.assign(visible, layerSize());
  drawFace(visible, face);
  paintStroke(large, visible, stroke);
  const small = document.createElement('canvas');
  Object.assign(small, { width, height });
  const context = context2d(small, { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(large, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
