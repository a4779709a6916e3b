// @ts-check
/** Pictures of an edit: the original beside the edited face, and an animation in which a line wipes from one to the
 * other. */

import { context2d } from './dom.js';
import { quantize, WHITE, writeGif } from './gif.js';
import { paint, toPng } from './pictures.js';

/** @typedef {import('./gif.js').GifFrame} GifFrame */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Size} Size */

const SIDE = 512; // pixels of the longer side of a face in the file, about
const MARGIN = 20; // pixels
const CAPTION_HEIGHT = 44;
const FONT = '22px system-ui, sans-serif';
const [INK, PAPER] = ['#1b1c22', '#ffffff'];
const STEPS = 24; // of the line, one way
const STEP_MS = 50;
const HOLD_MS = 900; // at both ends
const LINE = 3; // pixels
const COMMENT = 'A trained model made this picture (trainedAlgorithmicMedia).';
const PHOTO_COMMENT =
  'A photograph, and a picture that a trained model made (compositeWithTrainedAlgorithmicMedia).';

/** @param {Picture} picture */
function zoomOf({ width, height }) {
  return Math.max(1, Math.round(SIDE / Math.max(width, height)));
}

/**
 * @param {Picture} original
 * @param {Picture} edited of the same size
 */
export async function sideBySide(original, edited) {
  const zoom = zoomOf(edited);
  const [width, height] = [edited.width * zoom, edited.height * zoom];
  const canvas = document.createElement('canvas');
  canvas.width = 2 * width + 3 * MARGIN;
  canvas.height = height + MARGIN + CAPTION_HEIGHT;
  const context = context2d(canvas);
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = INK;
  context.font = FONT;
  context.textAlign = 'center';
  const face = document.createElement('canvas');
  for (const [i, [picture, caption]] of /** @type {[Picture, string][]} */ ([
    [original, 'Original'],
    [edited, 'Edited'],
  ]).entries()) {
    const left = MARGIN + i * (width + MARGIN);
    paint(face, picture, zoom);
    context.drawImage(face, left, MARGIN);
    context.fillText(caption, left + width / 2, MARGIN + height + CAPTION_HEIGHT * 0.68);
  }
  return toPng(canvas);
}

/**
 * A picture as large as it is shown in the file.
 * @param {Picture} picture
 * @returns {Picture}
 */
function enlarged(picture) {
  const canvas = document.createElement('canvas');
  paint(canvas, picture, zoomOf(picture));
  const { width, height } = canvas;
  return { pixels: context2d(canvas).getImageData(0, 0, width, height).data, width, height };
}

/**
 * A GIF: a line moves over the face, the original left of it, the edited face right of it, and back. Of each frame only
 * the columns that change are stored.
 * @param {Picture} original
 * @param {Picture} edited of the same size
 * @param {boolean} withPhoto whether the original is a photograph
 */
export function wipe(original, edited, withPhoto) {
  const pictures = [enlarged(original), enlarged(edited)];
  const { width, height } = pictures[0];
  const { palette, indices } = quantize(pictures);
  const [left, right] = indices;
  /** @type {GifFrame[]} */
  const frames = [];
  let before = 0;
  for (const place of places(width)) {
    const first = frames.length === 0;
    const from = first ? 0 : Math.max(0, Math.min(place, before) - LINE);
    const to = first ? width : Math.min(width, Math.max(place, before) + LINE);
    const part = columns({ width, height }, left, right, place, from, to);
    const delay = place <= 0 || place >= width ? HOLD_MS : STEP_MS;
    frames.push({ left: from, top: 0, width: to - from, height, indices: part, delay });
    before = place;
  }
  const file = writeGif({ width, height }, palette, frames, withPhoto ? PHOTO_COMMENT : COMMENT);
  return new Blob([file], { type: 'image/gif' });
}

/**
 * Where the line is in each frame: to the right and back, slower at the ends.
 * @param {number} width
 */
function places(width) {
  const way = [];
  for (let step = 0; step <= STEPS; step++) {
    const share = (1 - Math.cos((Math.PI * step) / STEPS)) / 2;
    way.push(Math.round(width * share));
  }
  return [...way, ...way.slice(1, -1).reverse()];
}

/**
 * The columns of a frame: the original left of the line, the edited face right of it.
 * @param {Size} size
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 * @param {number} place of the line; at both ends there is none
 * @param {number} from
 * @param {number} to
 */
function columns({ width, height }, left, right, place, from, to) {
  const part = new Uint8Array((to - from) * height);
  const line = place > 0 && place < width ? (LINE - 1) / 2 : -1;
  let i = 0;
  for (let y = 0; y < height; y++) {
    for (let x = from; x < to; x++) {
      const side = x < place ? left : right;
      part[i] = Math.abs(x - place) <= line ? WHITE : side[y * width + x];
      i += 1;
    }
  }
  return part;
}
