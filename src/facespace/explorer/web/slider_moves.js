// @ts-check
/** How a slider panel moves the face: by hand, across several sliders, at random, back to the original, and as an
 * animation. Shows nothing itself; locks are looked at here. */

import { announce, prefersReducedMotion, toast } from './dom.js';
import { randomLatent } from './maths.js';
import { SWEEP } from './slider_row.js';
import { amend, commit, move, openStatistics, setFace, state, withoutAct } from './state.js';

/** @typedef {import('./types.js').EditPanel} EditPanel */

/**
 * What an axis is, and its values on faces.
 * @template {string | number} K
 * @typedef {object} Motion
 * @property {EditPanel} panel
 * @property {string} title
 * @property {(z: Float32Array) => Map<K, number>} read values in standard deviations
 * @property {(z: Float32Array, changes: Map<K, number>) => Float32Array} move `changes` are new values
 * @property {(key: K, from: Float32Array) => void} [onMoved] one slider was moved by hand, and the step is done
 */

/**
 * @template {string | number} K
 * @typedef {object} Shown what the panel shows of a move
 * @property {(key: K) => string} labelOf
 * @property {(key: K, value: number) => void} showValue
 * @property {(key: K, playing: boolean) => void} showPlaying
 * @property {() => void} onEnd a move has ended
 */

const PERIOD_MS = 4000; // of an animation
const ROUNDING = 1e-4; // of latents that were taken apart and put together again

/**
 * Whether two latents (D,) are one face but for rounding.
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
const isNear = (a, b) => a.every((value, i) => Math.abs(value - b[i]) <= ROUNDING * Math.max(1, Math.abs(value)));

/** @template {string | number} K */
export class SliderMoves {
  /**
   * @param {Motion<K>} motion
   * @param {Shown<K>} shown
   */
  constructor(motion, shown) {
    this.motion = motion;
    this.shown = shown;
    /** The face when a move began: each step starts from it, so that nothing drifts. @type {Float32Array | null} */
    this.base = null;
    /** What the last move by hand has made. @type {import('./types.js').HistoryEntry | null} */
    this.lastStep = null;
    /** Of the move that goes on. @type {Map<K, number>} */
    this.changes = new Map();
    /** @type {K | null} */
    this.animatedKey = null;
    this.animationFrame = 0;
  }

  get locked() {
    return state.locks[this.motion.panel];
  }

  /**
   * The value of the face.
   * @param {K} key
   * @param {Float32Array} [z]
   */
  valueOf(key, z = state.z) {
    return this.motion.read(z).get(key) ?? 0;
  }

