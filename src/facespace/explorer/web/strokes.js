// @ts-check
/** Strokes of a drawing as data, and how they are painted. */

import { context2d } from './dom.js';

/** @typedef {import('./types.js').Point} Point */
/** @typedef {import('./types.js').Stroke} Stroke */

/** @type {import('./types.js').Tool[]} */
const TOOLS = ['pen', 'brush', 'eraser', 'fill'];
const POINTS = 20_000; // of one stroke, at most
const FILL_TOLERANCE = 48; // sum of colour differences up to which the fill goes on
const CHANNELS = 4;

/**
 * A stroke of an untrusted value. Throws for any other.
 * @param {any} given
 * @returns {Stroke}
 */
export function readStroke(given) {
  const { tool, colour, width, mirror, points } = given;
  const valid =
    TOOLS.includes(tool) && /^#[0-9a-f]{6}$/i.test(colour) && Number.isFinite(width) && points.length <= POINTS &&
    points.every((/** @type {any} */ point) => point.length === 2 && point.every(Number.isFinite));
  if (!valid) throw new Error('This is no stroke.');
  return { tool, colour, width, mirror: Boolean(mirror), points };
}

/**
 * Paints a stroke, or what was added to it.
 * @param {HTMLCanvasElement} canvas of the strokes, transparent where nothing is drawn
 * @param {HTMLCanvasElement} visible strokes and background, which a fill looks at
 * @param {Stroke} stroke
 * @param {number} [from] the point from which on it is new
 */
export function paintStroke(canvas, visible, stroke, from = 0) {
  const context = context2d(canvas, { willReadFrequently: true });
  const { tool, points } = stroke;
  if (tool === 'fill') {
    fill(context, visible, stroke);
    return;
  }
  context.globalCompositeOperation = tool === 'eraser' ? 'destination-out' : 'source-over';
  for (let i = from; i < points.length; i++) {
    const before = points[Math.max(0, i - 1)];
    segment(context, stroke, before, points[i]);
    if (stroke.mirror) segment(context, stroke, mirrored(canvas, before), mirrored(canvas, points[i]));
  }
  context.globalCompositeOperation = 'source-over';
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Point} point
 * @returns {Point}
 */
const mirrored = (canvas, [x, y]) => [canvas.width - x, y];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 * @param {Point} from
 * @param {Point} to
 */
function segment(context, stroke, from, to) {
  if (stroke.tool === 'brush') {
    softSegment(context, stroke, from, to);
    return;
  }
  context.lineCap = 'round';
  context.lineWidth = stroke.width;
  context.strokeStyle = stroke.colour;
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0] + 0.01, to[1]); // a segment of length 0 would not be drawn
  context.stroke();
}

/**
 * Soft round dabs along a segment.
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 * @param {Point} from
 * @param {Point} to
 */
function softSegment(context, { colour, width: size }, from, to) {
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
 * Flood fill: colours the connected area of similar colour around the stroke's only point.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas what is seen
 * @param {Stroke} stroke
 */
function fill(context, canvas, { colour: code, points }) {
  const { width, height } = canvas;
  const visible = context2d(canvas).getImageData(0, 0, width, height).data;
  const image = context.getImageData(0, 0, width, height);
  const colour = [...rgb(code), 255];
  const [x, y] = points[0].map(Math.floor);
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
