// @ts-check
/** The contact sheet of a slider: the face at nine of its values, in a dialog and as one exported picture. */

import { attempt, button, context2d, dialog, download, h } from './dom.js';
import { toDocument } from './document.js';
import { engine } from './engine.js';
import { paint, thumbnail, toPng } from './pictures.js';
import { withDocument } from './png.js';

/** @typedef {import('./types.js').Picture} Picture */

const REACH = 3; // standard deviations to either side
const FACES = 9;
const EXPORTED_WIDTH = 256; // pixels of a face in the exported picture, about
const MARGIN = 20; // pixels
const TITLE_HEIGHT = 46;
const VALUE_HEIGHT = 40;
const FONT = '22px system-ui, sans-serif';
const [INK, PAPER] = ['#1b1c22', '#ffffff'];

const VALUES = Array.from({ length: FACES }, (_, i) => REACH * ((2 * i) / (FACES - 1) - 1));

/**
 * A value with its sign and two decimals.
 * @param {number} value
 */
function exactly(value) {
  const sign = value > 0 ? '+' : '−';
  return value === 0 ? '0' : `${sign}${Math.abs(value).toFixed(2)}`;
}

/**
 * Opens the contact sheet of an axis.
 * @param {string} label of the axis
 * @param {(value: number) => Float32Array} faceAt the latent of the face at a value
 * @param {(value: number) => void} use moves the face there
 */
export async function openSheet(label, faceAt, use) {
  const made = toDocument(); // of the face that the sheet is of, whatever it is when the sheet is there
  const pictures = await attempt(async () => engine.decode(VALUES.map(faceAt)));
  if (!pictures) return;
  const title = `${label}, −${REACH} to +${REACH} σ`;
  const useFace = (/** @type {number} */ value) => {
    box.close();
    use(value);
  };
  const faces = pictures.map((picture, i) => sheetFace(picture, label, VALUES[i], useFace));
  const save = () => attempt(() => saveSheet(pictures, title, made));
  const png = button('export', 'Picture (PNG)', save, { class: 'primary', id: 'sheet-png', once: true });
  const hint = h('p', { class: 'hint' }, 'Values in standard deviations (σ). A click on a face moves the face there.');
  const box = dialog(title, h('div', { class: 'sheet-faces' }, faces), hint, h('div', { class: 'line' }, png));
  box.classList.add('sheet-dialog');
}

/**
 * @param {Picture} picture
 * @param {string} label
 * @param {number} value
 * @param {(value: number) => void} use
 */
function sheetFace(picture, label, value, use) {
  const text = exactly(value);
  const props = { type: 'button', class: 'tile', 'aria-label': `${label} ${text} σ: use this face` };
  const tile = h('button', { ...props, onclick: () => use(value) }, thumbnail(picture));
  return h('figure', {}, tile, h('figcaption', { 'aria-hidden': 'true' }, text));
}

/**
 * @param {Picture[]} pictures
 * @param {string} title
 * @param {object} made the document of the page
 */
async function saveSheet(pictures, title, made) {
  const blob = await toPng(sheetCanvas(pictures, title));
  download(await withDocument(blob, made), 'sheet.png');
}

/**
 * The faces in a row, with the title above and the values below.
 * @param {Picture[]} pictures
 * @param {string} title
 */
function sheetCanvas(pictures, title) {
  const [{ width, height }] = pictures;
  const zoom = Math.max(1, Math.round(EXPORTED_WIDTH / width));
  const [wide, high] = [width * zoom, height * zoom];
  const canvas = document.createElement('canvas');
  canvas.width = 2 * MARGIN + pictures.length * wide;
  canvas.height = MARGIN + TITLE_HEIGHT + high + VALUE_HEIGHT + MARGIN / 2;
  const context = context2d(canvas);
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = INK;
  context.font = FONT;
  context.fillText(title, MARGIN, MARGIN + TITLE_HEIGHT / 2);
  context.textAlign = 'center';
  const face = document.createElement('canvas');
  const top = MARGIN + TITLE_HEIGHT;
  for (const [i, picture] of pictures.entries()) {
    const left = MARGIN + i * wide;
    paint(face, picture, zoom);
    context.drawImage(face, left, top);
    context.fillText(`${exactly(VALUES[i])} σ`, left + wide / 2, top + high + VALUE_HEIGHT * 0.7);
  }
  return canvas;
}