  /**
   * The face moved, or null with a notice where that cannot be.
   * @param {Float32Array} from
   * @param {Map<K, number>} changes
   */
  #moved(from, changes) {
    try {
      return this.motion.move(from, changes);
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), 'error');
      return null;
    }
  }

  /**
   * One step of a move that goes on, of one slider or across several.
   * @param {K} key
   * @param {number} value
   */
  #slide(key, value) {
    this.base ??= state.z;
    this.changes.set(key, value);
    const moved = this.#moved(this.base, this.changes);
    if (moved) move(moved);
  }

  /**
   * Moves an axis by hand. Returns false where it is locked.
   * @param {K} key
   * @param {number} value
   */
  moveBy(key, value) {
    if (this.locked.has(key)) {
      this.shown.showValue(key, this.valueOf(key));
      announce(`${this.shown.labelOf(key)} is locked.`);
      return false;
    }
    this.shown.showValue(key, value);
    this.#slide(key, value);
    return true;
  }

  /**
   * Sets an axis to a value in one step, unless it is locked.
   * @param {K} key
   * @param {number} value
   */
  set(key, value) {
    const label = this.shown.labelOf(key);
    if (this.locked.has(key)) announce(`${label} is locked.`);
    else this.change(new Map([[key, value]]), label);
  }

  /**
   * Sets an axis to zero; the step that a first click on it has just made becomes this one.
   * @param {K} key
   */
  zero(key) {
    const { lastStep } = this;
    if (!this.moveBy(key, 0)) return;
    if (lastStep && lastStep === state.history[state.historyIndex]) {
      amend(state.z);
      this.forget();
      this.shown.onEnd();
    } else this.finish();
  }

  /**
   * Makes the move a step of the history.
   * @param {string} [label]
   */
  finish(label = this.#label()) {
    const { base, changes, animatedKey } = this;
    const [key] = changes.keys();
    const byHand = changes.size === 1 && animatedKey === null;
    const before = state.history[state.historyIndex];
    if (base) commit(label); // after which the move is forgotten
    const now = state.history[state.historyIndex];
    this.lastStep = now === before ? null : now;
    this.forget();
    this.shown.onEnd();
    if (base && byHand) this.motion.onMoved?.(key, base);
  }

  #label() {
    const [first] = this.changes.keys();
    if (this.changes.size > 1) return `${this.changes.size} sliders`;
    return first === undefined ? '' : this.shown.labelOf(first);
  }

  /** Takes a move back that was none. */
  cancel() {
    if (this.base) move(this.base);
    this.forget();
    this.shown.onEnd();
  }

  /** The face is another one: a move that went on has ended. */
  forget() {
    this.base = null;
    this.changes.clear();
    this.#endAnimation();
  }

  /**
   * A change in one step.
   * @param {Map<K, number>} changes
   * @param {string} label
   * @param {Float32Array} [from]
   */
  change(changes, label, from = state.z) {
    this.stop();
    const moved = this.#moved(from, changes);
    if (moved && !isNear(moved, state.z)) commit(label, moved);
  }

  /**
   * A draw from the distribution of faces, in which values vary together; what is locked stays.
   * @param {K[]} keys
   */
  randomise(keys) {
    if (!state.statistics) {
      toast('The space is still being measured. Try again in a moment.', 'error');
      return;
    }
    const values = this.motion.read(randomLatent(openStatistics(), state.view.truncation));
    /** @type {Map<K, number>} */
    const changes = new Map();
    for (const key of keys) {
      if (!this.locked.has(key)) changes.set(key, values.get(key) ?? 0);
    }
    this.change(changes, `Random ${this.motion.title.toLowerCase()}`);
  }

  /** The original face, but for the values that are locked. */
  reset() {
    const { z, picture } = state.original;
    const current = this.motion.read(state.z);
    const kept = new Map([...current].filter(([key]) => this.locked.has(key)));
    if (kept.size) this.change(kept, 'Reset', z);
    else setFace(z, 'Reset', picture);
  }

  /** Ends an animation, whose face is then a step of the history. */
  stop() {
    if (this.animatedKey !== null) this.finish('Animation');
  }

  #endAnimation() {
    cancelAnimationFrame(this.animationFrame);
    if (this.animatedKey === null) return;
    const key = this.animatedKey;
    this.animatedKey = null;
    this.shown.showPlaying(key, false);
  }

  /** @param {K} key */
  toggleAnimation(key) {
    const wasPlaying = this.animatedKey === key;
    this.stop();
    if (wasPlaying) return;
    this.animatedKey = key;
    this.base = state.z;
    const centre = this.valueOf(key);
    const start = performance.now();
    const period = prefersReducedMotion() ? 3 * PERIOD_MS : PERIOD_MS;
    this.shown.showPlaying(key, true);
    const showFrame = (/** @type {number} */ now) => {
      if (this.animatedKey !== key) return;
      const value = centre + SWEEP * Math.sin((2 * Math.PI * (now - start)) / period);
      withoutAct(() => this.#slide(key, value));
      this.shown.showValue(key, value);
      this.animationFrame = requestAnimationFrame(showFrame);
    };
    this.animationFrame = requestAnimationFrame(showFrame);
  }
}
