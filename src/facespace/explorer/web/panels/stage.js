// @ts-check
/** The stage: the face in large, its zoom, the comparison with the original, and its typicality. Other panels only
 * set the latent, or a preview. */

import { did } from '../activity.js';
import { $, announce, button, find, h, setChildren, setPressed } from '../dom.js';
import { bindToggle } from '../fields.js';
import { engine } from '../engine.js';
import { latestWins } from '../latest.js';
import { distancePercentile, distanceRatio } from '../maths.js';
import { cachePicture, measurePaint, paint, pictureOf } from '../pictures.js';
import { on, openFacts, setFace, setView, state } from '../state.js';

/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Picture} Picture */

const EXPORTED_SIDE = 512; // pixels of an exported picture, about
const CAPTION_HEIGHT = 30; // pixels
const LEAST_HEIGHT = 120; // pixels
const WASTED_ROOM = 1.2; // from which a smooth face is not kept at whole steps of zoom

/** What the face is called beside a drawing. @type {Record<string, string>} */
const CAPTIONS = { draw: 'Face' };

const COMPARE_TIP =
  'Hold this, or the key X, to see the original: the face before your edits, or the photo that it was encoded ' +
  'from.';
const SPLIT_TIP = 'The original on the left of a line, the edited face on its right.';
const PIXELS_TIP = 'Shows the pixels of this face instead of a smooth enlargement.';

/** Distances as multiples of a usual face's, and words for what lies below, of the distance alone. */
/** @type {[number, string][]} */
const DISTANCES = [
  [0.5, 'Near average'],
  [1.15, 'Usual distance'],
  [1.5, 'Far out'],
];
const BEYOND = 'Beyond the model';
const LONGEST_RATIO = 2; // that the gauge shows
const HARDLY = 'Hardly a face';
const NONE = 'No face';
const DOUBT_TIP = ' A face detector is less sure of this face than of 95 % of them.';
const DRAWN_TIP =
  ' This face was read from a drawing, which can lie at a usual distance and look like no face: judge it by eye.';

/** @type {Picture | null} */
let current = null;
/** What a drawing or an animation shows instead of the face. @type {Picture | null} */
let preview = null;
let previewText = '';
let comparing = false;
let updates = 0;
/** How sure the face detector is of a face. @type {{z: Float32Array, score: number | null} | null} */
let scored = null;

/** @type {HTMLCanvasElement} */
let face;
/** @type {HTMLCanvasElement} */
let original;
/** @type {HTMLInputElement} */
let divider;
/** @type {HTMLElement} */
let caption;
/** @type {HTMLElement} */
let meter;
/** @type {HTMLElement} */
let compareButton;

export function startStage() {
  face = h('canvas', { class: 'face', id: 'face', role: 'img', 'aria-label': 'The face' });
  original = h('canvas', { class: 'face original', 'aria-hidden': 'true', hidden: true });
  const range = { min: 0, max: 100, value: 50 };
  const dividerLabel = { 'aria-label': 'Where the original ends' };
  divider = h('input', { type: 'range', ...range, class: 'divider', ...dividerLabel, hidden: true });
  divider.addEventListener('input', placeDivider);
  caption = h('p', { class: 'caption', hidden: true });
  meter = h('div', { class: 'meter', tabindex: 0, role: 'note' });
  compareButton = createCompareButton();
  const first = find('#stage .first'); // of a static page, until there is a face
  const tools = h('div', { class: 'tools' }, compareButton, splitButton(), pixelsButton());
  setChildren(
    $('#stage'),
    h('div', { class: 'drawing-frame', id: 'drawing', hidden: true }),
    h('figure', { class: 'frame' }, caption, first, h('div', { class: 'faces', id: 'faces' }, face, original, divider)),
    h('div', { class: 'stage-footer' }, meter, tools),
  );
  new ResizeObserver(refresh).observe($('.frame'));
  on('z', update);
  on('face statistics decoder', () => scoreLatest(state.z));
  on('face', () => {
    showTypicality();
    announce(`${state.history[state.historyIndex]?.label ?? 'Face'}. ${typicalityText()}`);
  });
  on('statistics', showTypicality);
  on('view', refresh);
}

