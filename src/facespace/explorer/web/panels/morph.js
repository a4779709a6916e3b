// @ts-check
/** Two to twelve key faces become a film: ordered, scrubbed, played, and saved as a file. */

import { $, attempt, button, download, fill, h, icon, toast } from '../dom.js';
import { engine, latestWins } from '../engine.js';
import { smalls } from '../faces.js';
import { on, setKeys, state } from '../state.js';
import { visit } from './stage.js';

const FPS = 30, MOST = 12;

/** @type {Float32Array[]} */
let path = [];
let playing = 0, began = 0, dragged = -1;
/** @type {any} */
let strip, along, turn, seconds, scrub, playButton, form, controls;

export function startMorph() {
  strip = h('div', { class: 'strip' });
  along = select('Way', { linear: 'Straight', spherical: 'Spherical', dense: 'Through likely faces' }, 'Straight lines between latents; arcs around the middle of the space, which keep the distance from it; or a path bent to where faces are likelier.');
  turn = select('Ending', { loop: 'Loop', back: 'There and back', once: 'Once' }, 'What comes after the last face.');
  seconds = h('input', { type: 'number', min: 1, max: 10, step: 0.5, value: 4, 'aria-label': 'Seconds', class: 'typed', dataset: { tip: `Length of the film in seconds, at ${FPS} frames a second.` }, onchange: remake });
  form = h('select', { 'aria-label': 'File' });
  scrub = h('input', { type: 'range', min: 0, max: 100, value: 0, 'aria-label': 'Place in the morph', class: 'scrub', oninput: () => { stop(); show(Number(scrub.value)); } });
  playButton = button('play', 'Play the morph (Space)', toggle, { quiet: true, 'aria-pressed': 'false', id: 'play' });
  controls = h('div', { class: 'line film' }, playButton, scrub, along, turn, seconds, h('span', { class: 'unit' }, 's'), form, button('export', 'Save', save, { id: 'film-save', dataset: { tip: 'Saves the morph as a file.' } }));
  fill($('#morph'), strip, controls);
  on('keys facts', rebuild);
  on('facts', () => fill(form, state.facts.formats.map((/** @type {string} */ one) => h('option', { value: one }, one.toUpperCase()))));
  on('face view', () => { if (!playing) visitNothing(); });
}

/** @param {string} words @param {Record<string, string>} choices @param {string} tip */
const select = (words, choices, tip) => h('select', { 'aria-label': words, dataset: { tip }, onchange: remake }, Object.entries(choices).map(([value, text]) => h('option', { value }, text)));
const how = () => ({ frames: Math.min(300, Math.max(2, Math.round(FPS * Math.min(10, Number(seconds.value) || 4)))), along: along.value, turn: turn.value });
let visiting = false;
function visitNothing() { if (visiting) { visiting = false; visit(null); } }

/** Adds the face of the page. */
function add() {
  if (state.keys.length >= MOST) { toast(`A morph has at most ${MOST} key faces.`, 'error'); return; }
  setKeys([...state.keys, { name: `Face ${state.keys.length + 1}`, z: state.z }]);
}

async function rebuild() {
  const keys = state.keys, pictures = (await attempt(() => smalls(keys.map((one) => one.z)))) ?? [];
  if (keys !== state.keys) return;
  const shift = (/** @type {number} */ from, /** @type {number} */ to) => {
    if (to < 0 || to >= keys.length || from === to) return;
    const next = [...keys], [one] = next.splice(from, 1);
    next.splice(to, 0, one);
    setKeys(next);
  };
  fill(strip, keys.map((one, i) => h('div', { class: 'key', draggable: true, role: 'group', 'aria-label': `Key face ${i + 1} of ${keys.length}`, ondragstart: () => { dragged = i; }, ondragover: (/** @type {any} */ event) => { if (dragged >= 0) event.preventDefault(); }, ondrop: (/** @type {any} */ event) => { event.preventDefault(); event.stopPropagation(); shift(dragged, i); dragged = -1; }, ondragend: () => { dragged = -1; } },
    pictures[i], h('div', { class: 'line tight' },
      button('left', `Key face ${i + 1}: earlier`, () => shift(i, i - 1), { quiet: true, disabled: i === 0 }),
      button('close', `Remove key face ${i + 1}`, () => setKeys(keys.filter((other) => other !== one)), { quiet: true }),
      button('right', `Key face ${i + 1}: later`, () => shift(i, i + 1), { quiet: true, disabled: i === keys.length - 1 })))),
  h('button', { type: 'button', class: 'add', onclick: add, id: 'key-add' }, icon('plus'), h('span', {}, 'Add this face')),
  keys.length < 2 ? h('p', { class: 'hint' }, 'A morph needs 2 to 12 key faces: put one on the stage, add it, and add another.') : null);
  controls.classList.toggle('off', keys.length < 2);
  for (const el of controls.querySelectorAll('button, input, select')) el.disabled = keys.length < 2;
  remake();
}

const remake = latestWins(async () => {
  stop();
  if (state.keys.length < 2) { path = []; visitNothing(); return; }
  path = (await attempt(() => engine.path(state.keys.map((one) => one.z), how()))) ?? [];
  scrub.max = String(Math.max(0, path.length - 1));
  scrub.value = '0';
});

const show = latestWins(async (/** @type {number} */ frame) => {
  const z = path[Math.max(0, Math.min(path.length - 1, Math.round(frame)))];
  if (!z) return;
  const [picture] = await engine.decode([z]);
  if (!path.length) return;
  visiting = true;
  visit(picture, `Morph, frame ${Math.round(frame) + 1} of ${path.length}`);
  scrub.setAttribute('aria-valuetext', `Frame ${Math.round(frame) + 1} of ${path.length}`);
});

/** Starts or stops the film. */
export function toggle() {
  if (playing) { stop(); return; }
  if (path.length < 2) return;
  began = performance.now() - (1000 * Number(scrub.value)) / FPS;
  mark(true);
  const next = (/** @type {number} */ now) => {
    let frame = Math.floor(((now - began) * FPS) / 1000);
    if (turn.value === 'once' && frame >= path.length) { stop(); return; }
    frame %= path.length;
    scrub.value = String(frame);
    show(frame);
    playing = requestAnimationFrame(next);
  };
  playing = requestAnimationFrame(next);
}

function stop() { cancelAnimationFrame(playing); playing = 0; mark(false); }
function mark(/** @type {boolean} */ on) { playButton.setAttribute('aria-pressed', String(on)); playButton.replaceChildren(icon(on ? 'pause' : 'play')); }

async function save() {
  const kind = form.value;
  toast('Making the film…');
  const bytes = await attempt(() => engine.film(state.keys.map((one) => one.z), { ...how(), fps: FPS, form: kind }));
  if (bytes) download(new Blob([bytes], { type: kind === 'mp4' ? 'video/mp4' : `image/${kind}` }), `morph.${kind}`);
}
