// @ts-check
/** The bar above: which space is open and what it is, undo, share, export, import, help, and whether the model answers. */

import { $, attempt, button, dialog, download, fill, h, toast } from '../dom.js';
import { engine } from '../engine.js';
import { paint } from '../faces.js';
import { readDocument, withDocument } from '../png.js';
import { fromDocument, on, redo, state, toDocument, undo } from '../state.js';
import { openPhoto } from './photo.js';
import { current, exportZoom } from './stage.js';
import { help } from './help.js';

const LARGEST = 20e6, LARGEST_JSON = 1e5; // bytes of a file that is taken in

/** @param {(index: number) => void} switchTo */
export function startTopbar(switchTo) {
  const badge = h('span', { class: 'engine', tabindex: 0, role: 'note' }, 'connecting');
  const back = button('undo', 'Undo (Ctrl+Z)', undo, { quiet: true, id: 'undo' }), forth = button('redo', 'Redo (Ctrl+Shift+Z)', redo, { quiet: true, id: 'redo' });
  const file = h('input', { type: 'file', class: 'unseen', id: 'import-file', accept: '.png,.json,image/png,application/json', tabindex: -1, 'aria-label': 'Open a face from a file', onchange: () => { if (file.files[0]) takeIn(file.files[0]); file.value = ''; } });
  fill($('#actions'), badge, back, forth, button('share', 'Copy a link to this face', share, { quiet: true, id: 'share' }), button('import', 'Open a saved face (PNG or JSON)', () => file.click(), { quiet: true }), file,
    button('export', 'Export', exportDialog, { class: 'primary', id: 'export', 'aria-label': 'Export' }), button('help', 'Help and keys (?)', help, { quiet: true }));
  const speeds = /** @type {number[]} */ ([]);
  engine.onspeed = (milliseconds) => {
    speeds.push(milliseconds);
    if (speeds.length > 20) speeds.shift();
    const middle = [...speeds].sort((a, b) => a - b)[speeds.length >> 1];
    badge.textContent = `local · ${middle < 10 ? middle.toFixed(1) : Math.round(middle)} ms`;
    badge.dataset.tip = 'The model runs on this computer and nothing leaves it. The number is the median time that it takes for a picture.';
    badge.classList.remove('gone');
  };
  on('face', () => { back.disabled = state.moment <= 0; forth.disabled = state.moment >= state.history.length - 1; });
  on('facts', () => spaceName(switchTo));
  document.addEventListener('dragover', (event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
  document.addEventListener('drop', (event) => { const one = event.dataTransfer?.files[0]; if (one) { event.preventDefault(); takeIn(one); } });
  document.addEventListener('paste', paste);
  return badge;
}

/** @param {(index: number) => void} switchTo */
function spaceName(switchTo) {
  const { facts } = state, names = facts.spaces;
  const name = names.length > 1
    ? h('select', { 'aria-label': 'Space', id: 'space-select', onchange: (/** @type {any} */ event) => switchTo(Number(event.target.value)) }, names.map((/** @type {string} */ one, /** @type {number} */ i) => h('option', { value: i, selected: i === engine.space }, one)))
    : h('strong', {}, facts.name);
  const limited = /research|non-commercial/i.test(facts.terms);
  fill($('#space'), name, button('info', 'About this space', about, { quiet: true }), limited ? h('span', { class: 'chip warn', tabindex: 0, role: 'note', dataset: { tip: `Terms of the faces that it learned from: ${facts.terms}.` } }, 'research use only') : null);
}

function about() {
  const { facts } = state, size = facts.picture;
  const rows = {
    'Learned from': `${facts.faces.toLocaleString('en')} faces${facts.data ? ` (${facts.data})` : ''}`,
    'Terms of use': facts.terms || 'none are stated in its data card',
    Model: `${facts.model}, ${facts.parameters.toLocaleString('en')} parameters`,
    Recipe: facts.recipe ? `${facts.recipe}: ${facts.summary}` : 'none',
    Pictures: `${size.width} × ${size.height} pixels, ${size.channels === 1 ? 'gray' : 'colour'}`,
    'Numbers of a face': String(facts.latents),
    'Random faces': facts.priors[facts.prior],
    Figures: state.statistics?.origin ?? 'being measured',
    Fingerprint: facts.fingerprint,
  };
  dialog(facts.name, h('dl', { class: 'facts' }, Object.entries(rows).map(([term, words]) => [h('dt', {}, term), h('dd', {}, words)])));
}

/** The address of the page with this face in it, without the key. */
export const link = () => `${location.origin}${location.pathname}${location.search}#s=${btoa(JSON.stringify(toDocument())).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;

async function share() {
  try {
    await navigator.clipboard.writeText(link());
    toast('The link is copied. It opens this face on this computer, while the explorer runs; it holds no key.');
  } catch {
    dialog('Link to this face', h('input', { type: 'text', readOnly: true, value: link(), class: 'long', 'aria-label': 'Link', onfocus: (/** @type {any} */ event) => event.target.select() }));
  }
}

export function exportDialog() {
  const box = dialog('Export this face',
    h('p', {}, 'The picture carries the face’s numbers, so that dropping it on this page brings it back, and the mark that a trained model made it.'),
    h('div', { class: 'line' },
      button('photo', 'Picture (PNG)', () => { attempt(savePng); box.close(); }, { class: 'primary', id: 'export-png' }),
      button('export', 'Numbers (JSON)', () => { download(new Blob([JSON.stringify(toDocument(), null, 2)], { type: 'application/json' }), 'face.json'); box.close(); }, { id: 'export-json' }),
      button('share', 'Link', () => { box.close(); share(); })));
}

async function savePng() {
  const picture = current();
  if (!picture) return;
  const canvas = document.createElement('canvas');
  paint(canvas, picture, exportZoom(), state.view.smooth);
  const blob = await new Promise((/** @type {(blob: Blob) => void} */ done) => canvas.toBlob((made) => done(/** @type {Blob} */ (made)), 'image/png'));
  download(await withDocument(blob, toDocument()), 'face.png');
}

/** A file that was dropped or chosen: a face of the explorer, or else a photo. @param {File} file */
export async function takeIn(file) {
  await attempt(async () => {
    if (file.size > LARGEST) throw new Error(`${file.name} is larger than ${LARGEST / 1e6} MB, which no face of this page is.`);
    const found = /json$/i.test(file.type || file.name) ? await readJson(file) : await readDocument(file);
    if (found) { fromDocument(found, 'Opened'); toast('The face is back.'); } else await openPhoto(file);
  });
}

/** A picture, a link or a copied state. @param {ClipboardEvent} event */
function paste(event) {
  const text = event.clipboardData?.getData('text/plain').trim() ?? '', file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith('image/'));
  if (file) takeIn(file);
  else if (/^\{|#s=/.test(text) && text.length < LARGEST_JSON && !/** @type {HTMLElement} */ (event.target).matches('input')) attempt(async () => fromDocument(text.startsWith('{') ? JSON.parse(text) : fromLink(text.split('#s=')[1]), 'Pasted'));
}

/** The document in a link; an Error with a sentence for any other text. @param {string} text */
export function fromLink(text) {
  try { return JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))); } catch { throw new Error('This link is cut short or damaged.'); }
}

/** @param {File} file */
async function readJson(file) {
  if (file.size > LARGEST_JSON) throw new Error('This JSON file is too large for a face.');
  try { return JSON.parse(await file.text()); } catch { throw new Error('This file is not whole JSON.'); }
}
