// @ts-check
/** One row of a slider panel: label, slider, typed value, and buttons to lock, reset, randomise and animate. Knows
 * its axis and shows values; what a move does is decided by its panel. */

import { button, h, icon, setPressed } from './dom.js';
import { onTyped } from './fields.js';
import { clamp, fixed, signed } from './maths.js';
import { watchPeek } from './peek.js';

/**
 * @template {string | number} K
 * @typedef {object} Axis
 * @property {K} key
 * @property {string} label
 * @property {string} tip
 * @property {HTMLElement | null} [badge]
 * @property {ClassMeans} [classMeans]
 * @property {number} [share] how much of the picture it changes, from 0 to 1 of the strongest axis
 * @property {() => HTMLElement[]} [ends] pictures of the face at −END and +END, for a row that is created
 */
/** @typedef {{negative: number, positive: number}} ClassMeans mean values of faces without and with an attribute */

/**
 * @typedef {object} RowActions
 * @property {(value: number) => boolean} onMove returns false where the axis is locked
 * @property {() => void} onFinish
 * @property {() => void} onCancel takes the move back that goes on
 * @property {() => void} onLock
 * @property {() => void} onReset
 * @property {() => void} onRandomise
 * @property {() => void} onAnimate
 * @property {() => void} onSheet
 * @property {(looked: boolean) => void} onPeek the slider is looked at, or no more
 */

export const SWEEP = 2; // standard deviations of an animation, to either side
export const END = 2; // standard deviations of the pictures beside a slider, to either side
export const LARGEST = 20; // standard deviations that can be typed
const SMALL_STEP = 0.1;
const LARGE_STEP = 0.5;
const STRENGTHS = ['average', 'slight', 'clear', 'strong', 'extreme'];

/** @type {Record<string, number>} */
const KEY_STEPS = {
  ArrowRight: SMALL_STEP,
  ArrowUp: SMALL_STEP,
  ArrowLeft: -SMALL_STEP,
  ArrowDown: -SMALL_STEP,
  PageUp: LARGE_STEP,
  PageDown: -LARGE_STEP,
};

/**
 * How far a value lies from the mean face, in a word.
 * @param {number} value
 */
function strength(value) {
  const level = Math.round(Math.abs(value));
  return STRENGTHS[Math.min(level, STRENGTHS.length - 1)];
}

/**
 * A value in class gaps: 0 is the mean of faces without the attribute, 1 the mean of faces with it.
 * @param {ClassMeans} means
 * @param {number} value
 */
function inClassGaps({ negative, positive }, value) {
  const share = (value - negative) / (positive - negative);
  const sign = share <= -0.05 ? '−' : '';
  return `${sign}${Math.abs(share).toFixed(1)}`;
}

/**
 * A mark on the slider at one class gap, where the slider reaches it.
 * @param {ClassMeans | undefined} means
 * @param {number} limit
 */
function classMark(means, limit) {
  if (!means || Math.abs(means.positive) > limit) return null;
  const mark = h('span', { class: 'notch', 'aria-hidden': 'true' });
  const place = (means.positive + limit) / (2 * limit);
  mark.style.setProperty('--place', String(place));
  return mark;
}

export class SliderRow {
  /**
   * @param {Axis<string | number>} axis
   * @param {{id: string, limit: number, unit: string}} settings `limit`: the slider's reach in standard deviations
   * @param {RowActions} actions
   */
  constructor(axis, { id, limit, unit }, actions) {
    this.axis = axis;
    this.limit = limit;
    this.value = 0; // which may lie beyond the slider's reach
    this.typing = false;
    this.held = false; // a key has moved it and is not released yet
    this.actions = actions;
    this.slider = h('input', {
      type: 'range',
      id,
      min: -limit,
      max: limit,
      step: 0.01,
      value: 0,
      dataset: { row: '' },
    });
    this.number = h('input', {
      type: 'number',
      step: SMALL_STEP,
      min: -LARGEST,
      max: LARGEST,
      class: 'typed',
      'aria-label': `${axis.label}, typed`,
      dataset: { tip: `${axis.label} in ${unit}; type a number from −${LARGEST} to ${LARGEST}.` },
    });
    this.gaps = axis.classMeans ? this.#createGaps() : null;
    this.lockButton = this.#toggleButton('unlock', `Lock ${axis.label}`, actions.onLock);
    this.playButton = this.#toggleButton('play', `Animate ${axis.label} by ±${SWEEP} σ`, actions.onAnimate);
    this.element = this.#createElement();
    this.#listen();
  }

