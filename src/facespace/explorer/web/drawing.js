// @ts-check
/** The drawing board: strokes over a background, and the pointer that makes them. The strokes themselves belong to the
 * state of the page, which undoes them. Knows nothing of the model. */

import { context2d } from './dom.js';
import { paintStroke } from './strokes.js';

/** @typedef {import('./types.js').Point} Point */
/** @typedef {import('./types.js').Stroke} Stroke */

export class Drawing {
  /**
   * @param {HTMLCanvasElement} board where the drawing is shown and drawn on
   * @param {() => Omit<Stroke, 'points'>} pen what the next stroke is drawn with
   * @param {(strokes: Stroke[], finished: boolean) => void} onChange
   * @param {() => void} onCancel the stroke was none
   */
  constructor(board, pen, onChange, onCancel) {
    this.board = board;
    this.pen = pen;
    this.onChange = onChange;
    this.onCancel = onCancel;
    /** @type {Stroke[]} */
    this.list = [];
    /** The stroke that goes on. @type {Stroke | null} */
    this.stroke = null;
    this.strokes = document.createElement('canvas'); // transparent where nothing is drawn
    this.background = document.createElement('canvas');
    this.composite = document.createElement('canvas'); // both, as the encoder gets them
    this.#listen();
  }

  /**
   * Starts an empty board.
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    for (const canvas of [this.strokes, this.background, this.composite, this.board]) {
      canvas.width = width;
      canvas.height = height;
    }
    this.list = [];
  }

  /**
   * Shows a list of strokes; only what is new is painted where the list has grown. A stroke that goes on and is not in
   * it has ended.
   * @param {Stroke[]} list
   */
  set(list) {
    if (list === this.list) return;
    if (this.stroke && !list.includes(this.stroke)) this.stroke = null;
    const grown = this.list.every((stroke, i) => stroke === list[i]);
    const { width, height } = this.board;
    if (!grown) context2d(this.strokes, { willReadFrequently: true }).clearRect(0, 0, width, height);
    const start = grown ? this.list.length : 0;
    this.list = list;
    for (const stroke of list.slice(start)) {
      if (stroke.tool === 'fill') this.show(); // it looks at what is seen
      paintStroke(this.strokes, this.composite, stroke);
    }
    this.show();
  }

  /** Draws background and strokes. */
  show() {
    this.showOn(this.composite);
    this.showOn(this.board);
  }

  /** @param {HTMLCanvasElement} canvas */
  showOn(canvas) {
    const context = context2d(canvas);
    context.drawImage(this.background, 0, 0);
    context.drawImage(this.strokes, 0, 0);
  }

  /**
   * Starts a stroke.
   * @param {Point} point
   */
  begin(point) {
    this.stroke = { ...this.pen(), points: [] };
    this.list = [...this.list, this.stroke];
    this.go([point]);
  }

  /**
   * Goes on with the stroke.
   * @param {Point[]} points
   */
  go(points) {
    const { stroke } = this;
    if (!stroke || (stroke.tool === 'fill' && stroke.points.length)) return;
    for (const point of points) {
      stroke.points.push(point);
      paintStroke(this.strokes, this.composite, stroke, stroke.points.length - 1);
    }
    this.show();
    this.onChange(this.list, false);
  }

  /** Ends the stroke. */
  end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.onChange([...this.list], true);
  }

  #listen() {
    const { board } = this;
    board.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      event.preventDefault();
      board.setPointerCapture(event.pointerId);
      this.begin(this.pointOf(event));
    });
    board.addEventListener('pointermove', (event) => {
      this.go((event.getCoalescedEvents?.() ?? [event]).map((part) => this.pointOf(part)));
    });
    board.addEventListener('pointerup', () => this.end());
    board.addEventListener('pointercancel', () => {
      if (!this.stroke) return;
      this.stroke = null;
      this.onCancel();
    });
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  pointOf(event) {
    const box = this.board.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.board.width;
    const y = ((event.clientY - box.top) / box.height) * this.board.height;
    return [Math.round(10 * x) / 10, Math.round(10 * y) / 10];
  }
}

/** A transparent layer of strokes, whose background is seen through it. */
export class Layer extends Drawing {
  /** @param {HTMLCanvasElement} canvas */
  showOn(canvas) {
    if (canvas === this.composite) {
      super.showOn(canvas);
      return;
    }
    const context = context2d(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.strokes, 0, 0);
  }
}
