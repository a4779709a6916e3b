// @ts-check
/** The figure of a mix: a line, a triangle or a square with a parent at each corner, and a point that weighs them,
 * moved by pointer and keys. */

import { h, setChildren } from './dom.js';
import { cornersOf, familyLine, weightsAt, within } from './mix.js';
import { thumbnail } from './pictures.js';

/** @typedef {import('./mix.js').Place} Place */
/** @typedef {import('./types.js').NamedLatent} NamedLatent */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {{onMove: (place: Place) => void, onFinish: () => void, onCancel: () => void}} FigureActions */

const STEP = 0.05;
const LARGE_STEP = 0.25;
const SMALL = 0.2; // of a step, with Alt
/** The way of each key. @type {Record<string, [number, number]>} */
const KEYS = {
  ArrowRight: [STEP, 0],
  ArrowLeft: [-STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
  PageUp: [0, -LARGE_STEP],
  PageDown: [0, LARGE_STEP],
  End: [LARGE_STEP, 0],
  Home: [-LARGE_STEP, 0],
};
const LETTERS = 'ABCD';
const SVG = 'http://www.w3.org/2000/svg';

/** The letter of a parent. @param {number} index */
export const letterOf = (index) => LETTERS[index];

export class MixFigure {
  /** @param {FigureActions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {NamedLatent[]} */
    this.parents = [];
    /** @type {Place} */
    this.place = { x: 0, y: 0 };
    this.shape = document.createElementNS(SVG, 'polygon');
    this.point = h('span', { class: 'point', 'aria-hidden': 'true' });
    this.plane = h('div', { class: 'mix-plane' });
    const slider = { role: 'slider', tabindex: 0, 'aria-roledescription': 'slider of several weights' };
    const label = 'Weights of the parents';
    const range = { 'aria-valuemin': 0, 'aria-valuemax': 100 };
    this.element = h('div', { class: 'mix-figure', id: 'mix-figure', 'aria-label': label, ...slider, ...range });
    this.element.append(this.#outline(), this.plane);
    this.#listenToPointer();
    this.#listenToKeys();
  }

  #outline() {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 100 100');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(this.shape);
    return svg;
  }

  /**
   * Shows parents and their pictures; with fewer than two there is nothing to weigh.
   * @param {NamedLatent[]} parents
   * @param {Picture[]} pictures
   */
  setParents(parents, pictures) {
    this.parents = parents;
    this.element.hidden = parents.length < 2;
    this.element.dataset.parents = String(parents.length);
    const corners = cornersOf(parents.length);
    const outline = parents.length === 4 ? [0, 1, 3, 2].map((i) => corners[i]) : corners;
    this.shape.setAttribute('points', outline.map(({ x, y }) => `${100 * x},${100 * y}`).join(' '));
    const thumbs = pictures.map((picture, i) => {
      const thumb = h('span', { class: 'corner' }, thumbnail(picture), h('b', {}, letterOf(i)));
      setPlace(thumb, corners[i]);
      return thumb;
    });
    setChildren(this.plane, thumbs, this.point);
  }

  /** @param {Place} place */
  setPlace(place) {
    this.place = place;
    setPlace(this.point, place);
    const weights = weightsAt(this.parents.length, place);
    this.element.setAttribute('aria-valuenow', String(Math.round(100 * (weights[0] ?? 0))));
    this.element.setAttribute('aria-valuetext', familyLine(this.parents, weights));
  }

  /** @param {Place} place */
  #move(place) {
    this.setPlace(within(this.parents.length, place));
    this.actions.onMove(this.place);
  }

  #listenToPointer() {
    const { element, plane, actions } = this;
    const follow = (/** @type {PointerEvent} */ event) => {
      const { left, top, width, height } = plane.getBoundingClientRect();
      this.#move({ x: (event.clientX - left) / width, y: height ? (event.clientY - top) / height : 0 });
    };
    element.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      follow(event);
    });
    element.addEventListener('pointermove', (event) => {
      if (element.hasPointerCapture(event.pointerId)) follow(event);
    });
    element.addEventListener('pointerup', actions.onFinish);
    element.addEventListener('pointercancel', actions.onCancel);
  }

  /** Keys move while they are held, and a step of the history ends with them. */
  #listenToKeys() {
    const { element, actions } = this;
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') actions.onCancel();
      const way = KEYS[event.key];
      if (!way || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const scale = event.altKey ? SMALL : 1;
      const { x, y } = this.place;
      this.#move({ x: x + scale * way[0], y: y + scale * way[1] });
    });
    for (const type of ['keyup', 'blur']) element.addEventListener(type, actions.onFinish);
  }
}

/**
 * @param {HTMLElement} element
 * @param {Place} place
 */
function setPlace(element, { x, y }) {
  element.style.setProperty('--x', String(x));
  element.style.setProperty('--y', String(y));
}
