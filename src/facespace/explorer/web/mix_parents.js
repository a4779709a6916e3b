// @ts-check
/** The parents of a mix: their list, and a dialog that offers saved faces and those of the history. */

import { attempt, button, dialog, h, setChildren } from './dom.js';
import { letterOf } from './mix_figure.js';
import { thumbnail, thumbnails } from './pictures.js';
import { roving } from './roving.js';
import { state } from './state.js';

/** @typedef {import('./types.js').NamedLatent} NamedLatent */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {{name: string, z: Float32Array}} Named */

const OFFERED = 40; // faces of the history
const NOTHING = 'No face is saved in this browser, and the history is empty.';

/**
 * One parent: its face, which a click loads, its name and its share, and what removes it.
 * @param {NamedLatent} parent
 * @param {number} index
 * @param {Picture} picture
 * @param {{load: (parent: NamedLatent) => void, remove: (parent: NamedLatent) => void}} actions
 */
export function parentItem(parent, index, picture, { load, remove }) {
  const letter = letterOf(index);
  const { name } = parent;
  const tip = `${letter}: ${name}. A click makes it the face.`;
  const props = { type: 'button', class: 'tile', 'aria-label': `Load parent ${letter}, ${name}`, dataset: { tip } };
  const face = h('button', { ...props, onclick: () => load(parent) }, thumbnail(picture));
  const close = button('close', `Remove parent ${letter}, ${name}`, () => remove(parent), { quiet: true });
  const share = h('span', { class: 'share', dataset: { share: index } });
  const caption = h('div', {}, h('b', {}, letter), ' ', share);
  const group = { class: 'mix-parent', role: 'group', 'aria-label': `Parent ${letter}, ${name}` };
  return h('div', group, face, caption, close);
}

/**
 * Opens a dialog with saved faces and the history.
 * @param {(face: Named) => void} use
 */
export async function chooseParent(use) {
  const past = state.history.slice(-OFFERED).reverse();
  const history = past.map(({ label, z }) => ({ name: label, z }));
  const saved = state.saved.map(({ name, z }) => ({ name, z }));
  const content = [];
  const close = (/** @type {Named} */ face) => {
    box.close();
    use(face);
  };
  for (const [title, faces] of /** @type {[string, Named[]][]} */ ([['Saved', saved], ['History', history]])) {
    if (faces.length) content.push(h('h3', {}, title), await grid(title, faces, close));
  }
  if (!content.length) content.push(h('p', { class: 'hint' }, NOTHING));
  const box = dialog('Choose a parent', content);
  box.classList.add('choose-dialog');
}

/**
 * @param {string} title
 * @param {Named[]} faces
 * @param {(face: Named) => void} use
 */
async function grid(title, faces, use) {
  const group = h('div', { class: 'choose-grid', role: 'group', 'aria-label': title });
  const pictures = await attempt(() => thumbnails(faces.map((face) => face.z)));
  const tiles = (pictures ?? []).map((picture, i) => {
    const { name } = faces[i];
    const props = { type: 'button', class: 'tile', 'aria-label': `Use ${name}`, dataset: { tip: name } };
    return h('button', { ...props, onclick: () => use(faces[i]) }, picture);
  });
  setChildren(group, tiles);
  roving(group);
  return group;
}