function createCompareButton() {
  const start = () => compare(true);
  const end = () => compare(false);
  const handleKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === ' ' || event.key === 'Enter') start();
  };
  return button('eye', 'Compare', () => {}, {
    dataset: { tip: COMPARE_TIP },
    onpointerdown: start,
    onpointerup: end,
    onpointerleave: end,
    onkeydown: handleKey,
    onkeyup: end,
    onblur: end,
  });
}

function splitButton() {
  return bindToggle(button('compare', 'Split', () => {}, { dataset: { tip: SPLIT_TIP } }), 'split');
}

function pixelsButton() {
  const toggle = () => setView({ smooth: !state.view.smooth });
  const element = button('pixels', 'Pixels', toggle, { dataset: { tip: PIXELS_TIP } });
  const show = () => setPressed(element, !state.view.smooth);
  on('view', show);
  show();
  return element;
}

// ---- What other panels call

/**
 * Makes a decoded face the face of the page.
 * @param {Face} loaded
 * @param {string} label
 * @param {Picture | null} [photo] that it was encoded from
 */
export function loadFace({ z, picture }, label, photo = null) {
  cachePicture(z, picture);
  setFace(z, label, photo);
}

/**
 * Shows another picture instead of the face; null ends it.
 * @param {Picture | null} picture
 * @param {string} [text] the caption
 */
export function showPreview(picture, text = '') {
  preview = picture;
  previewText = text;
  refresh();
}

/** The zoom of exported pictures. */
export function exportZoom() {
  const { width, height } = openFacts().picture;
  return Math.max(1, Math.round(EXPORTED_SIDE / Math.max(width, height)));
}

/**
 * Shows the original while `shown`.
 * @param {boolean} shown
 */
export function compare(shown) {
  if (comparing === shown) return;
  comparing = shown;
  setPressed(compareButton, shown);
  if (shown) did('compared', state.original.picture ? 'photo' : 'face');
  refresh();
}

// ---- The face

async function update() {
  updates += 1;
  const mine = updates;
  preview = null; // it would hide what has just changed
  const faces = $('#faces');
  faces.setAttribute('aria-busy', 'true');
  await decodeLatest({ z: state.z, start: performance.now() });
  if (mine === updates) faces.setAttribute('aria-busy', 'false');
}

const decodeLatest = latestWins(async (/** @type {{z: Float32Array, start: number}} */ { z, start }) => {
  current = await pictureOf(z);
  refresh();
  measurePaint('facespace:painted', start);
});

/** The picture of the original: the photo where there is one. */
async function originalPicture() {
  const { z, picture } = state.original;
  return picture ?? pictureOf(z);
}

/** The picture of the original, as large as that of the face. */
export const shownOriginal = async () => cropToFace(await originalPicture());

async function refresh() {
  if (!state.facts || !face) return;
  const { split } = state.view;
  caption.textContent = preview ? previewText : CAPTIONS[state.view.source] ?? '';
  caption.hidden = !caption.textContent;
  const zoom = Math.ceil(setFaceSize());
  if (!current && !preview) return;
  const shown = preview ?? /** @type {Picture} */ (current);
  face.setAttribute('aria-label', preview ? (caption.textContent ?? '') : `The face: ${typicalityText()}`);
  if ((split || comparing) && !preview) {
    paint(original, await shownOriginal(), zoom, state.view.smooth);
  }
  paint(face, shown, zoom, state.view.smooth);
  find('#stage .first')?.remove();
  $('#faces').classList.toggle('previewed', preview !== null);
  original.hidden = preview !== null || !(split || comparing);
  divider.hidden = preview !== null || !split || comparing;
  placeDivider();
}

