// @ts-check
/** The export dialog: the face as a picture, its latent, a link, and pictures of an edit beside its original. */

import { attempt, button, dialog, download, h, toast } from '../dom.js';
import { sideBySide, wipe } from '../before_after.js';
import { shareLink, toDocument } from '../document.js';
import { settled } from '../pending.js';
import { paint, pictureOf, toPng } from '../pictures.js';
import { withDocument } from '../png.js';
import { isSite } from '../site.js';
import { state } from '../state.js';
import { exportZoom, shownOriginal } from './stage.js';

const EXPORT_TEXT =
  'The picture holds the latent, so that dropping it on this page restores the face, and a provenance tag that ' +
  'says that a trained model made it.';
const EDIT_TEXT = 'Before and after: the original beside the edited face, or a line that wipes from one to the other.';
const NO_EDIT = 'Before and after: edit the face first; it is the original still.';
const LINK_COPIED = isSite
  ? 'The link is copied. It opens this face in any browser.'
  : 'The link is copied. It opens this face on this computer while the explorer runs; it holds no access token.';

export async function share() {
  await settled();
  const link = shareLink();
  try {
    await navigator.clipboard.writeText(link);
    toast(LINK_COPIED);
  } catch {
    const field = h('input', { type: 'text', readOnly: true, value: link, class: 'long', 'aria-label': 'Link' });
    field.addEventListener('focus', () => field.select());
    dialog('Link to this face', field);
  }
}

/** Whether the face is another one than the original, which a photo is. */
function isEdited() {
  const { z, picture } = state.original;
  return picture !== null || z.some((value, d) => value !== state.z[d]);
}

export function exportDialog() {
  const closing = (/** @type {() => void} */ work) => () => {
    work();
    box.close();
  };
  const save = (/** @type {() => Promise<void>} */ work) => closing(() => attempt(work));
  const edited = isEdited();
  const png = button('photo', 'Picture (PNG)', save(savePng), { class: 'primary', id: 'export-png' });
  const json = button('export', 'Latent (JSON)', save(saveJson), { id: 'export-json' });
  const link = button('share', 'Link', closing(share));
  const both = button('split', 'Side by side (PNG)', save(savePair), { id: 'export-pair', disabled: !edited });
  const gif = button('compare', 'Wipe (GIF)', save(saveWipe), { id: 'export-wipe', disabled: !edited });
  const box = dialog(
    'Export this face',
    h('p', {}, EXPORT_TEXT),
    h('div', { class: 'line' }, png, json, link),
    h('p', { class: 'next-part' }, edited ? EDIT_TEXT : NO_EDIT),
    h('div', { class: 'line' }, both, gif),
  );
}

async function saveJson() {
  await settled();
  const text = JSON.stringify(toDocument(), null, 2);
  download(new Blob([text], { type: 'application/json' }), 'face.json');
}

async function savePng() {
  const { document: made, edited } = await exported();
  const canvas = document.createElement('canvas');
  paint(canvas, edited, exportZoom(), state.view.smooth);
  const blob = await toPng(canvas);
  download(await withDocument(blob, made), 'face.png');
}

/**
 * The document of the page, the picture of its face and that of its original, of one size, once they are there. All are
 * of the same moment, whatever changes until then.
 */
async function exported() {
  await settled();
  const made = toDocument();
  const withPhoto = state.original.picture !== null;
  const [edited, original] = await Promise.all([pictureOf(state.z), shownOriginal()]);
  return { document: made, edited, original, withPhoto };
}

async function savePair() {
  const { document: made, original, edited, withPhoto } = await exported();
  const blob = await sideBySide(original, edited);
  download(await withDocument(blob, made, withPhoto), 'before-after.png');
}

async function saveWipe() {
  const { original, edited, withPhoto } = await exported();
  download(wipe(original, edited, withPhoto), 'before-after.gif');
}
