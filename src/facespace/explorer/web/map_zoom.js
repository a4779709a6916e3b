// @ts-check
/** Which part of a map is in view: zoomed by the wheel, by two fingers and by steps, moved by dragging. Knows places of
 * the map and of its canvas, no faces. */

import { clamp } from './maths.js';

/** @typedef {import('./types.js').Point} Point */
/**
 * The part of the map on the canvas: how many times it is enlarged, and its upper left corner, as shares of the map.
 * @typedef {{scale: number, x: number, y: number}} Viewport
 */

export const SIDE = 640; // pixels of the canvas
const LARGEST = 16; // times
const STEP = 1.5; // times, of the buttons and keys
const WHEEL = 0.0016; // of the logarithm of the scale, for each pixel of the wheel
const PINCH = 0.01; // the same for two fingers on a trackpad, which the browser reports as a wheel with Ctrl
const DRAGGED = 5; // pixels from which a press is a drag
const EDGE = 0.12; // share of the view that stays free around what is brought into sight

/** @type {Viewport} */
const WHOLE = { scale: 1, x: 0, y: 0 };

/**
 * The pixel of a place on the map.
 * @param {Viewport} viewport
 * @param {Point} place
 * @returns {Point}
 */
export const toCanvas = ({ scale, x, y }, place) => [(place[0] - x) * scale * SIDE, (place[1] - y) * scale * SIDE];

export class MapZoom {
  /** Whether one finger moves the map, or does something else. */
  #draggable;

  /**
   * @param {HTMLCanvasElement} board
   * @param {() => void} onChange
   */
  constructor(board, onChange) {
    this.board = board;
    this.onChange = onChange;
    this.viewport = WHOLE;
    this.#draggable = true;
    /** Whether the press that goes on, or has just ended, has moved the map. */
    this.dragged = false;
    /** Fingers on the board, or the pressed mouse, in pixels. @type {Map<number, Point>} */
    this.pointers = new Map();
    this.#listen();
    this.#leaveSwipes();
  }

  /** @param {boolean} draggable */
  set draggable(draggable) {
    this.#draggable = draggable;
    this.#leaveSwipes();
  }

  /** Where a finger moves nothing of the map, a vertical swipe scrolls the page. */
  #leaveSwipes() {
    this.board.classList.toggle('still', this.#draggable && this.viewport.scale === 1);
  }

  /** Whether two fingers are on the board. */
  get pinching() {
    return this.pointers.size > 1;
  }

  /**
   * The place on the map of a pointer.
   * @param {PointerEvent | MouseEvent} event
   * @returns {Point}
   */
  placeOf(event) {
    const { scale, x, y } = this.viewport;
    const [left, top] = this.#pixelOf(event);
    return [x + left / SIDE / scale, y + top / SIDE / scale];
  }

  reset() {
    this.#set(WHOLE);
  }

  /**
   * Zooms in or out by one step, around a place of the map, else around the middle.
   * @param {1 | -1} direction
   * @param {Point} [place]
   */
  step(direction, place) {
    const pixel = place ? toCanvas(this.viewport, place) : /** @type {Point} */ ([SIDE / 2, SIDE / 2]);
    this.#zoom(STEP ** direction, pixel, pixel);
  }

  /**
   * Moves the view as far as a place needs to be in it.
   * @param {Point} place
   */
  bringIntoSight([placeX, placeY]) {
    const { scale, x, y } = this.viewport;
    const size = 1 / scale;
    const edge = EDGE * size;
    const move = (/** @type {number} */ start, /** @type {number} */ at) =>
      clamp(start, at - size + edge, at - edge);
    this.#set({ scale, x: move(x, placeX), y: move(y, placeY) });
  }

  /**
   * Zooms so that what was at one pixel is then at another.
   * @param {number} factor
   * @param {Point} from
   * @param {Point} to
   */
  #zoom(factor, from, to) {
    const before = this.viewport;
    const scale = clamp(before.scale * factor, 1, LARGEST);
    const x = before.x + from[0] / SIDE / before.scale - to[0] / SIDE / scale;
    const y = before.y + from[1] / SIDE / before.scale - to[1] / SIDE / scale;
    this.#set({ scale, x, y });
  }

  /** @param {Viewport} wanted */
  #set({ scale, x, y }) {
    const free = 1 - 1 / scale;
    const next = { scale, x: clamp(x, 0, free), y: clamp(y, 0, free) };
    const before = this.viewport;
    if (next.scale === before.scale && next.x === before.x && next.y === before.y) return;
    this.viewport = next;
    this.#leaveSwipes();
    this.onChange();
  }

  /**
   * @param {PointerEvent | MouseEvent} event
   * @returns {Point}
   */
  #pixelOf(event) {
    const box = this.board.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  #listen() {
    const { board, pointers } = this;
    board.addEventListener(
      'wheel',
      (event) => {
        if (this.viewport.scale === 1 && event.deltaY > 0) return; // nothing to zoom out of: the panel scrolls
        event.preventDefault();
        const pixel = this.#pixelOf(event);
        this.#zoom(Math.exp(-event.deltaY * (event.ctrlKey ? PINCH : WHEEL)), pixel, pixel);
      },
      { passive: false },
    );
    board.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      pointers.set(event.pointerId, this.#pixelOf(event));
      this.dragged = this.pinching;
    });
    board.addEventListener('pointermove', (event) => this.#handleMove(event));
    for (const type of ['pointerup', 'pointercancel']) {
      board.addEventListener(type, (event) => pointers.delete(/** @type {PointerEvent} */ (event).pointerId));
    }
  }

  /** @param {PointerEvent} event */
  #handleMove(event) {
    const { board, pointers } = this;
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#pixelOf(event);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other && !this.#draggable) return;
    const far = Math.hypot(now[0] - before[0], now[1] - before[1]) > DRAGGED;
    if (!other && !this.dragged && !far) return;
    this.dragged = true;
    board.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, now);
    if (other) this.#zoom(distance(now, other) / distance(before, other), middle(before, other), middle(now, other));
    else this.#zoom(1, before, now);
  }
}

/**
 * @param {Point} a
 * @param {Point} b
 */
const distance = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));

/**
 * @param {Point} a
 * @param {Point} b
 * @returns {Point}
 */
const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