  #createGaps() {
    const tip =
      `${this.axis.label} in class gaps: 0 is the mean of faces without it, 1 (the mark on the slider) the mean of ` +
      'faces with it.';
    return h('span', { class: 'gaps', dataset: { tip } });
  }

  /**
   * @param {string} iconName
   * @param {string} label
   * @param {() => void} onclick
   */
  #toggleButton(iconName, label, onclick) {
    return button(iconName, label, onclick, { quiet: true, 'aria-pressed': 'false' });
  }

  #createElement() {
    const { axis, actions } = this;
    const quiet = { quiet: true };
    const label = h('label', { for: this.slider.id, dataset: { tip: axis.tip } }, axis.label, axis.badge);
    const extra = h(
      'div',
      { class: 'extra' },
      this.lockButton,
      button('reset', `Reset ${axis.label}`, actions.onReset, quiet),
      button('dice', `Randomise ${axis.label}`, actions.onRandomise, quiet),
      this.playButton,
      button('sheet', `Contact sheet of ${axis.label}`, actions.onSheet, { ...quiet, once: true }),
    );
    watchPeek(label, this.slider, actions.onPeek);
    const [low, high] = axis.ends?.() ?? [];
    const slide = h(
      'div',
      { class: 'slide' },
      low && this.#createEnd(low, -END),
      button('minus', `${axis.label}: less`, () => this.#nudge(-SMALL_STEP), quiet),
      h('div', { class: 'track' }, this.slider, classMark(axis.classMeans, this.limit)),
      button('plus', `${axis.label}: more`, () => this.#nudge(SMALL_STEP), quiet),
      high && this.#createEnd(high, END),
    );
    const props = { class: 'row', role: 'group', 'aria-label': axis.label };
    return h('div', props, label, extra, this.gaps, this.number, slide);
  }

  /**
   * A picture that sets the slider to its value.
   * @param {HTMLElement} picture
   * @param {number} value
   */
  #createEnd(picture, value) {
    const label = `${this.axis.label}: ${signed(value)} σ`;
    const tip = `The mean face with ${this.axis.label} at ${signed(value)} σ. A click moves this face there.`;
    const props = { type: 'button', class: 'end', 'aria-label': label, dataset: { tip } };
    return h('button', { ...props, onclick: () => this.#moveAndFinish(value) }, picture);
  }

  #listen() {
    const { slider, number, actions } = this;
    slider.addEventListener('input', () => this.#move(Number(slider.value)));
    slider.addEventListener('change', actions.onFinish);
    slider.addEventListener('swiped', (event) => {
      event.preventDefault();
      actions.onCancel();
    });
    slider.addEventListener('keydown', (event) => this.#handleKey(event));
    for (const type of ['keyup', 'blur']) slider.addEventListener(type, () => this.#endKeys());
    number.addEventListener('input', () => {
      this.typing = true;
    });
    const endTyping = () => {
      this.typing = false;
    };
    number.addEventListener('change', endTyping);
    number.addEventListener('blur', endTyping);
    onTyped(number, () => this.value, (value) => this.#moveAndFinish(value), fixed);
  }

  /**
   * Keys move while they are held, and a step of the history ends with them.
   * @param {KeyboardEvent} event
   */
  #handleKey(event) {
    const step = KEY_STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const by = event.altKey ? step / 10 : step;
    this.held = this.#move(this.#beside(by)) || this.held;
  }

  #endKeys() {
    if (!this.held) return;
    this.held = false;
    this.actions.onFinish();
  }

  /**
   * The value some way from that of now.
   * @param {number} by
   */
  #beside(by) {
    return clamp(this.value + by, -LARGEST, LARGEST);
  }

  /** @param {number} by */
  #nudge(by) {
    this.#moveAndFinish(this.#beside(by));
  }

  /**
   * Returns whether the axis could be moved.
   * @param {number} value
   */
  #move(value) {
    return this.actions.onMove(value);
  }

  /** @param {number} value */
  #moveAndFinish(value) {
    if (this.#move(value)) this.actions.onFinish();
  }

  /**
   * Shows a value.
   * @param {number} value
   */
  setValue(value) {
    const { axis, slider, number, gaps } = this;
    this.value = value;
    if (!this.typing) number.value = fixed(value);
    slider.value = String(value);
    let spoken = `${axis.label} ${signed(value)}, ${strength(value)}`;
    if (gaps && axis.classMeans) {
      gaps.textContent = `${inClassGaps(axis.classMeans, value)} gap`;
      spoken += `, ${gaps.textContent}`;
    }
    slider.setAttribute('aria-valuetext', spoken);
    const position = 50 + 50 * clamp(value / this.limit, -1, 1);
    slider.style.setProperty('--at', `${position}%`);
  }

  /**
   * Makes the row's controls tab stops, or not.
   * @param {boolean} reachable
   */
  setReachable(reachable) {
    for (const control of this.element.querySelectorAll('button, input')) {
      /** @type {HTMLElement} */ (control).tabIndex = reachable ? 0 : -1;
    }
  }

  get focused() {
    return document.activeElement === this.slider;
  }

  /** @param {boolean} locked */
  setLocked(locked) {
    setPressed(this.lockButton, locked);
    this.lockButton.replaceChildren(icon(locked ? 'lock' : 'unlock'));
    this.element.classList.toggle('locked', locked);
    this.slider.setAttribute('aria-disabled', String(locked));
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    setPressed(this.playButton, playing);
    this.playButton.replaceChildren(icon(playing ? 'pause' : 'play'));
  }
}
