// @ts-check
/** The face, large: its zoom, the comparison with the original, and how typical it is. Every other panel only says which
 * latent to show. */

import { $, announce, button, fill, h } from '../dom.js';
import { engine, latestWins } from '../engine.js';
import { measurePaint, paint } from '../faces.js';
import { percentile } from '../maths.js';
import { on, setView, state } from '../state.js';

/** @type {import('../engine.js').Picture | null} */
let shown = null;
/** @type {import('../engine.js').Picture | null} */
let guest = null; // what a drawing or a film shows for now, in place of the face
/** @type {WeakMap<Float32Array, import('../engine.js').Picture>} */
const ready = new WeakMap();
let split = false, holding = false, zoom = 1, asked = 0;
/** @type {any} */
let face, other, meter, divider, caption, compareButton;

export function startStage() {
  face = h('canvas', { class: 'face', id: 'face', role: 'img', 'aria-label': 'The face' });
  other = h('canvas', { class: 'face other', 'aria-hidden': 'true', hidden: true });
  divider = h('input', { type: 'range', min: 0, max: 100, value: 50, class: 'divider', 'aria-label': 'Where the original ends', hidden: true, oninput: place });
  caption = h('p', { class: 'caption', hidden: true });
  meter = h('div', { class: 'meter', tabindex: 0, role: 'note' });
  compareButton = button('eye', 'Compare', () => {}, {
    dataset: { tip: 'Hold this, or the key X, to see the face as it was before your edits; of a photo, the photo itself.' },
    onpointerdown: () => compare(true), onpointerup: () => compare(false), onpointerleave: () => compare(false),
    onkeydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === ' ' || event.key === 'Enter') compare(true); },
    onkeyup: () => compare(false), onblur: () => compare(false),
  });
  const splitButton = button('compare', 'Split', () => {
    split = !split;
    splitButton.setAttribute('aria-pressed', String(split));
    refresh();
  }, { 'aria-pressed': 'false', dataset: { tip: 'The original on the left of a line, the edited face on its right.' } });
  const crisp = button('pixels', 'Pixels', () => setView({ smooth: !state.view.smooth }), { dataset: { tip: 'Show the true pixels of this face instead of a smooth enlargement.' } });
  fill($('#stage'),
    h('div', { class: 'easel', id: 'easel', hidden: true }),
    h('figure', { class: 'frame' }, caption, h('div', { class: 'faces', id: 'faces' }, face, other, divider)),
    h('div', { class: 'under' }, meter, h('div', { class: 'tools' }, compareButton, splitButton, crisp)));
  new ResizeObserver(refresh).observe($('.frame'));
  on('z', async () => {
    const mine = ++asked;
    $('#faces').setAttribute('aria-busy', 'true');
    await showLatest({ z: state.z, start: performance.now() });
    if (mine === asked) $('#faces').setAttribute('aria-busy', 'false');
  });
  on('face', () => { measure(); announce(`${state.history[state.moment]?.what ?? 'Face'}. ${$('.meter b')?.textContent ?? ''}`); });
  on('statistics', measure);
  on('view', () => { crisp.setAttribute('aria-pressed', String(!state.view.smooth)); refresh(); });
}

/** A picture of a latent that came with an answer, so that it is not asked for again.
 * @param {Float32Array} z @param {import('../engine.js').Picture} picture */
export const know = (z, picture) => { ready.set(z, picture); };

/** Shows something else than the face for a while, with a caption; null ends it.
 * @param {import('../engine.js').Picture | null} picture @param {string} [words] */
export function visit(picture, words = '') {
  guest = picture;
  caption.textContent = words;
  caption.hidden = !picture || !words;
  refresh();
}

/** The picture of the face, as it is shown. */
export const current = () => shown;

/** The zoom that exported pictures have: about 512 pixels. */
export const exportZoom = () => Math.max(1, Math.round(512 / Math.max(state.facts.picture.width, state.facts.picture.height)));

const showLatest = latestWins(async (/** @type {{z: Float32Array, start: number}} */ { z, start }) => {
  const known = ready.get(z);
  const picture = known ?? (await engine.decode([z]))[0];
  ready.set(z, picture);
  shown = picture;
  refresh();
  measurePaint('facespace:painted', start);
});

/** Whether the original is shown. @param {boolean} on */
export function compare(on) {
  if (holding === on) return;
  holding = on;
  compareButton.setAttribute('aria-pressed', String(on));
  refresh();
}

async function before() {
  const { z, picture } = state.original;
  if (picture) return picture;
  if (!ready.has(z)) ready.set(z, (await engine.decode([z]))[0]);
  return ready.get(z);
}

async function refresh() {
  if (!state.facts || !face) return;
  const { width, height } = state.facts.picture, room = $('#faces').parentElement.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  const fit = Math.min((room.width * ratio) / width, (Math.max(room.height - 30, 120) * ratio) / height), whole = Math.max(1, Math.floor(fit));
  // Whole steps of zoom, but where they would waste a fifth of little room and pixels are smoothed anyway.
  const scale = state.view.smooth && fit > 1.2 * whole ? fit : whole;
  zoom = Math.ceil(scale);
  const wide = `${(width * scale) / ratio}px`;
  for (const canvas of [face, other]) { canvas.style.width = wide; canvas.classList.toggle('crisp', !state.view.smooth); }
  $('#faces').style.width = wide;
  $('#faces').style.aspectRatio = `${width} / ${height}`;
  $('#easel').style.setProperty('--wide', wide);
  if (!shown && !guest) return;
  const now = guest ?? /** @type {any} */ (shown);
  face.setAttribute('aria-label', guest ? caption.textContent : `The face: ${$('.meter b')?.textContent ?? ''}`);
  if ((split || holding) && !guest) {
    const old = await before();
    if (old) paint(other, scaled(old), zoom, state.view.smooth);
  }
  paint(face, now, zoom, state.view.smooth);
  other.hidden = guest !== null || !(split || holding);
  divider.hidden = guest !== null || !split || holding;
  place();
}

/** A photo may be larger than the faces that the space draws: its middle is what is compared. @param {import('../engine.js').Picture} picture */
function scaled(picture) {
  const { width, height } = state.facts.picture;
  if (picture.width === width && picture.height === height) return picture;
  const left = (picture.width - width) >> 1, top = (picture.height - height) >> 1, pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    const start = ((y + top) * picture.width + left) * 4;
    pixels.set(picture.pixels.subarray(start, start + width * 4), y * width * 4);
  }
  return { pixels, width, height };
}

function place() {
  other.style.clipPath = holding ? 'none' : `inset(0 ${100 - Number(divider.value)}% 0 0)`;
  $('#faces').style.setProperty('--at', `${divider.value}%`);
  $('#faces').classList.toggle('split', split && !holding && !guest);
}

const WORDS = /** @type {[number, string][]} */ ([[50, 'Very typical'], [85, 'Typical'], [97, 'Unusual'], [100, 'Rare'], [101, 'Beyond the model']]);

function measure() {
  const s = state.statistics;
  if (!s) { fill(meter, h('span', {}, 'Measuring the space…')); meter.removeAttribute('data-tip'); return; }
  const share = percentile(s, state.z), words = (WORDS.find(([limit]) => share < limit) ?? WORDS[4])[1];
  const bar = h('span', { class: 'gauge', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', `${share}%`);
  fill(meter, h('b', {}, words), bar, ...(share < 100 ? [h('span', {}, `farther out than ${share} %`)] : []));
  meter.dataset.tip = `Typicality: the Mahalanobis distance of this face's latent from the middle of the space, against ${s.origin}. The percentage is of those faces; far out, the model draws less well.`;
}
