// @ts-check
/** Two to twelve keyframes become an animation: reordered, scrubbed, played and exported. */

import { $, attempt, button, download, h, icon, options, setChildren, setPressed, toast } from '../dom.js';
import { engine } from '../engine.js';
import { latestWins } from '../latest.js';
import { bind, fillSelect } from '../fields.js';
import { clamp } from '../maths.js';
import { whenShown } from '../panel.js';
import { thumbnails } from '../pictures.js';
import { newNamed, on, openFacts, setKeyframes, state } from '../state.js';
import { showPreview } from './stage.js';

/** @typedef {import('../types.js').NamedLatent} NamedLatent */

const FPS = 30;
const MOST_KEYFRAMES = 12;
const MOST_SECONDS = 10;
const VIDEOS = ['mp4', 'webm']; // file formats

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

/** @type {HTMLElement} */
let strip;
/** @type {HTMLElement} */
let controls;
/** @type {HTMLSelectElement} */
let interpolation;
/** @type {HTMLSelectElement} */
let loopMode;
/** @type {HTMLSelectElement} */
let format;
/** @type {HTMLInputElement} */
let seconds;
/** @type {HTMLInputElement} */
let scrubber;
/** @type {HTMLElement} */
let playButton;

export function startMorph() {
  strip = h('div', { class: 'strip' });
  createControls();
  setChildren($('#morph'), strip, controls);
  whenShown($('#morph'), 'keyframes facts', rebuild);
  on('facts', () => {
    fillFormats();
    fillInterpolations();
  });
  on('face view', () => {
    if (!animationFrame) endPreview();
  });
}

function createControls() {
  interpolation = pathSelect('Interpolation', 'interpolation', INTERPOLATIONS, INTERPOLATION_TIP);
  loopMode = pathSelect('Loop mode', 'loopMode', LOOP_MODES, 'What follows the last keyframe.');
  seconds = h('input', {
    type: 'number',
    min: 1,
    max: MOST_SECONDS,
    step: 0.5,
    'aria-label': 'Seconds',
    class: 'typed',
    dataset: { tip: `Length of the animation in seconds, ${MOST_SECONDS} at most, at ${FPS} frames a second.` },
  });
  bind(seconds, 'seconds', () => updatePath());
  format = bind(h('select', { 'aria-label': 'File format' }), 'format');
  const range = { min: 0, max: 100, value: 0 };
  scrubber = h('input', { type: 'range', ...range, 'aria-label': 'Frame of the morph', class: 'scrub' });
  scrubber.addEventListener('input', () => {
    stop();
    showFrame(Number(scrubber.value));
  });
  const playProps = { quiet: true, 'aria-pressed': 'false', id: 'play' };
  playButton = button('play', 'Play the morph (Space)', togglePlayback, playProps);
  const tip = 'Saves the animation as a file.';
  const saveProps = { once: true, id: 'animation-save', dataset: { tip } };
  const save = button('export', 'Save', saveAnimation, saveProps);
  const unit = h('span', { class: 'unit' }, 's');
  const parts = [playButton, scrubber, interpolation, loopMode, seconds, unit, format, save];
  controls = h('div', { class: 'line animation' }, parts);
}

/**
 * A select that changes the path.
 * @param {string} label
 * @param {'interpolation' | 'loopMode'} name of the setting
 * @param {[string, string][]} choices
 * @param {string} tip
 */
function pathSelect(label, name, choices, tip) {
  const select = h('select', { 'aria-label': label, dataset: { tip } }, options(choices));
  return bind(select, name, () => updatePath());
}

function fillFormats() {
  /** @type {[string, string][]} */
  const choices = openFacts().formats.map((name) => [name, name.toUpperCase()]);
  fillSelect(format, choices, 'format');
}

/** Leaves out what a static page cannot compute, and says why. */
function fillInterpolations() {
  const { unavailable } = openFacts();
  fillSelect(interpolation, INTERPOLATIONS.filter(([name]) => !unavailable[name]), 'interpolation');
  interpolation.dataset.tip = `${INTERPOLATION_TIP} ${unavailable.geodesic ?? ''}`.trim();
}

function pathRequest() {
  const count = clamp(Math.round(FPS * state.view.seconds), 2, FPS * MOST_SECONDS);
  return { frames: count, interpolation: interpolation.value, loop_mode: loopMode.value };
}

// ---- Keyframes

function addKeyframe() {
  const { keyframes, z } = state;
  if (keyframes.length >= MOST_KEYFRAMES) {
    toast(`A morph has at most ${MOST_KEYFRAMES} keyframes.`, 'error');
    return;
  }
  setKeyframes([...keyframes, newNamed(`Face ${keyframes.length + 1}`, z)]);
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
  const addProps = { type: 'button', class: 'add', onclick: addKeyframe, id: 'keyframe-add' };
  const add = h('button', addProps, icon('plus'), h('span', {}, 'Add this face'));
  setChildren(strip, items, add, ready ? null : h('p', { class: 'hint' }, HINT));
  controls.classList.toggle('off', !ready);
  /** @type {NodeListOf<HTMLButtonElement | HTMLInputElement | HTMLSelectElement>} */
  const elements = controls.querySelectorAll('button, input, select');
  for (const element of elements) element.disabled = !ready;
  updatePath();
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
  });
  const remove = button('close', `Remove keyframe ${number}`, () => removeKeyframe(keyframe), { quiet: true });
  const later = button('right', `Move keyframe ${number} later`, () => moveKeyframe(index, index + 1), {
    quiet: true,
    disabled: index === last,
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

const updatePath = latestWins(async () => {
  stop();
  if (state.keyframes.length < 2) {
    frames = [];
    endPreview();
    return;
  }
  const latents = state.keyframes.map((keyframe) => keyframe.z);
  frames = (await attempt(() => engine.path(latents, pathRequest()))) ?? [];
  scrubber.max = String(Math.max(0, frames.length - 1));
  scrubber.value = '0';
});

const showFrame = latestWins(async (/** @type {number} */ frame) => {
  const index = clamp(Math.round(frame), 0, frames.length - 1);
  const z = frames[index];
  if (!z) return;
  const [picture] = await engine.decode([z]);
  if (!frames.length) return;
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

async function saveAnimation() {
  const extension = format.value;
  const latents = state.keyframes.map((keyframe) => keyframe.z);
  toast('Creating the animation…');
  const bytes = await attempt(() => engine.exportAnimation(latents, { ...pathRequest(), fps: FPS, format: extension }));
  if (!bytes) return;
  const type = VIDEOS.includes(extension) ? `video/${extension}` : `image/${extension}`;
  download(new Blob([bytes], { type }), `morph.${extension}`);
}
