// @ts-check
/** The requests about a photo. The worker keeps it in memory for `align`, until another one or `forget`. */

import { joined } from '../maths.js';
import { latents, nothing, pictureHeader, withFaces } from './answers.js';
import { faceScore } from './face_search.js';
import { align as alignFace, detect as detectFaces } from './photo.js';
import { rasterOf } from './rasters.js';

/** @typedef {import('./answers.js').Handler} Handler */
/** @typedef {import('../types.js').Picture} Picture */

const NO_PHOTO = 'No photograph is open on this page. Open it again.';

/** @type {Picture | null} */
let photo = null;

/**
 * What runs the face detector of a site; null where it has none.
 * @param {import('./answers.js').Call} call
 */
function detectorOf({ site: { detector }, space }) {
  if (!detector) return null;
  return (/** @type {{data: Float32Array, dims: number[]}} */ input) => space.networks.runFile(detector, { input });
}

/** @type {Handler} */
async function scored(call) {
  const run = detectorOf(call);
  const [z] = latents(call, 1);
  const score = run ? await faceScore(rasterOf(await call.space.decode(z)), run) : null;
  return { ...nothing(), header: { score } };
}

/** @type {Handler} */
async function detect(call) {
  const { fields, payload } = call;
  photo = { pixels: new Uint8ClampedArray(payload), width: fields.width, height: fields.height };
  if (fields.find === false) return { ...nothing(), header: { faces: [] } };
  return { ...nothing(), header: await detectFaces(photo, detectorOf(call)) };
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
export const photoHandlers = { detect, align, forget, face_score: scored };
