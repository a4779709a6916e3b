// @ts-check
/** Faces that are stored in this browser: named, loaded again, used as keyframes or as examples. */

import { $, attempt, button, h, setChildren, toast } from '../dom.js';
import { thumbnails } from '../pictures.js';
import { on, setExamples, setFace, setKeyframes, setSaved, state } from '../state.js';

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
  on('saved facts', update);
}

/** Saves the face of the page. */
export function saveFace() {
  const face = { name: `Face ${state.saved.length + 1}`, z: state.z };
  setSaved([face, ...state.saved]);
  toast('Saved in this browser.');
}

async function update() {
  const { saved } = state;
  if (!saved.length) {
    setChildren(list, h('p', { class: 'hint' }, EMPTY));
    return;
  }
  const pictures = await attempt(() => thumbnails(saved.map((face) => face.z)));
  if (!pictures || saved !== state.saved) return;
  const items = saved.map((face, i) => savedFace(face, pictures[i]));
  setChildren(list, items);
}

/**
 * @param {NamedLatent} face
 * @param {HTMLCanvasElement} picture
 */
function savedFace(face, picture) {
  const { name, z } = face;
  const load = h('button', { type: 'button', class: 'tile', 'aria-label': `Load ${name}` }, picture);
  load.addEventListener('click', () => setFace(z, name));
  const nameField = h('input', { type: 'text', value: name, maxLength: 60, 'aria-label': 'Name' });
  nameField.addEventListener('change', () => rename(face, nameField.value));
  const quiet = { quiet: true };
  const actions = h(
    'div',
    { class: 'line tight' },
    button('play', `Add ${name} to the morph`, () => addKeyframe(face), quiet),
    button('plus', `Use ${name} as a positive example`, () => addExample('positive', z), quiet),
    button('minus', `Use ${name} as a negative example`, () => addExample('negative', z), quiet),
    button('trash', `Remove ${name}`, () => remove(face), quiet),
  );
  const props = { class: 'saved-face', role: 'group', 'aria-label': name };
  return h('div', props, load, h('div', {}, nameField, actions));
}

/**
 * @param {NamedLatent} face
 * @param {string} name
 */
function rename(face, name) {
  const renamed = { ...face, name: name || face.name };
  setSaved(state.saved.map((other) => (other === face ? renamed : other)));
}

/** @param {NamedLatent} face */
function remove(face) {
  setSaved(state.saved.filter((other) => other !== face));
}

/** @param {NamedLatent} face */
function addKeyframe(face) {
  setKeyframes([...state.keyframes, face]);
  toast(`The morph has ${state.keyframes.length} keyframes.`);
}

/**
 * @param {Side} side
 * @param {Float32Array} z
 */
function addExample(side, z) {
  setExamples(side, [...state.examples[side], z]);
  toast(`${state.examples[side].length} ${side} examples.`);
}