/** Fits the face into its frame. Returns device pixels for each pixel of the face. */
function setFaceSize() {
  const { width, height } = openFacts().picture;
  const ratio = devicePixelRatio || 1;
  const scale = fittingScale(ratio);
  const cssWidth = `${(width * scale) / ratio}px`;
  for (const canvas of [face, original]) {
    canvas.style.width = cssWidth;
    canvas.classList.toggle('crisp', !state.view.smooth);
  }
  const faces = $('#faces');
  faces.style.width = cssWidth;
  faces.style.aspectRatio = `${width} / ${height}`;
  $('#drawing').style.setProperty('--wide', cssWidth);
  return scale;
}

/** @param {number} ratio device pixels for each CSS pixel */
function fittingScale(ratio) {
  const { width, height } = openFacts().picture;
  const room = $('.frame').getBoundingClientRect();
  const roomHeight = Math.max(room.height - CAPTION_HEIGHT, LEAST_HEIGHT);
  const fit = Math.min((room.width * ratio) / width, (roomHeight * ratio) / height);
  const whole = Math.max(1, Math.floor(fit));
  // Whole steps of zoom, but where they would waste a fifth of little room and pixels are smoothed anyway.
  return state.view.smooth && fit > WASTED_ROOM * whole ? fit : whole;
}

/**
 * The encoder's input may have a margin around what the decoder returns: of a photo, the middle is compared.
 * @param {Picture} picture
 */
function cropToFace(picture) {
  const { width, height } = openFacts().picture;
  if (picture.width === width && picture.height === height) return picture;
  const left = (picture.width - width) >> 1;
  const top = (picture.height - height) >> 1;
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const start = ((y + top) * picture.width + left) * 4;
    pixels.set(picture.pixels.subarray(start, start + width * 4), y * width * 4);
  }
  return { pixels, width, height };
}

function placeDivider() {
  const position = Number(divider.value);
  const faces = $('#faces');
  original.style.clipPath = comparing ? 'none' : `inset(0 ${100 - position}% 0 0)`;
  faces.style.setProperty('--at', `${position}%`);
  faces.classList.toggle('split', state.view.split && !comparing && !preview);
}

// ---- Typicality

const typicalityText = () => find('.meter b')?.textContent ?? '';

/** Asks the face detector, where there is one, of a face that no longer moves. */
const scoreLatest = latestWins(async (/** @type {Float32Array} */ z) => {
  if (state.statistics?.usualScore == null || !z.length) return;
  scored = { z, score: await engine.faceScore(z) };
  if (z === state.z) showTypicality();
});

/** What the face detector says against this face; empty where it finds one as surely as in usual faces. */
function doubt() {
  const usual = state.statistics?.usualScore ?? null;
  if (usual === null || scored?.z !== state.z || scored.score === null || scored.score >= usual) return '';
  return scored.score > 0 ? HARDLY : NONE;
}

function showTypicality() {
  const { statistics } = state;
  if (!statistics) {
    setChildren(meter, h('span', {}, 'Measuring the space…'));
    delete meter.dataset.tip;
    return;
  }
  const ratio = distanceRatio(statistics, state.z);
  const percent = distancePercentile(statistics, state.z);
  const [, words] = DISTANCES.find(([limit]) => ratio < limit) ?? [0, BEYOND];
  const gauge = h('span', { class: 'gauge', 'aria-hidden': 'true' });
  gauge.style.setProperty('--share', `${Math.min(100, (100 * ratio) / LONGEST_RATIO)}%`);
  const { drawn } = state.original;
  const comparison = `${ratio.toFixed(2)} × a usual face`;
  const origin = drawn ? h('span', { class: 'drawn' }, '· from a drawing') : null;
  const against = doubt();
  setChildren(meter, h('b', {}, against || words), gauge, h('span', {}, comparison), origin);
  meter.dataset.tip =
    `The Mahalanobis distance of this latent from the mean, beside the median of ${statistics.origin}: farther out ` +
    `than ${percent} % of them. The decoder is less reliable at large distances; a small one says that a face is ` +
    `near the average, not that it looks right.${drawn ? DRAWN_TIP : ''}${against ? DOUBT_TIP : ''}`;
}
