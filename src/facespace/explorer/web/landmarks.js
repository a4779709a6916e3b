// @ts-check
/** Facial landmarks over a photo that can be dragged or moved with the arrow keys, under a magnifier: a finger covers
 * the place that it points at. */

import { context2d, h } from './dom.js';
import { clamp } from './maths.js';

/** @typedef {import('./types.js').Landmarks} Landmarks */
/** @typedef {import('./types.js').Point} Point */

const NOSE = 2; // its index; detectors differ too much in it for a correction by hand
const NAMES = [
  "the eye on the picture's left",
  "the eye on the picture's right",
  'the nose',
  'the left corner of the mouth',
  'the right corner of the mouth',
];
/** @type {Record<string, Point>} */
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const MAGNIFIER = 132; // pixels of its side
const MAGNIFIED = 0.16; // share of the photo's shorter side that it shows

/**
 * Adds a handle for each known landmark but the nose. `landmarks` are changed in place.
 * @param {HTMLElement} box the element over the photo
 * @param {HTMLCanvasElement} photo
 * @param {Landmarks} landmarks
 * @param {() => void} onChange
 */
export function addHandles(box, photo, landmarks, onChange) {
  const magnifier = createMagnifier(photo);
  for (const [index, landmark] of landmarks.entries()) {
    if (landmark && index !== NOSE) box.append(createHandle(box, magnifier, landmark, NAMES[index], onChange));
  }
  box.append(magnifier.element);
}

/** @typedef {{element: HTMLElement, photo: HTMLCanvasElement, show: (landmark: number[] | null) => void}} Magnifier */

/**
 * A crop of the photo around a landmark, enlarged, with its place in the middle; in the corner that is farther away.
 * @param {HTMLCanvasElement} photo
 * @returns {Magnifier}
 */
function createMagnifier(photo) {
  const size = { width: MAGNIFIER, height: MAGNIFIER };
  const canvas = h('canvas', { ...size, class: 'magnifier', hidden: true, 'aria-hidden': 'true' });
  const show = (/** @type {number[] | null} */ landmark) => {
    canvas.hidden = !landmark;
    if (!landmark) return;
    const [x, y] = landmark;
    canvas.classList.toggle('right', x < photo.width / 2);
    const side = MAGNIFIED * Math.min(photo.width, photo.height);
    const context = context2d(canvas);
    context.fillStyle = '#000'; // beyond the photo
    context.fillRect(0, 0, MAGNIFIER, MAGNIFIER);
    context.imageSmoothingQuality = 'high';
    context.drawImage(photo, x - side / 2, y - side / 2, side, side, 0, 0, MAGNIFIER, MAGNIFIER);
    drawCross(context);
  };
  return { element: canvas, photo, show };
}

/**
 * Marks the middle, with a gap for what lies there.
 * @param {CanvasRenderingContext2D} context
 */
function drawCross(context) {
  const middle = MAGNIFIER / 2;
  for (const [width, colour] of /** @type {[number, string][]} */ ([[4, '#fff'], [2, '#5546d6']])) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    for (const [x, y] of Object.values(DIRECTIONS)) {
      context.moveTo(middle + 6 * x, middle + 6 * y);
      context.lineTo(middle + 22 * x, middle + 22 * y);
    }
    context.stroke();
  }
}

/**
 * @param {HTMLElement} box
 * @param {Magnifier} magnifier
 * @param {number[]} landmark
 * @param {string} name
 * @param {() => void} onChange
 */
function createHandle(box, magnifier, landmark, name, onChange) {
  const { width, height } = magnifier.photo;
  const handle = h('button', {
    type: 'button',
    class: 'landmark',
    'aria-label': `Move ${name} with the arrow keys`,
    dataset: { tip: `Drag onto ${name}.` },
  });

  const show = () => {
    handle.style.left = `${(100 * landmark[0]) / width}%`;
    handle.style.top = `${(100 * landmark[1]) / height}%`;
  };
  const moveTo = (/** @type {number} */ x, /** @type {number} */ y) => {
    landmark[0] = clamp(x, 0, width);
    landmark[1] = clamp(y, 0, height);
    show();
    magnifier.show(landmark);
    onChange();
  };

  handle.addEventListener('pointerdown', (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
    magnifier.show(landmark);
  });
  handle.addEventListener('focus', () => {
    if (handle.matches(':focus-visible')) magnifier.show(landmark);
  });
  // Released, it uncovers the other points.
  for (const type of ['blur', 'pointerup', 'pointercancel']) {
    handle.addEventListener(type, () => magnifier.show(null));
  }
  handle.addEventListener('pointermove', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const area = box.getBoundingClientRect();
    const x = ((event.clientX - area.left) / area.width) * width;
    const y = ((event.clientY - area.top) / area.height) * height;
    moveTo(x, y);
  });
  handle.addEventListener('keydown', (event) => {
    const direction = DIRECTIONS[event.key];
    if (!direction) return;
    event.preventDefault();
    moveTo(landmark[0] + direction[0], landmark[1] + direction[1]);
  });

  show();
  return handle;
}
