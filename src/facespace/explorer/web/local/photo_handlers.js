// @ts-check
/** The requests about a photo. The worker keeps it in memory for `align`, until another one or `forget`. */

import { joined } from '../maths.js';
import { nothing, pictureHeader, withFaces } from './answers.js';
import { align as alignFace, detect as detectFaces } from './photo.js';

/** @typedef {import('./answers.js').Handler} Handler */
/** @typedef {import('../types.js').Picture} Picture */

const NO_PHOTO = 'No photograph is open on this page. Open it again.';

/** @type {Picture | null} */
let photo = null;

/** @type {Handler} */
async function detect({ site, space, fields, payload }) {
  photo = { pixels: new Uint8ClampedArray(payload), width: fields.width, height: fields.height };
  if (fields.find === false) return { ...nothing(), header: { faces: [] } };
  const { detector } = site;
  const run = detector ? (/** @type {{data: Float32Array, dims: number[]}} */ input) =>
    space.networks.runFile(detector, { input }) : null;
  return { ...nothing(), header: await detectFaces(photo, run) };
}

/** @type {Handler} */
async function align({ space, fields }) {
  if (!photo) throw new Error(NO_PHOTO);
  const aligned = alignFace(photo, fields.points, (await space.arrays()).photo);
  const { header, payload } = await withFaces(space, [await space.encode(aligned.pixels)]);
  return {
    header: { ...header, aligned: pictureHeader([aligned]) },
    payload: joined(new Uint8Array(payload), aligned.pixels),
  };
}

/** @type {Handler} */
async function forget() {
  photo = null;
  return nothing();
}

/** @type {Record<string, Handler>} */
export const photoHandlers = { detect, align, forget };
