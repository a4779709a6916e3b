// @ts-check
/** The dialog that saves a morph: format, size and aspect of the file, its progress, and a way out. */

import { attempt, button, dialog, download, h, options, setChildren } from './dom.js';
import { engine } from './engine.js';
import { bind, fillSelect } from './fields.js';
import { openFacts } from './state.js';

/** @typedef {import('./types.js').PathRequest} PathRequest */

const POLL_MS = 400;
const VIDEOS = ['mp4', 'webm']; // file formats
const SIZES = [256, 512, 1024]; // pixels of the shorter side
/** @type {[string, string][]} */
const ASPECTS = [
  ['face', 'Of the face'],
  ['1:1', '1:1, square'],
  ['4:5', '4:5, portrait'],
  ['9:16', '9:16, upright'],
  ['16:9', '16:9, wide'],
];
const BARS = 'Another aspect adds black bars; the face is never cut.';

/** A size, which for most spaces is more than their pictures have. @param {number} size @returns {[string, string]} */
function sizeChoice(size) {
  const { width, height } = openFacts().picture;
  const label = `${size.toLocaleString('en')} px`;
  return [String(size), size > Math.min(width, height) ? `${label}, enlarged` : label];
}

/**
 * Opens the dialog.
 * @param {Float32Array[]} keyframes
 * @param {PathRequest} path
 * @param {number} fps
 */
export function saveDialog(keyframes, path, fps) {
  const { formats, picture } = openFacts();
  /** @type {[string, string][]} */
  const names = formats.map((name) => [name, name.toUpperCase()]);
  const format = fillSelect(h('select', { id: 'morph-format' }), names, 'format');
  const size = fillSelect(h('select', { id: 'morph-size' }), SIZES.map(sizeChoice), 'exportSize');
  const aspect = bind(h('select', { id: 'morph-aspect' }, options(ASPECTS)), 'exportAspect');
  bind(format, 'format');
  bind(size, 'exportSize');
  const made = `The decoder makes ${picture.width} × ${picture.height} pixels; more are interpolated (Lanczos).`;
  const seconds = `${path.frames} frames, ${(path.frames / fps).toFixed(1)} seconds.`;
  const actions = h('div', { class: 'saving' });
  const start = async () => {
    const fields = { ...path, fps, format: format.value, size: Number(size.value), aspect: aspect.value };
    const done = await watched(actions, () => attempt(() => engine.exportAnimation(keyframes, fields)));
    setChildren(actions, save);
    if (!done) return;
    const type = VIDEOS.includes(fields.format) ? `video/${fields.format}` : `image/${fields.format}`;
    download(new Blob([done], { type }), `morph.${fields.format}`);
    box.close();
  };
  const save = button('export', 'Save', start, { class: 'primary', id: 'morph-save' });
  setChildren(actions, save);
  const box = dialog(
    'Save the morph',
    field('morph-format', 'Format', format),
    field('morph-size', 'Shorter side', size),
    field('morph-aspect', 'Aspect', aspect),
    h('p', { class: 'hint' }, `${seconds} ${made} ${BARS}`),
    actions,
  );
  box.classList.add('form-dialog');
  box.addEventListener('close', () => cancelIfRunning(actions));
}

/**
 * @param {string} id
 * @param {string} label
 * @param {HTMLElement} control
 */
const field = (id, label, control) => h('div', { class: 'field' }, h('label', { for: id }, label), control);

/**
 * Shows the progress while work runs.
 * @template T
 * @param {HTMLElement} box
 * @param {() => Promise<T>} work
 */
async function watched(box, work) {
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress of the file' });
  const text = h('span', { class: 'hint', role: 'status' }, 'Starting…');
  const cancel = button('close', 'Cancel', () => cancelExport(), { id: 'morph-cancel', once: true });
  setChildren(box, h('div', { class: 'line' }, bar, text, cancel));
  box.setAttribute('aria-busy', 'true');
  const timer = setInterval(async () => {
    const share = await engine.exportProgress().catch(() => null);
    if (share === null) return;
    bar.value = share;
    text.textContent = `${Math.round(100 * share)} %`;
  }, POLL_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    box.removeAttribute('aria-busy');
  }
}

async function cancelExport() {
  await attempt(() => engine.cancelExport());
}

/** A closed dialog waits for no file. @param {HTMLElement} box */
function cancelIfRunning(box) {
  if (box.hasAttribute('aria-busy')) cancelExport();
}
