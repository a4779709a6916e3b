// @ts-check
/** Sliders with names: the directions that the space has learned, how well each is known, what else it moves, and
 * directions of one's own from examples. */

import { $, attempt, button, fill, h, toast } from '../dom.js';
import { engine, latestWins } from '../engine.js';
import { on, setExamples, setView, state } from '../state.js';
import { sliderPanel } from '../sliders.js';

const FIRST = ['Smiling', 'smile', 'Mouth_Slightly_Open', 'Eyeglasses', 'Sunglasses', 'Bangs', 'Black_Hair', 'Blond_Hair', 'Brown_Hair', 'Gray_Hair', 'Bald', 'Wavy_Hair', 'Straight_Hair', 'Young', 'Senior', 'Youth', 'Child', 'Wearing_Hat', 'Hat', 'Beard', 'Mustache', 'Goatee'];
// Judgements about a person, or traits that a picture cannot tell: only shown when asked for.
const DELICATE = new Set(['Attractive', 'Attractive_Man', 'Attractive_Woman', 'Chubby', 'Double_Chin', 'Pale_Skin', 'Big_Nose', 'Big_Lips', 'Pointy_Nose', 'Asian', 'White', 'Black', 'Indian', 'Male', 'Ugly', 'Obese', 'Narrow_Eyes', 'Oval_Face', 'Round_Jaw', 'Heavy_Makeup']);
const MOVES = 0.25; // standard deviations from which another attribute counts as moved too

/** @type {{names: string[], facts: Record<string, any>, why: string}} */
let known = { names: [], facts: {}, why: '' };
/** @type {Float32Array} */
let scores = new Float32Array();
let asked = false;
/** @type {any} */
let panel, effects, maker;

export function startAttributes() {
  effects = h('p', { class: 'effects', hidden: true });
  maker = h('details', { class: 'maker' }, h('summary', {}, 'Make a direction'));
  panel = sliderPanel({ panel: 'attributes', title: 'Attributes', root: $('#attributes'), unit: 'standard deviations (σ) of this attribute over faces', sorts: { usual: 'Usual', quality: 'Quality', name: 'Name' }, axes, read, move, foot, waiting, after: tellEffects });
  on('facts', () => { known = { names: [], facts: {}, why: '' }; panel.build(); load(); });
  on('face', () => score(state.z));
  on('examples', fillMaker);
}

async function load() {
  const found = await attempt(() => engine.directions());
  if (!found) return;
  known = found;
  scores = new Float32Array(known.names.length);
  await score(state.z);
  panel.build();
  if (!known.names.length && state.view.edit === 'attributes' && $('#tab-components')) setView({ edit: 'components' });
}

const score = latestWins(async (/** @type {Float32Array} */ z) => {
  if (!known.names.length) return;
  scores = z.some(Boolean) ? await engine.scores(z) : scores;
  panel.refresh();
});

const waiting = () => (known.why ? h('span', {}, `${known.why} Until then, Components and Raw dimensions move this face.`) : 'Looking for directions…');
const plain = (/** @type {string} */ name) => name.replaceAll('_', ' ');

/** @param {string} sort */
function axes(sort) {
  const shown = known.names.filter((name) => asked || !DELICATE.has(name));
  const rank = (/** @type {string} */ name) => (FIRST.indexOf(name) + 1 || FIRST.length + 1);
  const auc = (/** @type {string} */ name) => known.facts[name]?.auc ?? 0;
  if (sort === 'name') shown.sort((a, b) => a.localeCompare(b));
  else shown.sort((a, b) => (sort === 'usual' ? rank(a) - rank(b) : 0) || auc(b) - auc(a));
  return shown.map((name) => {
    const { auc, yes, no, on: full, off, gap } = known.facts[name] ?? {};
    const quality = auc === undefined ? 'unmeasured' : auc >= 0.9 ? 'good' : auc >= 0.75 ? 'fair' : 'weak';
    return {
      key: name, label: plain(name), badge: h('span', { class: `badge ${quality}` }, quality), classes: gap > 0 ? { off, on: full } : undefined,
      tip: auc === undefined ? 'How well this direction tells faces apart was not measured.' : `Quality: on faces that it was not fitted to, it tells yes from no with an area under the ROC curve of ${auc.toFixed(2)} (0.5 is guessing, 1 is perfect)${yes ? `; learned from ${yes} faces with and ${no} without` : ''}.`,
    };
  });
}

