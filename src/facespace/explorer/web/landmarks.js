// @ts-check
/** Facial landmarks over a photo that can be dragged or moved with the arrow keys. */

import { h } from './dom.js';
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

/**
 * Adds a handle for each known landmark but the nose. `landmarks` are changed in place.
 * @param {HTMLElement} box the element over the photo
 * @param {{width: number, height: number}} image
 * @param {Landmarks} landmarks
 * @param {() => void} onChange
 */
export function addHandles(box, image, landmarks, onChange) {
  for (const [index, landmark] of landmarks.entries()) {
    if (landmark && index !== NOSE) box.append(createHandle(box, image, landmark, NAMES[index], onChange));
  }
}

/**
 * @param {HTMLElement} box
 * @param {{width: number, height: number}} image
 * @param {number[]} landmark
 * @param {string} name
 * @param {() => void} onChange
 */
function createHandle(box, image, landmark, name, onChange) {
  const { width, height } = image;
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
    onChange();
  };

  handle.addEventListener('pointerdown', (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    handle.focus();
  });
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
