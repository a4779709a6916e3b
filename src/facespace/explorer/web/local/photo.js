// @ts-check
/** A photograph of the page: its faces, and a face aligned for the encoder, as explorer/photos.py answers `detect` and
 * `align`. Keeps no photograph. */

import { searchFaces } from './face_search.js';
import { grayOf, LANCZOS, pictureOf, rasterOf, resized } from './rasters.js';
import { aligned } from './transforms.js';

/** @typedef {import('../types.js').Detection} Detection */
/** @typedef {import('../types.js').Landmarks} Landmarks */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').Size} Size */
/** @typedef {import('./rasters.js').Box} Box */
/** @typedef {import('./transforms.js').FaceTemplate} FaceTemplate */
/** @typedef {import('./transforms.js').Point} Point */
/** @typedef {import('./yunet.js').Face} Face */
/** @typedef {import('./yunet.js').RunModel} RunModel */
/**
 * How a space takes photographs, as local_photos.py writes it: the landmarks of an aligned picture, the part of that
 * picture which becomes the encoder's input, and its size.
 * @typedef {object} PhotoLayout
 * @property {FaceTemplate} template
 * @property {Box} box
 * @property {Size & {channels: number}} input
 */

const SMALLEST = 18; // pixels between the eyes, below which a face has too little detail
const MOST_FACES = 12; // in the reply about one photo
const LARGEST_SIDE = 512; // pixels of a photo
const SMALLEST_SIDE = 8;
const LANDMARKS = 5;
const NO_DETECTOR =
  'This page was published without a face detector. Drag the points to the eyes, the nose and the mouth.';

/**
 * The faces in a photo, the largest first. Without a detector no face is found, and a sentence says so.
 * @param {Picture} photo
 * @param {RunModel | null} runModel of YuNet, or null where the site has no detector
 * @returns {Promise<Detection>}
 */
export async function detect(photo, runModel) {
  checkPhoto(photo);
  if (!runModel) return { faces: [], detector: null, detector_error: NO_DETECTOR };
  const found = await searchFaces(rasterOf(photo), runModel);
  const ranked = found.sort((a, b) => eyeDistance(b) - eyeDistance(a));
  return { faces: ranked.slice(0, MOST_FACES).map(described), detector: 'yunet', detector_error: null };
}

/**
 * The face of a photo with these landmarks, aligned for the encoder: opaque RGBA of the input's size, gray for a space
 * of gray faces. Throws an Error with a sentence for landmarks that fit no face.
 * @param {Picture} photo
 * @param {Landmarks} points
 * @param {PhotoLayout} layout
 */
export function align(photo, points, { template, box, input }) {
  checkPhoto(photo);
  const upright = aligned(rasterOf(photo), checkedPoints(points), template);
  const face = resized(upright, input.width, input.height, LANCZOS, box);
  return pictureOf(input.channels === 1 ? grayOf(face) : face);
}

/**
 * A drawing, or a picture that is aligned already, as `encode` takes it: opaque, and gray for a space of gray faces.
 * Throws an Error with a sentence for another size than the encoder's.
 * @param {Picture} picture
 * @param {PhotoLayout['input']} input
 */
export function encoderPicture(picture, { width, height, channels }) {
  if (picture.width !== width || picture.height !== height) {
    throw new Error(`This space encodes ${width}×${height} pixels; got ${picture.width}×${picture.height}.`);
  }
  const raster = rasterOf(picture);
  return pictureOf(channels === 1 ? grayOf(raster) : raster);
}

/** @param {Picture} photo */
function checkPhoto({ width, height, pixels }) {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < SMALLEST_SIDE || side > LARGEST_SIDE) {
      throw new Error(`A photo has ${SMALLEST_SIDE} to ${LARGEST_SIDE} pixels a side; got ${width}×${height}.`);
    }
  }
  if (pixels.length !== width * height * 4) {
    throw new Error(`A picture of ${width}×${height} has ${width * height * 4} bytes; got ${pixels.length}.`);
  }
}

/** @param {Landmarks} points */
function checkedPoints(points) {
  if (!Array.isArray(points) || points.length !== LANDMARKS) {
    throw new Error('points are five pairs of numbers or nulls.');
  }
  return points.map((point) => {
    if (point === null) return null;
    if (!Array.isArray(point) || point.length !== 2 || !point.every(Number.isFinite)) {
      throw new Error('points are five pairs of numbers or nulls.');
    }
    return /** @type {Point} */ (point);
  });
}

/** @param {Face} face */
const eyeDistance = ({ points: [left, right] }) => Math.hypot(right[0] - left[0], right[1] - left[1]);

/** @param {Face} face */
function described(face) {
  const distance = eyeDistance(face);
  return {
    points: face.points.map((point) => point.map((value) => rounded(value, 2))),
    box: face.box.map((side) => rounded(side, 1)),
    eye_distance: rounded(distance, 1),
    small: distance < SMALLEST,
  };
}

/**
 * @param {number} value
 * @param {number} digits after the point
 */
const rounded = (value, digits) => Number(value.toFixed(digits));
