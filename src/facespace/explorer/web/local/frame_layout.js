// @ts-check
/** The size of an animation's pictures, and of the face in their middle, as export_handlers.py and image/animation.py
 * choose them. */

import { roundedEven } from '../maths.js';

/** @typedef {{width: number, height: number}} Size */
/** @typedef {{picture: Size, face: Size}} Layout */
/** @typedef {{size?: number, aspect?: string}} FileFields pixels of the shorter side, and a key of ASPECTS */

const SHORTER_SIDE = 256; // pixels: smaller faces are enlarged to this size where no size is asked for
const SIZES = [256, 512, 1024];
/** Width over height; null is that of the face. @type {Record<string, number | null>} */
const ASPECTS = { face: null, '1:1': 1, '4:5': 4 / 5, '9:16': 9 / 16, '16:9': 16 / 9 };
const MOST_PIXELS = 600_000_000; // of all frames of a file

/**
 * The layout of frames with faces of that size. Throws an Error with a sentence for fields that cannot be.
 * @param {Size} face
 * @param {FileFields} fields
 * @param {number} frames
 * @returns {Layout}
 */
export function layoutOf({ width, height }, { size, aspect = 'face' }, frames) {
  if (!Object.hasOwn(ASPECTS, aspect)) {
    throw new Error(`Unknown aspect '${aspect}'. Known: ${Object.keys(ASPECTS).join(', ')}.`);
  }
  if (size !== undefined && !SIZES.includes(size)) {
    throw new Error(`size is one of ${SIZES.join(', ')} px; got ${size}.`);
  }
  if (size === undefined && aspect === 'face') {
    const factor = Math.max(1, SHORTER_SIDE / Math.min(width, height));
    const shown = { width: roundedEven(width * factor), height: roundedEven(height * factor) };
    return { picture: shown, face: shown };
  }
  const picture = pictureSize(size ?? SHORTER_SIDE, ASPECTS[aspect] ?? width / height);
  const most = Math.floor(MOST_PIXELS / (picture.width * picture.height));
  if (frames > most) {
    throw new Error(
      `${frames} frames of ${picture.width} × ${picture.height} px are too many for one file: at most ${most} at ` +
        'this size. Choose a smaller size or fewer seconds.',
    );
  }
  const factor = Math.min(picture.height / height, picture.width / width);
  return { picture, face: { width: roundedEven(width * factor), height: roundedEven(height * factor) } };
}

/**
 * Even sides, as MP4 files need them.
 * @param {number} shorter
 * @param {number} aspect
 * @returns {Size}
 */
function pictureSize(shorter, aspect) {
  if (aspect >= 1) return { height: shorter, width: 2 * roundedEven((shorter * aspect) / 2) };
  return { height: 2 * roundedEven(shorter / aspect / 2), width: shorter };
}
