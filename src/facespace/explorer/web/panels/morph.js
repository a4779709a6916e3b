// @ts-check
/** Two to twelve keyframes become an animation: reordered, scrubbed and played; a frame of it becomes the face. */

import { $, attempt, button, h, icon, options, setChildren, setPressed, toast } from '../dom.js';
import { engine } from '../engine.js';
import { latestWins } from '../latest.js';
import { bind, fillSelect } from '../fields.js';
import { clamp } from '../maths.js';
import { saveDialog } from '../morph_save.js';
import { whenShown } from '../panel.js';
import { settled } from '../pending.js';
import { thumbnails } from '../pictures.js';
import { newNamed, on, openFacts, setFace, setKeyframes, state } from '../state.js';
import { showPreview } from './stage.js';

/** @typedef {import('../types.js').NamedLatent} NamedLatent */

const FPS = 30;
const MOST_KEYFRAMES = 12;
const MOST_FRAMES = 900;
const LONGEST = 10; // seconds from one keyframe to the next

/** Values of the protocol and their labels. @type {[string, string][]} */
const INTERPOLATIONS = [
  ['linear', 'Linear'],
  ['spherical', 'Spherical'],
  ['geodesic', 'Geodesic'],
];
/** @type {[string, string][]} */
const LOOP_MODES = [
  ['loop', 'Loop'],
  ['pingpong', 'Ping-pong'],
  ['once', 'Once'],
];
/** @type {[string, string][]} */
const EASINGS = [
  ['linear', 'Steady'],
  ['smooth', 'Smooth'],
  ['hold', 'Hold'],
];
const EASING_TIP =
  'Steady: the same pace throughout. Smooth: slower near each keyframe. Hold: rests at each keyframe.';
const INTERPOLATION_TIP =
  'Linear: straight lines between latents. Spherical: arcs around the mean, which keep the distance from it. ' +
  'Geodesic: a path through regions of high density.';
const HINT = 'A morph needs 2 to 12 keyframes: add this face, set another one and add it too.';

/** @type {Float32Array[]} */
let frames = []; // latents of the animation
let animationFrame = 0;
let startTime = 0;
let draggedIndex = -1;
let previewing = false;
let changes = 0; // of the face

/** @type {HTMLElement} */
let strip;
/** @type {HTMLElement} */
let controls;
/** @type {HTMLSelectElement} */
let interpolation;
/** @type {HTMLSelectElement} */
let loopMode;
/** @type {HTMLSelectElement} */
let easing;
/** @type {HTMLInputElement} */
let seconds;
/** @type {HTMLElement} */
let total;
/** @type {HTMLInputElement} */
let scrubber;
/** @type {HTMLElement} */
let playButton;

export function startMorph() {
  strip = h('div', { class: 'strip' });
  createControls();
  setChildren($('#morph'), strip, controls);
  whenShown($('#morph'), 'keyframes facts', rebuild);
  on('facts', fillInterpolations);
  on('z', endPlayback);
  on('view', () => {
    if (!animationFrame) endPreview();
  });
}

function createControls() {
  interpolation = pathSelect('Interpolation', 'interpolation', INTERPOLATIONS, INTERPOLATION_TIP);
  loopMode = pathSelect('Loop mode', 'loopMode', LOOP_MODES, 'What follows the last keyframe.');
  easing = pathSelect('Easing', 'easing', EASINGS, EASING_TIP);
  const most = MOST_FRAMES / FPS;
  seconds = h('input', {
    type: 'number',
    min: 0.2,
    max: LONGEST,
    step: 0.1,
    'aria-label': 'Seconds per keyframe',
    class: 'typed',
    dataset: { tip: `Seconds from one keyframe to the next, on average; the whole has ${most} seconds at most.` },
  });
  bind(seconds, 'keySeconds', changePath);
  total = h('span', { class: 'hint total' });
  const range = { min: 0, max: 100, value: 0 };
  scrubber = h('input', { type: 'range', ...range, 'aria-label': 'Frame of the morph', class: 'scrub' });
  scrubber.addEventListener('input', () => {
    stop();
    showFrame(Number(scrubber.value));
  });
  const playProps = { quiet: true, 'aria-pressed': 'false', id: 'play' };
  playButton = button('play', 'Play the morph (Space)', togglePlayback, playProps);
  const useTip = 'Makes the shown frame the face.';
  const use = button('send', 'Use frame', useFrame, { id: 'frame-use', dataset: { tip: useTip } });
  const tip = 'Saves the animation as a file: format, size and aspect.';
  const saveButton = button('export', 'Save…', save, { id: 'animation-save', dataset: { tip } });
  const unit = h('span', { class: 'unit' }, 's each');
  const time = h('div', { class: 'line tight time' }, seconds, unit, total);
  const parts = [playButton, scrubber, use, interpolation, loopMode, easing, time, saveButton];
  controls = h('div', { class: 'line animation' }, parts);
}

