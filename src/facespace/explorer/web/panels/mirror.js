// @ts-check
/** The mirror: what a space makes of the camera's picture, live, on the stage, and beside it what a second space makes
 * of it. The face is detected once a second; in between, its last place is taken. It ends with the camera. */

import { button, h, options, setPressed, toast } from '../dom.js';
import { engine } from '../engine.js';
import { paint } from '../pictures.js';
import { on, openFacts } from '../state.js';
import { loadFace, showPreview } from './stage.js';

/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Landmarks} Landmarks */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {{points: Landmarks | null, at: number, seen: number}} Found when the last look was, and the last face */

const DETECT_MS = 1000;
const KEPT_MS = 3000; // that a face which is no longer detected is taken to be where it was
const PAUSE_MS = 250; // before the next look where no face was in sight
const RATE_FRAMES = 10; // that the shown rate is taken over
const NO_FACE = 'No face is in sight.';
const TIP = 'Shows live what the space makes of you. The picture goes to the explorer on this computer alone.';

/** Ends the mirror that runs. */
let stopLast = () => {};
on('z facts', () => stopLast()); // the stage shows another face then

/**
 * The controls and pictures of a mirror.
 * @param {HTMLVideoElement} video
 * @param {() => ImageData} grab the camera's picture now
 */
export function mirrorSection(video, grab) {
  const figures = { camera: figure('You'), first: figure(openFacts().name), second: figure('') };
  const text = h('p', { class: 'hint', role: 'status' });
  const pictures = h('div', { class: 'mirror', hidden: true }, Object.values(figures).map(({ element }) => element));
  const other = spaceSelect();
  const toggle = button('compare', 'Mirror', () => (running ? stop() : run()), { id: 'mirror', dataset: { tip: TIP } });
  const use = button('send', 'Use this face', useFace, { id: 'mirror-use', hidden: true });
  setPressed(toggle, false);
  let running = false;
  /** @type {{face: Face, aligned: Picture} | null} */
  let latest = null;

  const onCamera = () => running && video.srcObject instanceof MediaStream && video.srcObject.active;

  function stop() {
    if (!running) return;
    running = false;
    setPressed(toggle, false);
    showPreview(null);
    if (!engine.tuned) engine.forgetPhoto().catch(console.debug);
  }

  function useFace() {
    const taken = latest;
    stop();
    if (taken) loadFace(taken.face, 'Mirror', taken.aligned);
  }

  async function run() {
    running = true;
    stopLast = stop;
    setPressed(toggle, true);
    const times = [performance.now()];
    /** @type {Found} */
    let found = { points: null, at: -Infinity, seen: -Infinity };
    try {
      while (onCamera()) {
        const image = grab();
        found = await track(image, found);
        if (!found.points) {
          text.textContent = NO_FACE;
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
          continue;
        }
        const shown = await engine.alignFace(image, found.points);
        const second = other.value ? await engine.alignFaceIn(Number(other.value), image, found.points) : null;
        if (!onCamera()) break;
        latest = shown;
        show(shown, second?.face.picture ?? null);
        text.textContent = rate(times);
      }
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), 'error');
    }
    stop();
  }

  /**
   * @param {{face: Face, aligned: Picture}} shown
   * @param {Picture | null} second
   */
  function show({ face, aligned }, second) {
    pictures.hidden = false;
    use.hidden = false;
    paint(figures.camera.canvas, aligned, 2);
    paint(figures.first.canvas, face.picture, 2);
    figures.second.element.hidden = !second;
    if (second) paint(figures.second.canvas, second, 2);
    figures.second.caption.textContent = other.selectedOptions[0]?.textContent ?? '';
    showPreview(face.picture, 'Mirror, live');
  }

  const choice = openFacts().spaces.length > 1 ? other : null;
  const controls = h('div', { class: 'line' }, toggle, use, choice);
  return h('div', { class: 'mirror-section' }, controls, text, pictures);
}

/**
 * The face's landmarks in a picture, which the server then has: detected, or where they were less than a second ago.
 * @param {ImageData} image
 * @param {Found} found
 * @returns {Promise<Found>}
 */
async function track(image, found) {
  const now = performance.now();
  if (found.points && now - found.at < DETECT_MS) {
    await engine.keepPhoto(image);
    return found;
  }
  const { faces, detector_error: missing } = await engine.detectFaces(image);
  if (missing) throw new Error(missing);
  if (faces.length) return { points: faces[0].points, at: now, seen: now };
  return { ...found, points: now - found.seen < KEPT_MS ? found.points : null, at: now };
}

/** @param {number[]} times of the frames so far, in milliseconds */
function rate(times) {
  times.push(performance.now());
  if (times.length > RATE_FRAMES + 1) times.shift();
  const seconds = (times[times.length - 1] - times[0]) / 1000;
  return `${((times.length - 1) / seconds).toFixed(1)} pictures a second.`;
}

/** @param {string} text */
function figure(text) {
  const canvas = h('canvas', { class: 'thumbnail mirrored', 'aria-hidden': 'true' });
  const caption = h('figcaption', {}, text);
  return { element: h('figure', {}, canvas, caption), canvas, caption };
}

function spaceSelect() {
  /** @type {[string, string][]} */
  const choices = [['', 'No second space']];
  for (const [index, name] of openFacts().spaces.entries()) {
    if (index !== engine.space) choices.push([String(index), name]);
  }
  return h('select', { 'aria-label': 'Second space of the mirror', id: 'mirror-space' }, options(choices));
}