function foot() {
  const hidden = known.names.filter((name) => DELICATE.has(name)).length;
  const box = hidden ? h('label', { class: 'check', dataset: { tip: 'Labels that judge a person, or that a picture cannot tell, say more of those who labelled than of the face.' } }, h('input', { type: 'checkbox', checked: asked, onchange: () => { asked = !asked; panel.build(); } }), `Show ${hidden} subjective or protected labels`) : null;
  fillMaker();
  return [effects, box, maker];
}

/** @param {Float32Array} z */
function read(z) { return new Map(known.names.map((name, i) => [name, scores[i] ?? 0])); }

/** @param {Float32Array} z @param {Map<string, number>} changes */
async function move(z, changes) {
  if (!changes.size) return { z };
  const before = await engine.scores(z), locked = [...state.locks.attributes].filter((name) => known.names.includes(name) && !changes.has(name));
  const wanted = Object.fromEntries([...changes].map(([name, value]) => [name, value - before[known.names.indexOf(name)]]));
  const found = await engine.edit(z, wanted, locked);
  scores = Float32Array.from(found.header.scores);
  return { z: found.z, picture: found.picture };
}

/** What else an edit has moved, against the face before it. */
const tellEffects = latestWins(async () => {
  const old = state.original.z;
  if (!known.names.length || old === state.z || !old.some(Boolean)) { effects.hidden = true; return; }
  if (base?.z !== old) base = { z: old, scores: await engine.scores(old) };
  const moved = known.names.map((name, i) => /** @type {[string, number]} */ ([name, scores[i] - base.scores[i]])).filter(([name, by]) => Math.abs(by) > MOVES && (asked || !DELICATE.has(name)));
  moved.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  effects.hidden = !moved.length;
  fill(effects, h('b', {}, 'Moved: '), moved.slice(0, 6).map(([name, by]) => h('span', { class: 'chip' }, `${plain(name)} ${by > 0 ? '+' : '−'}${Math.abs(by).toFixed(1)}`)));
  effects.dataset.tip = 'How far each attribute has moved since the face was loaded, in standard deviations. Lock one to hold it still while you move another.';
});
/** @type {any} */
let base = null;

function fillMaker() {
  const { with: having, without: lacking } = state.examples;
  const name = h('input', { type: 'text', maxLength: 40, placeholder: 'Name', 'aria-label': 'Name of the direction' });
  const side = (/** @type {'with' | 'without'} */ which, /** @type {Float32Array[]} */ rows) => h('div', { class: 'line tray' }, h('b', {}, `${rows.length} ${which}`), button('plus', 'This face', () => setExamples(which, [...rows, state.z])), rows.length ? button('trash', `Empty the tray “${which}”`, () => setExamples(which, []), { quiet: true }) : null);
  const create = async () => {
    if (having.length < 5 || lacking.length < 5 || !name.value.trim()) { toast('A direction needs a name, at least 5 faces with it and at least 5 without.', 'error'); return; }
    const done = await attempt(() => engine.addDirection(name.value.trim(), having, lacking));
    if (!done) return;
    toast(`“${name.value.trim()}” is now one of the attributes, and kept in the bundle.`);
    setExamples('with', []);
    setExamples('without', []);
    load();
  };
  fill(maker, h('summary', {}, 'Make a direction'),
    h('p', { class: 'hint' }, 'Gather at least 5 faces that have something and 5 that lack it: from the stage, from Saved, or with the lasso on the Map.'),
    side('with', having), side('without', lacking), h('div', { class: 'line' }, name, button('', 'Create', create, { class: 'primary' })));
}
