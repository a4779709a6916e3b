// @ts-check
/** "Keep the person": after a slider of an attribute was moved, the server edits the face anew, closed-loop, so that an
 * attribute classifier finds the attribute while all others stay. Another move cancels it. */

import { lockedDirections } from './attribute_axes.js';
import { announce, attempt, toast } from './dom.js';
import { moveToScores, scoreOf } from './directions.js';
import { engine } from './engine.js';
import { displayName } from './labels.js';
import { amend, on, state } from './state.js';

/** @typedef {import('./types.js').Direction} Direction */
/** @typedef {{z: Float32Array, end: () => void}} Waiting `z`: the face that the slider has made */

/** @type {Waiting | null} */
let waiting = null;

on('z', () => {
  if (!waiting || waiting.z === state.z) return;
  finish();
  engine.cancelEdit().catch(console.debug);
});

function finish() {
  waiting?.end();
  waiting = null;
}

/**
 * Puts the closed-loop edit in the place of the step that a slider has made.
 * @param {Direction} direction
 * @param {Float32Array} from the face before the step
 * @param {(busy: boolean) => void} showBusy
 */
export async function keepPerson(direction, from, showBusy) {
  const label = displayName(direction.name);
  const up = scoreOf(direction, state.z) > scoreOf(direction, from);
  const mine = { z: state.z, end: () => showBusy(false) };
  waiting = mine;
  showBusy(true);
  announce(`${label}: the person is being kept.`);
  const edit = await attempt(() => engine.closedLoopEdit(from, direction.name, up));
  if (waiting !== mine) return; // cancelled
  finish();
  if (!edit) return;
  if (edit.already) {
    toast(alreadyText(label, up));
    return;
  }
  amend(withLocks(edit.face.z, from, edit.held));
  if (edit.reached) return;
  toast(`With all other attributes held, the classifier does not find the change of ${label} in this face.`);
}

/**
 * The face with the scores of those locked attributes that the classifier does not know.
 * @param {Float32Array} z
 * @param {Float32Array} from the face whose scores they are
 * @param {string[]} held attributes that the classifier has held
 */
function withLocks(z, from, held) {
  const unknown = lockedDirections((name) => held.includes(name));
  return moveToScores(z, new Map(unknown.map((direction) => [direction, scoreOf(direction, from)])), []);
}

/**
 * @param {string} label
 * @param {boolean} up
 */
function alreadyText(label, up) {
  const verb = up ? 'finds' : 'does not find';
  return `The classifier ${verb} ${label} in the face before: the slider alone has moved it further.`;
}
