// @ts-check
/** A drawing: strokes over a background, the tools that make them, and their undo. Knows nothing of the model. */

import { context2d } from './dom.js';

/** @typedef {import('./types.js').Point} Point */
/** @typedef {'pen' | 'brush' | 'eraser' | 'fill'} Tool */

const UNDO_STEPS = 40;
const FILL_TOLERANCE = 48; // sum of colour differences up to which the fill goes on
const CHANNELS = 4;
const READABLE = { willReadFrequently: true };

export class Drawing {
  /**
   * @param {HTMLCanvasElement} board where the drawing is shown and drawn on
   * @param {() => void} onChange
   */
  constructor(board, onChange) {
    this.board = board;
    this.onChange = onChange;
    /** @type {Tool} */
    this.tool = 'pen';
    this.colour = '#000000';
    this.size = 10; // pixels of the canvas
    this.mirror = false;
    this.strokes = document.createElement('canvas'); // transparent where nothing is drawn
    this.background = document.createElement('canvas');
    this.composite = document.createElement('canvas'); // both, as the encoder gets them
    /** @type {ImageData[]} */
    this.snapshots = [];
    this.#listen();
  }

  get empty() {
    return this.snapshots.length === 0;
  }

  get #context() {
    return context2d(this.strokes, READABLE);
  }

  /**
   * Starts an empty drawing.
   * @param {number} width
   * @param {number} height
   */
  reset(width, height) {
    for (const canvas of [this.strokes, this.background, this.composite, this.board]) {
      canvas.width = width;
      canvas.height = height;
    }
    this.snapshots = [];
  }

  /** Draws background and strokes. */
  show() {
    for (const canvas of [this.composite, this.board]) {
      const context = context2d(canvas);
      context.drawImage(this.background, 0, 0);
      context.drawImage(this.strokes, 0, 0);
    }
  }

  #changed() {
    this.show();
    this.onChange();
  }

  #takeSnapshot() {
    const { width, height } = this.strokes;
    this.snapshots.push(this.#context.getImageData(0, 0, width, height));
    if (this.snapshots.length > UNDO_STEPS) this.snapshots.shift();
  }

  undo() {
    const before = this.snapshots.pop();
    if (!before) return;
    this.#context.putImageData(before, 0, 0);
    this.#changed();
  }

  clear() {
    this.#takeSnapshot();
    this.#context.clearRect(0, 0, this.strokes.width, this.strokes.height);
    this.#changed();
  }

  // ---- Pointer

  #listen() {
    const { board } = this;
    /** @type {Point | null} */
    let last = null;
    board.addEventListener('pointerdown', (event) => {
      if (event.button) return;
      event.preventDefault();
      board.setPointerCapture(event.pointerId);
      this.#takeSnapshot();
      const point = this.#pointOf(event);
      if (this.tool === 'fill') {
        this.#fill(Math.floor(point[0]), Math.floor(point[1]));
        return;
      }
      last = point;
      this.#stroke(point, point);
    });
    board.addEventListener('pointermove', (event) => {
      if (!last) return;
      for (const part of event.getCoalescedEvents?.() ?? [event]) {
        const point = this.#pointOf(part);
        this.#stroke(last, point);
        last = point;
      }
    });
    const end = () => {
      last = null;
    };
    board.addEventListener('pointerup', end);
    board.addEventListener('pointercancel', end);
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  #pointOf(event) {
    const box = this.board.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.board.width;
    const y = ((event.clientY - box.top) / box.height) * this.board.height;
    return [x, y];
  }

  // ---- Tools

  /**
   * @param {Point} from
   * @param {Point} to
   */
  #stroke(from, to) {
    const context = this.#context;
    context.globalCompositeOperation = this.tool === 'eraser' ? 'destination-out' : 'source-over';
    this.#segment(context, from, to);
    if (this.mirror) this.#segment(context, this.#mirrored(from), this.#mirrored(to));
    context.globalCompositeOperation = 'source-over';
    this.#changed();
  }

  /**
   * @param {Point} point
   * @returns {Point}
   */
  #mirrored([x, y]) {
    return [this.strokes.width - x, y];
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Point} from
   * @param {Point} to
   */
  #segment(context, from, to) {
    if (this.tool === 'brush') {
      this.#softSegment(context, from, to);
      return;
    }
    context.lineCap = 'round';
    context.lineWidth = this.size;
    context.strokeStyle = this.colour;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0] + 0.01, to[1]); // a segment of length 0 would not be drawn
    context.stroke();
  }

  /**
   * Soft round dabs along a segment.
   * @param {CanvasRenderingContext2D} context
   * @param {Point} from
   * @param {Point} to
   */
  #softSegment(context, from, to) {
    const { colour, size } = this;
    const width = to[0] - from[0];
    const height = to[1] - from[1];
    const count = Math.max(1, Math.ceil(Math.hypot(width, height) / (size / 3)));
    for (let i = 1; i <= count; i++) {
      const x = from[0] + (width * i) / count;
      const y = from[1] + (height * i) / count;
      const gradient = context.createRadialGradient(x, y, 0, x, y, size);
      gradient.addColorStop(0, `${colour}40`);
      gradient.addColorStop(1, `${colour}00`);
      context.fillStyle = gradient;
      context.fillRect(x - size, y - size, 2 * size, 2 * size);
    }
  }

  /**
   * Flood fill: colours the connected area of similar colour around a pixel.
   * @param {number} x
   * @param {number} y
   */
  #fill(x, y) {
    const { width, height } = this.composite;
    const context = this.#context;
    const visible = context2d(this.composite).getImageData(0, 0, width, height).data;
    const image = context.getImageData(0, 0, width, height);
    const colour = [...rgb(this.colour), 255];
    const first = y * width + x;
    const todo = [first];
    const visited = new Uint8Array(width * height);
    while (todo.length) {
      const place = /** @type {number} */ (todo.pop());
      if (place < 0 || place >= visited.length || visited[place]) continue;
      if (colourDifference(visible, CHANNELS * place, CHANNELS * first) >= FILL_TOLERANCE) continue;
      visited[place] = 1;
      image.data.set(colour, CHANNELS * place);
      const column = place % width;
      if (column > 0) todo.push(place - 1);
      if (column < width - 1) todo.push(place + 1);
      todo.push(place - width, place + width);
    }
    context.putImageData(image, 0, 0);
    this.#changed();
  }
}

/** @param {string} code #rrggbb */
function rgb(code) {
  return [1, 3, 5].map((start) => parseInt(code.slice(start, start + 2), 16));
}

/**
 * The sum of absolute differences of red, green and blue.
 * @param {Uint8ClampedArray} data
 * @param {number} a offset of a pixel
 * @param {number} b
 */
function colourDifference(data, a, b) {
  let difference = 0;
  for (let channel = 0; channel < 3; channel++) difference += Math.abs(data[a + channel] - data[b + channel]);
  return difference;
}
