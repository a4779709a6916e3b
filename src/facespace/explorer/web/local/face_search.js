// @ts-check
/** The faces of a photograph by a detector of upright faces, as image/face_search.py finds them with YuNet: in
 * photographs that lie on their side or upside down, in slightly rotated ones, and each face a second time in an
 * upright view of itself. A photograph has at most 1,600 pixels a side, so that one scale shows all faces. */

import { BILINEAR, mirrored, padded, rearranged, resized } from './rasters.js';
import { roundedEven } from '../maths.js';
import { applied, inverted, sampledBilinear, scaleOf, similarity, warped } from './transforms.js';
import { findFaces } from './yunet.js';

/** @typedef {import('./rasters.js').Raster} Raster */
/** @typedef {import('./transforms.js').FaceTemplate} FaceTemplate */
/** @typedef {import('./transforms.js').Matrix} Matrix */
/** @typedef {import('./transforms.js').Point} Point */
/** @typedef {import('./yunet.js').Face} Face */
/** @typedef {import('./yunet.js').RunModel} RunModel */
/** @typedef {{method: (raster: Raster) => Raster, back: (width: number, height: number) => Matrix}} Quarter */

const SMALL = 320; // pixels of the longer side of a copy in which faces are detected
const LARGE = 640;
const [SCORED, SCORE_MARGIN] = [256, 32]; // pixels of the longer side of a scored face, and around it
const LARGEST = 1600; // pixels of a photo's longer side, above which small faces need a finer copy
const MARGIN = 0.2; // of the longer side, added all around
const ROTATIONS = [20, -20, 40, -40]; // degrees by which a photo without an upright face is rotated
const SURE = 0.915; // the score from which a photo counts as upright
const LEAD = 0.01; // by which the score of a turned photo exceeds that of the photo as it is
const MIRRORED = [1, 0, 2, 4, 3]; // places of landmarks in a mirror image

/**
 * The frame of the upright view: CelebA's layout at twice its size. Its points are those of image/align.py.
 * @type {FaceTemplate}
 */
export const FRAME = {
  width: 384,
  height: 448,
  points: [
    [152.8, 229.8],
    [230.8, 230],
    [190.8, 276.8],
    [158.6, 311.6],
    [225, 311.4],
  ],
};

/** Quarter turns counterclockwise by 180, 90 and 270 degrees, and the way back from the turned photo. @type
 * {Quarter[]} */
const QUARTERS = [
  {
    method: (raster) => turned(raster, false, (x, y) => [raster.width - 1 - x, raster.height - 1 - y]),
    back: (width, height) => [-1, 0, width, 0, -1, height],
  },
  {
    method: (raster) => turned(raster, true, (x, y) => [raster.width - 1 - y, x]),
    back: (width) => [0, -1, width, 1, 0, 0],
  },
  {
    method: (raster) => turned(raster, true, (x, y) => [y, raster.height - 1 - x]),
    back: (_, height) => [0, 1, 0, -1, 0, height],
  },
];

/**
 * @param {Raster} raster
 * @param {boolean} sideways whether width and height change places
 * @param {(x: number, y: number) => [number, number]} from
 */
function turned(raster, sideways, from) {
  const { width, height } = raster;
  return sideways ? rearranged(raster, height, width, from) : rearranged(raster, width, height, from);
}

/**
 * All faces of a photo, the largest box first.
 * @param {Raster} photo RGB
 * @param {RunModel} runModel
 */
export async function searchFaces(photo, runModel) {
  if (Math.max(photo.width, photo.height) > LARGEST) {
    throw new Error(`A photo has at most ${LARGEST} pixels a side; this one has ${photo.width}×${photo.height}.`);
  }
  let found = await detected(photo, runModel);
  if (bestScore(found) < SURE) found = await turnedFaces(photo, found, runModel);
  if (!found.length) found = await tiltedFaces(photo, runModel);
  /** @type {Face[]} */
  const refined = [];
  for (const face of found) refined.push((await detectedAgain(photo, face, runModel)) ?? face);
  return refined.sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
}

/**
 * How sure the detector is that an upright face fills a picture, in [0, 1]; 0 below its threshold.
 * @param {Raster} face RGB
 * @param {RunModel} runModel
 */
export async function faceScore(face, runModel) {
  const scale = SCORED / Math.max(face.width, face.height);
  const [width, height] = [face.width, face.height].map((side) => roundedEven(side * scale));
  return bestScore(await findFaces(padded(resized(face, width, height, BILINEAR), SCORE_MARGIN), runModel));
}

/** @param {Face[]} faces */
const bestScore = (faces) => Math.max(0, ...faces.map(({ score }) => score));

/**
 * The upright faces of a photo.
 * @param {Raster} photo
 * @param {RunModel} runModel
 */
async function detected(photo, runModel) {
  const { raster, back } = paddedCopy(photo);
  const found = await findFaces(raster, runModel);
  return found.map((face) => moved(face, back));
}

/**
 * A resized copy with repeated edges all around, and the matrix back to the photo.
 * @param {Raster} photo
 * @returns {{raster: Raster, back: Matrix}}
 */
function paddedCopy(photo) {
  const longer = Math.max(photo.width, photo.height);
  const scale = Math.min(Math.max(longer, SMALL), LARGE) / longer;
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, roundedEven(side * scale)));
  const margin = roundedEven(MARGIN * Math.max(width, height));
  const raster = padded(resized(photo, width, height, BILINEAR), margin);
  return { raster, back: [1 / scale, 0, -margin / scale, 0, 1 / scale, -margin / scale] };
}

