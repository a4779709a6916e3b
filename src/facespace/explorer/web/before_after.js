// @ts-check
/** Pictures of an edit: the original beside the edited face, and an animation in which a line wipes from one to the
 * other. */

import { context2d } from './dom.js';
import { gifFile } from './gif.js';
import { COLOURS, paletteOf, quantizer } from './palettes.js';
import { paint, toPng } from './pictures.js';

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
 * A GIF: a line moves over the face, the original left of it, the edited face right of it, and back.
 * @param {Picture} original
 * @param {Picture} edited of the same size
 * @param {boolean} withPhoto whether the original is a photograph
 */
export function wipe(original, edited, withPhoto) {
  const pictures = [enlarged(original), enlarged(edited)];
  const { width, height } = pictures[0];
  const palette = withWhite(paletteOf(pictures));
  const [left, right] = pictures.map(quantizer(palette));
  const file = gifFile(width, height, palette, withPhoto ? PHOTO_COMMENT : COMMENT);
  for (const place of places(width)) {
    const delay = place <= 0 || place >= width ? HOLD_MS : STEP_MS;
    file.add(frame({ width, height }, left, right, place, palette.length / 3 - 1), delay / 10);
  }
  return new Blob([file.finish()], { type: 'image/gif' });
}

/**
 * A palette whose last colour is white, that of the line.
 * @param {Uint8Array} palette
 */
function withWhite(palette) {
  const kept = palette.subarray(0, 3 * (COLOURS - 1));
  return Uint8Array.from([...kept, 255, 255, 255]);
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
 * A frame: the original left of the line, the edited face right of it.
 * @param {Size} size
 * @param {Uint8Array} left
 * @param {Uint8Array} right
 * @param {number} place of the line; at both ends there is none
 * @param {number} white index of the line's colour
 */
function frame({ width, height }, left, right, place, white) {
  const indices = new Uint8Array(width * height);
  const line = place > 0 && place < width ? (LINE - 1) / 2 : -1;
  for (let i = 0; i < indices.length; i++) {
    const x = i % width;
    const side = x < place ? left : right;
    indices[i] = Math.abs(x - place) <= line ? white : side[i];
  }
  return indices;
}
