// @ts-check
/** "Make it me": a copy of the space learns the open photo. It runs on the server while the page stays usable, shows
 * its progress around the face as it is so far, and can be cancelled; then all panels play the copy. */

import { announce, attempt, button, h, setChildren, toast } from '../dom.js';
import { engine } from '../engine.js';
import { paint } from '../pictures.js';
import { decoderChanged, openFacts } from '../state.js';
import { loadFace } from './stage.js';

/** @typedef {import('../types.js').Face} Face */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {{face: Face, change: number}} Tuned */

const POLL_MS = 700;
const WHAT =
  'Make it me: a copy of this space learns the photo, so that the face is not only like yours. It takes half a ' +
  'minute to two minutes on this computer, and you can go on meanwhile. The copy stays in memory, and goes with ' +
  'Forget or when the page is closed. Other faces change a little in it.';
const NOT_TUNABLE = 'The latents of this space are codes: a copy of it cannot be tuned to a photo.';
const DONE = 'The space is tuned to your photo: sliders, morphs and all other panels play the copy.';

/**
 * The part of the panel that tunes the space to one photo.
 * @param {() => Promise<Tuned | null>} tune null where it was cancelled
 * @param {() => Picture | null} aligned the photo's face
 */
export function tuneSection(tune, aligned) {
  const box = h('section', { class: 'tuning', 'aria-label': 'Make it me' });

  /** @param {string} text */
  const offer = (text) => {
    const make = button('star', engine.tuned ? 'Tune again' : 'Make it me', run, { id: 'tune' });
    const back = button('reset', 'Back to the space as it was', untune, { id: 'untune' });
    setChildren(box, h('div', { class: 'line' }, make, engine.tuned ? back : null), h('p', { class: 'hint' }, text));
  };
  const run = async () => {
    const space = engine.space;
    const started = performance.now();
    const watching = { on: true };
    showProgress(box, watching);
    announce('Tuning has begun.');
    const done = await attempt(tune);
    watching.on = false;
    if (!done || engine.space !== space) {
      offer(WHAT);
      return;
    }
    decoderChanged();
    loadFace(done.face, 'Photo, tuned', aligned());
    toast(DONE);
    announce(DONE);
    const seconds = Math.round((performance.now() - started) / 1000);
    const change = `A pixel of another face has changed by ${done.change.toFixed(1)} of 255 levels on average.`;
    offer(`Tuned in ${seconds} seconds. ${change}`);
  };
  const untune = async () => {
    await attempt(() => engine.untune());
    decoderChanged();
    offer(WHAT);
  };

  const { tunable, unavailable } = openFacts();
  if (tunable) offer(WHAT);
  else setChildren(box, h('p', { class: 'hint' }, unavailable.tune ?? NOT_TUNABLE));
  return box;
}

/**
 * A ring around the face as it is shown so far, the time that is left, and a way out.
 * @param {HTMLElement} box
 * @param {{on: boolean}} watching
 */
async function showProgress(box, watching) {
  const canvas = h('canvas', { class: 'thumbnail', 'aria-hidden': 'true' });
  const label = { role: 'progressbar', 'aria-label': 'Tuning', 'aria-valuemin': 0, 'aria-valuemax': 100 };
  const ring = h('div', { class: 'ring', ...label, 'aria-valuenow': 0 }, canvas);
  const text = h('p', {}, 'Tuning…');
  const cancel = button('close', 'Cancel', cancelTuning, { id: 'tune-cancel', once: true });
  setChildren(box, h('div', { class: 'tuning-progress' }, ring, h('div', {}, text, cancel)));
  while (watching.on) {
    const progress = await engine.tuningProgress().catch(() => null);
    if (progress) {
      const percent = Math.round(100 * progress.share);
      ring.style.setProperty('--share', String(percent));
      ring.setAttribute('aria-valuenow', String(percent));
      text.textContent = `${percent} % ${timeLeft(progress.secondsLeft)}`;
      if (progress.picture) paint(canvas, progress.picture);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function cancelTuning() {
  await attempt(() => engine.cancelTuning());
}

/** @param {number | null} seconds */
function timeLeft(seconds) {
  if (seconds === null) return '';
  if (seconds > 90) return `· about ${Math.round(seconds / 60)} minutes left`;
  return `· about ${Math.max(1, Math.round(seconds))} seconds left`;
}
