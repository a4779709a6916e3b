// @ts-check
/** Faces that were kept in this browser: named, loaded again, used as key faces or as examples. */

import { $, attempt, button, fill, h, toast } from '../dom.js';
import { smalls } from '../faces.js';
import { on, setExamples, setFace, setKeys, setSaved, state } from '../state.js';

/** @type {any} */
let list;

export function startSaved() {
  list = h('div', { class: 'kept' });
  fill($('#saved'), h('div', { class: 'panel-head' }, h('h2', {}, 'Saved faces'), button('star', 'Save this face', save, { class: 'primary', dataset: { tip: 'Keeps this face in this browser (S).' } })), list);
  on('saved facts', draw);
}

/** Keeps the face of the page. */
export function save() {
  setSaved([{ name: `Face ${state.saved.length + 1}`, z: state.z }, ...state.saved]);
  toast('Saved in this browser.');
}

async function draw() {
  const kept = state.saved;
  if (!kept.length) { fill(list, h('p', { class: 'hint' }, 'Nothing yet. S keeps the face of the stage here, in this browser alone.')); return; }
  const pictures = await attempt(() => smalls(kept.map((one) => one.z)));
  if (!pictures || kept !== state.saved) return;
  const examples = (/** @type {'with' | 'without'} */ side, /** @type {Float32Array} */ z) => { setExamples(side, [...state.examples[side], z]); toast(`In the tray “${side}” now: ${state.examples[side].length}.`); };
  fill(list, kept.map((one, i) => h('div', { class: 'one', role: 'group', 'aria-label': one.name },
    h('button', { type: 'button', class: 'tile', 'aria-label': `Load ${one.name}`, onclick: () => setFace(one.z, one.name) }, pictures[i]),
    h('div', {},
      h('input', { type: 'text', value: one.name, maxLength: 60, 'aria-label': 'Name', onchange: (/** @type {any} */ event) => setSaved(kept.map((other) => (other === one ? { ...one, name: event.target.value || one.name } : other))) }),
      h('div', { class: 'line tight' },
        button('play', `Add ${one.name} to the morph`, () => { setKeys([...state.keys, one]); toast(`${state.keys.length} key faces in the morph.`); }, { quiet: true }),
        button('plus', `${one.name} is an example with the property`, () => examples('with', one.z), { quiet: true }),
        button('minus', `${one.name} is an example without the property`, () => examples('without', one.z), { quiet: true }),
        button('trash', `Remove ${one.name}`, () => setSaved(kept.filter((other) => other !== one)), { quiet: true }))))));
}