/**
 * The faces by the quarter turn, or none, at which the detector is surest.
 * @param {Raster} photo
 * @param {Face[]} found in the photo as it is
 * @param {RunModel} runModel
 */
async function turnedFaces(photo, found, runModel) {
  let [best, lead] = [found, LEAD];
  for (const [quarter, { method, back }] of QUARTERS.entries()) {
    const seen = await detected(method(photo), runModel);
    if (bestScore(seen) <= bestScore(best) + lead) continue;
    const matrix = back(photo.width, photo.height);
    best = seen.map((face) => moved(face, matrix, quarter > 0));
    lead = 0;
  }
  return best;
}

/**
 * The faces by the small rotation at which the detector is surest.
 * @param {Raster} photo
 * @param {RunModel} runModel
 */
async function tiltedFaces(photo, runModel) {
  const { raster, back } = paddedCopy(photo);
  /** @type {Face[]} */
  let best = [];
  for (const degrees of ROTATIONS) {
    const { view, matrix } = rotatedView(raster, degrees);
    const found = await findFaces(view, runModel);
    if (bestScore(found) > bestScore(best)) best = found.map((face) => moved(moved(face, matrix), back));
  }
  return best;
}

/**
 * A raster rotated counterclockwise, whole in a larger one, and the matrix back.
 * @param {Raster} raster
 * @param {number} degrees
 * @returns {{view: Raster, matrix: Matrix}}
 */
function rotatedView(raster, degrees) {
  const { width, height } = raster;
  const [cos, sin] = [Math.cos, Math.sin].map((of) => of((degrees * Math.PI) / 180));
  /** @type {Matrix} */
  const about = [cos, -sin, 0, sin, cos, 0];
  /** @type {Point[]} */
  const corners = [[0, 0], [width, 0], [width, height], [0, height]];
  /** @type {Matrix} */
  const start = [cos, -sin, width / 2, sin, cos, height / 2];
  const middle = applied(about, [-width / 2, -height / 2]);
  const placed = corners.map((corner) => {
    const [x, y] = applied(start, corner);
    return [x + middle[0], y + middle[1]];
  });
  const [columns, rows] = [0, 1].map((axis) => {
    const values = placed.map((corner) => corner[axis]);
    return Math.ceil(Math.max(...values)) - Math.floor(Math.min(...values));
  });
  const [x, y] = applied(about, [-columns / 2, -rows / 2]);
  /** @type {Matrix} */
  const matrix = [cos, -sin, width / 2 + x, sin, cos, height / 2 + y];
  return { view: sampledBilinear(raster, matrix, columns, rows), matrix };
}

/**
 * The face with the mean of the points from an upright view of it and from that view's mirror image, whose errors
 * differ; null where it is found in neither.
 * @param {Raster} photo
 * @param {Face} face
 * @param {RunModel} runModel
 * @returns {Promise<Face | null>}
 */
async function detectedAgain(photo, face, runModel) {
  const matrix = similarity(face.points, FRAME.points);
  const view = warped(photo, matrix, FRAME.width, FRAME.height);
  const direct = placedFace(await findFaces(view, runModel));
  const reflected = placedFace(await findFaces(mirrored(view), runModel));
  /** @type {Face[]} */
  const seen = [];
  if (direct) seen.push(direct);
  if (reflected) {
    const points = MIRRORED.map((place) => reflected.points[place]);
    seen.push({ ...reflected, points: points.map(([x, y]) => [FRAME.width - x, y]) });
  }
  if (!seen.length) return null;
  const back = inverted(matrix);
  const mean = (/** @type {(face: Face) => number} */ of) => seen.reduce((sum, one) => sum + of(one), 0) / seen.length;
  const points = FRAME.points.map((_, place) =>
    applied(back, [mean(({ points: all }) => all[place][0]), mean(({ points: all }) => all[place][1])]),
  );
  return { box: face.box, points, score: mean(({ score }) => score) };
}

/**
 * The face whose eyes are at the frame's positions, within half of their distance; or null.
 * @param {Face[]} faces
 */
function placedFace(faces) {
  const [left, right] = FRAME.points;
  /** @type {Face | null} */
  let nearest = null;
  let least = (right[0] - left[0]) / 2;
  for (const face of faces) {
    const distances = [left, right].flatMap((eye, place) => eye.map((at, axis) => face.points[place][axis] - at));
    const distance = Math.max(...distances.map(Math.abs));
    if (distance >= least) continue;
    least = distance;
    nearest = face;
  }
  return nearest;
}

/**
 * The face through a similarity; its box stays upright, around the same centre.
 * @param {Face} face
 * @param {Matrix} matrix
 * @param {boolean} [sideways] whether width and height change places
 * @returns {Face}
 */
function moved({ box, points, score }, matrix, sideways = false) {
  const [left, top, width, height] = box;
  const scale = scaleOf(matrix);
  const [x, y] = applied(matrix, [left + width / 2, top + height / 2]);
  const [across, down] = sideways ? [height * scale, width * scale] : [width * scale, height * scale];
  const placed = points.map((point) => applied(matrix, point));
  return { box: [x - across / 2, y - down / 2, across, down], points: placed, score };
}