/**
 * A select that changes the path.
 * @param {string} label
 * @param {'interpolation' | 'loopMode' | 'easing'} name of the setting
 * @param {[string, string][]} choices
 * @param {string} tip
 */
function pathSelect(label, name, choices, tip) {
  const select = h('select', { 'aria-label': label, dataset: { tip } }, options(choices));
  return bind(select, name, changePath);
}

/** How many times the path goes from one keyframe to the next. */
function segments() {
  const between = state.keyframes.length - 1;
  if (loopMode.value === 'pingpong') return 2 * between;
  return loopMode.value === 'loop' ? between + 1 : between;
}

/** Leaves out what the page cannot compute, and says why. */
function fillInterpolations() {
  const { unavailable } = openFacts();
  fillSelect(interpolation, INTERPOLATIONS.filter(([name]) => !unavailable[name]), 'interpolation');
  interpolation.dataset.tip = `${INTERPOLATION_TIP} ${unavailable.geodesic ?? ''}`.trim();
}

function pathRequest() {
  const wanted = Math.round(FPS * state.view.keySeconds * segments());
  const count = clamp(wanted, Math.max(2, segments() + 1), MOST_FRAMES);
  return { frames: count, interpolation: interpolation.value, loop_mode: loopMode.value, easing: easing.value };
}

// ---- Keyframes

async function addFace() {
  await settled();
  addKeyframe(`Face ${state.keyframes.length + 1}`, state.z);
}

/**
 * Adds a keyframe. Returns whether there was room for it; where there was none, that is said.
 * @param {string} name
 * @param {Float32Array} z
 */
export function addKeyframe(name, z) {
  const { keyframes } = state;
  if (keyframes.length >= MOST_KEYFRAMES) {
    toast(`A morph has at most ${MOST_KEYFRAMES} keyframes. Remove one first.`, 'error');
    return false;
  }
  setKeyframes([...keyframes, newNamed(name, z)]);
  return true;
}

/**
 * @param {number} from
 * @param {number} to
 */
function moveKeyframe(from, to) {
  const keyframes = [...state.keyframes];
  if (to < 0 || to >= keyframes.length || from === to) return;
  const [moved] = keyframes.splice(from, 1);
  keyframes.splice(to, 0, moved);
  setKeyframes(keyframes);
}

/** @param {NamedLatent} keyframe */
function removeKeyframe(keyframe) {
  setKeyframes(state.keyframes.filter((other) => other !== keyframe));
}

async function rebuild() {
  const { keyframes } = state;
  const pictures = (await attempt(() => thumbnails(keyframes.map((keyframe) => keyframe.z)))) ?? [];
  if (keyframes !== state.keyframes) return;
  const ready = keyframes.length >= 2;
  const items = keyframes.map((keyframe, i) => keyframeItem(keyframe, i, pictures[i]));
  const addProps = { type: 'button', class: 'add', onclick: addFace, id: 'keyframe-add' };
  const add = h('button', addProps, icon('plus'), h('span', {}, 'Add this face'));
  setChildren(strip, items, add, ready ? null : h('p', { class: 'hint' }, HINT));
  controls.classList.toggle('off', !ready);
  /** @type {NodeListOf<HTMLButtonElement | HTMLInputElement | HTMLSelectElement>} */
  const elements = controls.querySelectorAll('button, input, select');
  for (const element of elements) element.disabled = !ready;
  changePath();
}

/**
 * @param {NamedLatent} keyframe
 * @param {number} index
 * @param {HTMLCanvasElement | undefined} picture
 */
