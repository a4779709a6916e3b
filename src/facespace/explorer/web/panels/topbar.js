// @ts-check
/** The top bar: the open space and its facts, undo, share, export, import, lessons, help, and the engine's state. */

import { $, attempt, button, dialog, h, setAvailable, setChildren, toast } from '../dom.js';
import { fromLink } from '../document.js';
import { engine } from '../engine.js';
import { readDocument } from '../png.js';
import { openDocument } from '../spaces.js';
import { on, openFacts, redo, state, undo } from '../state.js';
import { isLesson } from '../lesson_schema.js';
import { exportDialog, share } from './export.js';
import { help } from './help.js';
import { lessonsDialog, openLessonFile } from './lesson.js';
import { openPhoto } from './photo.js';

const LARGEST_FILE = 20e6; // bytes
const LARGEST_JSON = 1e5; // bytes
const LATENCIES = 20; // replies that the shown median is taken over

const TUNED_TIP =
  'All panels play a copy of the space that was tuned to your photo. It is in memory alone; Photo has the way back.';
const ENGINE_TIP =
  'The model runs on this computer and nothing leaves it. The number is the median time that it takes for a ' +
  'picture.';

/**
 * Returns the badge that shows the state of the engine.
 * @param {(index: number) => Promise<void>} showSpace
 */
export function startTopbar(showSpace) {
  const badge = h('span', { class: 'engine', tabindex: 0, role: 'note' }, 'connecting');
  const undoButton = button('undo', 'Undo (Ctrl+Z)', undo, { quiet: true, id: 'undo' });
  const redoButton = button('redo', 'Redo (Ctrl+Shift+Z)', redo, { quiet: true, id: 'redo' });
  const fileInput = createFileInput();
  setChildren(
    $('#actions'),
    badge,
    undoButton,
    redoButton,
    button('share', 'Copy a link to this face', share, { quiet: true, id: 'share' }),
    button('import', 'Open a saved face (PNG or JSON)', () => fileInput.click(), { quiet: true }),
    fileInput,
    button('export', 'Export', exportDialog, { class: 'primary', id: 'export', 'aria-label': 'Export' }),
    button('lesson', 'Lessons', lessonsDialog, { quiet: true, id: 'lessons' }),
    button('help', 'Help and keyboard shortcuts (?)', help, { quiet: true }),
  );
  showLatency(badge);
  showProgress(badge);
  on('face', () => {
    setAvailable(undoButton, state.historyIndex > 0);
    setAvailable(redoButton, state.historyIndex < state.history.length - 1);
  });
  on('facts decoder', () => showSpaceName(showSpace));
  acceptDrops();
  document.addEventListener('paste', paste);
  return badge;
}

/** @param {HTMLElement} badge */
function showLatency(badge) {
  /** @type {number[]} */
  const latencies = [];
  engine.connection.onlatency = (milliseconds) => {
    latencies.push(milliseconds);
    if (latencies.length > LATENCIES) latencies.shift();
    const sorted = [...latencies].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    badge.textContent = `local · ${median < 10 ? median.toFixed(1) : Math.round(median)} ms`;
    badge.dataset.tip = ENGINE_TIP;
    badge.classList.remove('disconnected');
  };
}

/**
 * Shows how much of the model of a static page is loaded.
 * @param {HTMLElement} badge
 */
function showProgress(badge) {
  const bar = h('progress', { class: 'loading', 'aria-label': 'Loading the model', hidden: true });
  $('.bar').append(bar);
  engine.connection.onprogress = (now) => {
    bar.hidden = !now;
    if (!now) return;
    bar.max = now.total;
    bar.value = now.loaded;
    badge.textContent = `loading ${(now.loaded / 1e6).toFixed(1)} of ${(now.total / 1e6).toFixed(1)} MB`;
  };
}

// ---- The space

/** @param {(index: number) => Promise<void>} showSpace */
function showSpaceName(showSpace) {
  const { name, spaces } = openFacts();
  const element = spaces.length > 1 ? spaceSelect(spaces, showSpace) : h('strong', {}, name);
  const info = button('info', 'About this space', about, { quiet: true });
  setChildren($('#space'), element, info, tunedChip(), researchChip());
}

/** Says that the space is not the one that its name promises. */
function tunedChip() {
  if (!engine.tuned) return null;
  const props = { class: 'chip', tabindex: 0, role: 'note', id: 'tuned', dataset: { tip: TUNED_TIP } };
  return h('span', props, 'tuned to a photo');
}

