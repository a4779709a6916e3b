// @ts-check
/** Faces that are stored in this browser: named, loaded again, used as keyframes or as examples. */

import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { settled } from '../pending.js';
import { thumbnails } from '../pictures.js';
import { whenShown } from '../panel.js';
import { changeSaved, newNamed, on, setExamples, setFace, state } from '../state.js';
import { addKeyframe } from './morph.js';

/** @typedef {import('../types.js').NamedLatent} NamedLatent */
/** @typedef {import('../types.js').Side} Side */

const EMPTY = 'No face is saved yet. S saves the face of the stage, in this browser only.';

/** @type {HTMLElement} */
let list;

export function startSaved() {
  list = h('div', { class: 'saved-list' });
  const tip = 'Saves this face in this browser (S).';
  const save = button('star', 'Save this face', saveFace, { class: 'primary', dataset: { tip } });
  setChildren($('#saved'), h('div', { class: 'panel-head' }, h('h2', {}, 'Saved faces'), save), list);
  on('facts', () => setChildren(list)); // those of the space before
  whenShown($('#saved'), 'saved facts', update);
}

/** Saves the face of the page. */
export async function saveFace() {
  await settled();
  changeWith((saved) => [newNamed(newName(saved), state.z), ...saved], 'Saved in this browser.');
}

/**
 * A name that no saved face has.
 * @param {NamedLatent[]} saved
 */
function newName(saved) {
  const numbers = saved.map(({ name }) => Number(/^Face (\d{1,6})$/.exec(name)?.[1] ?? 0));
  return `Face ${Math.max(saved.length, ...numbers) + 1}`;
}

/**
 * @param {(saved: NamedLatent[]) => NamedLatent[]} change
 * @param {string} [done]
 */
function changeWith(change, done = '') {
  attempt(async () => {
    changeSaved(change);
    if (done) toast(done);
  });
}

async function update() {
  const { activeElement } = document;
  if (activeElement instanceof HTMLInputElement && list.contains(activeElement)) {
    list.addEventListener('focusout', () => setTimeout(update), { once: true }); // a name is being typed
    return;
  }
  const { saved } = state;
  if (!saved.length) {
    setChildren(list, h('p', { class: 'hint' }, EMPTY));
    return;
  }
  const faces = saved.length === 1 ? 'a face' : `${saved.length} faces`;
  const waiting = h('p', { class: 'waiting' }, `Decoding ${faces}…`);
  if (!list.children.length) setChildren(list, waiting);
  const pictures = await attempt(() => thumbnails(saved.map((face) => face.z)));
  waiting.remove();
  if (!pictures || saved !== state.saved) return;
  const items = saved.map((face, i) => savedFace(face, pictures[i]));
  setChildren(list, items);
}

/**
 * @param {NamedLatent} face
 * @param {HTMLCanvasElement} picture
 */
function savedFace(face, picture) {
  const { id, name, z } = face;
  const load = h('button', { type: 'button', class: 'tile', 'aria-label': `Load ${name}` }, picture);
  load.addEventListener('click', () => setFace(z, name));
  const nameField = h('input', { type: 'text', value: name, maxLength: 60, 'aria-label': 'Name' });
  // The list is made anew then: once the focus has left the field for its next place.
  nameField.addEventListener('change', () => setTimeout(() => rename(face, nameField.value)));
  const quiet = (/** @type {string} */ focus) => ({ quiet: true, dataset: { focus: `${id} ${focus}` } });
  const actions = h(
    'div',
    { class: 'line tight' },
    button('play', `Add ${name} to the morph`, () => addToMorph(face), quiet('morph')),
    button('plus', `Use ${name} as a positive example`, () => addExample('positive', z), quiet('positive')),
    button('minus', `Use ${name} as a negative example`, () => addExample('negative', z), quiet('negative')),
    button('trash', `Remove ${name}`, () => remove(face), quiet('remove')),
  );
  const props = { class: 'saved-face', role: 'group', 'aria-label': name };
  return h('div', props, load, h('div', {}, nameField, actions));
}

/**
 * @param {NamedLatent} face
 * @param {string} name
 */
function rename(face, name) {
  const renamed = { ...face, name: name.trim() || face.name };
  changeWith((saved) => saved.map((other) => (other.id === face.id ? renamed : other)));
}

/** @param {NamedLatent} face */
function remove(face) {
  changeWith((saved) => saved.filter((other) => other.id !== face.id));
}

/** @param {NamedLatent} face */
function addToMorph(face) {
  if (addKeyframe(face.name, face.z)) toast(`The morph has ${state.keyframes.length} keyframes.`);
}

/**
 * @param {Side} side
 * @param {Float32Array} z
 */
function addExample(side, z) {
  setExamples(side, [...state.examples[side], z]);
  toast(`${state.examples[side].length} ${side} examples.`);
}