function keyframeItem(keyframe, index, picture) {
  const number = index + 1;
  const last = state.keyframes.length - 1;
  const earlier = button('left', `Move keyframe ${number} earlier`, () => moveKeyframe(index, index - 1), {
    quiet: true,
    disabled: index === 0,
    dataset: { focus: `${keyframe.id} earlier` },
  });
  const remove = button('close', `Remove keyframe ${number}`, () => removeKeyframe(keyframe), { quiet: true });
  const later = button('right', `Move keyframe ${number} later`, () => moveKeyframe(index, index + 1), {
    quiet: true,
    disabled: index === last,
    dataset: { focus: `${keyframe.id} later` },
  });
  const label = `Keyframe ${number} of ${last + 1}`;
  const props = { class: 'keyframe', draggable: true, role: 'group', 'aria-label': label };
  const item = h('div', props, picture, h('div', { class: 'line tight' }, earlier, remove, later));
  makeDraggable(item, index);
  return item;
}

/**
 * Lets a keyframe be dragged to the place of another.
 * @param {HTMLElement} item
 * @param {number} index
 */
function makeDraggable(item, index) {
  item.addEventListener('dragstart', () => {
    draggedIndex = index;
  });
  item.addEventListener('dragover', (event) => {
    if (draggedIndex >= 0) event.preventDefault();
  });
  item.addEventListener('drop', (event) => {
    event.preventDefault();
    event.stopPropagation();
    moveKeyframe(draggedIndex, index);
    draggedIndex = -1;
  });
  item.addEventListener('dragend', () => {
    draggedIndex = -1;
  });
}

// ---- Animation

function changePath() {
  const { frames } = pathRequest();
  const longest = frames === MOST_FRAMES ? ' at most' : '';
  total.textContent = `· ${(frames / FPS).toFixed(1)} s${longest}`;
  updatePath();
}

const updatePath = latestWins(async () => {
  stop();
  if (state.keyframes.length < 2) {
    frames = [];
    endPreview();
    return;
  }
  frames = (await attempt(() => engine.path(latents(), pathRequest()))) ?? [];
  scrubber.max = String(Math.max(0, frames.length - 1));
  scrubber.value = '0';
});

const showFrame = (/** @type {number} */ frame) => showLatest({ frame, face: changes });

const showLatest = latestWins(async (/** @type {{frame: number, face: number}} */ { frame, face }) => {
  const index = clamp(Math.round(frame), 0, frames.length - 1);
  const z = frames[index];
  if (!z) return;
  const [picture] = await engine.decode([z]);
  if (!frames.length || face !== changes) return; // the face is to be seen
  previewing = true;
  const position = `${Math.round(frame) + 1} of ${frames.length}`;
  showPreview(picture, `Morph, frame ${position}`);
  scrubber.setAttribute('aria-valuetext', `Frame ${position}`);
});

function endPreview() {
  if (!previewing) return;
  previewing = false;
  showPreview(null);
}

/** The face has changed, and is to be seen. */
function endPlayback() {
  changes += 1;
  if (animationFrame) stop();
  endPreview();
}

/** Starts or stops the animation. */
export function togglePlayback() {
  if (animationFrame) {
    stop();
    return;
  }
  if (frames.length < 2) return;
  startTime = performance.now() - (1000 * Number(scrubber.value)) / FPS;
  showPlaying(true);
  animationFrame = requestAnimationFrame(playFrame);
}

/** @param {number} now */
function playFrame(now) {
  const elapsed = Math.floor(((now - startTime) * FPS) / 1000);
  if (loopMode.value === 'once' && elapsed >= frames.length) {
    stop();
    return;
  }
  const frame = elapsed % frames.length;
  scrubber.value = String(frame);
  showFrame(frame);
  animationFrame = requestAnimationFrame(playFrame);
}

function stop() {
  cancelAnimationFrame(animationFrame);
  animationFrame = 0;
  showPlaying(false);
}

/** @param {boolean} playing */
function showPlaying(playing) {
  setPressed(playButton, playing);
  playButton.replaceChildren(icon(playing ? 'pause' : 'play'));
}

/** Makes the frame of the scrubber the face. */
function useFrame() {
  stop();
  const index = Number(scrubber.value);
  const z = frames[index];
  if (z) setFace(z, `Morph, frame ${index + 1} of ${frames.length}`);
}

const latents = () => state.keyframes.map((keyframe) => keyframe.z);

function save() {
  stop();
  saveDialog(latents(), pathRequest(), FPS);
}