/**
 * @param {string[]} spaces
 * @param {(index: number) => Promise<void>} showSpace
 */
function spaceSelect(spaces, showSpace) {
  const choices = spaces.map((name, index) => h('option', { value: index }, name));
  const select = h('select', { 'aria-label': 'Space', id: 'space-select' }, choices);
  select.value = String(engine.space);
  select.addEventListener('change', async () => {
    await showSpace(Number(select.value));
    select.value = String(engine.space); // where that one could not be opened
  });
  return select;
}

/** A warning where the data may be used for research only. */
function researchChip() {
  const { terms } = openFacts();
  if (!/research|non-commercial/i.test(terms)) return null;
  const dataset = { tip: `Terms of use of the training data: ${terms}.` };
  return h('span', { class: 'chip warn', tabindex: 0, role: 'note', dataset }, 'research use only');
}

function about() {
  const facts = openFacts();
  const { width, height, channels } = facts.picture;
  const source = facts.data ? ` (${facts.data})` : '';
  const rows = {
    'Training data': `${facts.faces.toLocaleString('en')} faces${source}`,
    'Terms of use': facts.terms || 'none are stated in its data card',
    Model: `${facts.model}, ${facts.parameters.toLocaleString('en')} parameters`,
    Recipe: facts.recipe ? `${facts.recipe}: ${facts.summary}` : 'none',
    Pictures: `${width} × ${height} pixels, ${channels === 1 ? 'gray' : 'colour'}`,
    'Latent dimensions': String(facts.latents),
    'Default prior': facts.priors[facts.prior],
    Statistics: state.statistics?.origin ?? 'being measured',
    Fingerprint: facts.fingerprint,
    ...absent(facts),
  };
  const list = h('dl', { class: 'facts' });
  for (const [term, text] of Object.entries(rows)) list.append(h('dt', {}, term), h('dd', {}, text));
  dialog(facts.name, list);
}

/**
 * What a static page, or a server without PyTorch, cannot do, as a row of facts.
 * @param {import('../types.js').SpaceFacts} facts
 * @returns {Record<string, string>}
 */
function absent({ unavailable }) {
  const sentences = Object.values(unavailable);
  return sentences.length ? { 'Not on this page': sentences.join(' ') } : {};
}

// ---- Import

function createFileInput() {
  const input = h('input', {
    type: 'file',
    class: 'visually-hidden',
    id: 'import-file',
    accept: '.png,.json,image/png,application/json',
    tabindex: -1,
    'aria-label': 'Open a face from a file',
  });
  input.addEventListener('change', () => {
    if (input.files?.[0]) openFile(input.files[0]);
    input.value = '';
  });
  return input;
}

function acceptDrops() {
  document.addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    openFile(file);
  });
}

/**
 * Opens a file: a face of the explorer, or else a photo.
 * @param {File} file
 */
async function openFile(file) {
  await attempt(async () => {
    if (file.size > LARGEST_FILE) {
      throw new Error(`${file.name} is larger than ${LARGEST_FILE / 1e6} MB, the limit for a face or a photo.`);
    }
    const json = /json$/i.test(file.type || file.name);
    const document = json ? await readJson(file) : await readDocument(file);
    if (!document) {
      await openPhoto(file);
      return;
    }
    if (isLesson(document)) {
      await openLessonFile(file);
      return;
    }
    await openDocument(document, 'Opened');
    toast('The face is restored.');
  });
}

/** @param {File} file */
async function readJson(file) {
  if (file.size > LARGEST_JSON) throw new Error('This JSON file is too large for a face or a lesson.');
  return parse(await file.text(), 'This file');
}

/**
 * @param {string} text
 * @param {string} source
 */
function parse(text, source) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${source} is not valid JSON.`);
  }
}

/**
 * Takes a picture, a link or a copied document.
 * @param {ClipboardEvent} event
 */
function paste(event) {
  const files = [...(event.clipboardData?.files ?? [])];
  const picture = files.find((file) => file.type.startsWith('image/'));
  if (picture) {
    openFile(picture);
    return;
  }
  const text = event.clipboardData?.getData('text/plain').trim() ?? '';
  const intoField = event.target instanceof Element && event.target.matches('input');
  if (intoField || text.length >= LARGEST_JSON || !/^\{|#s=/.test(text)) return;
  attempt(async () => openDocument(readPasted(text), 'Pasted'));
}

/** @param {string} text */
function readPasted(text) {
  if (text.startsWith('{')) return parse(text, 'The pasted text');
  return fromLink(text.split('#s=')[1]);
}
