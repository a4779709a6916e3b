// @ts-check
/** What the worker of a static page answers: one row for each request of the page. Headers and payloads are those of
 * the server's handlers, so that no panel knows the difference. */

import { joined } from './messages.js';

/** @typedef {import('./messages.js').Answer} Answer */
/** @typedef {import('./space.js').LocalSpace} LocalSpace */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {{space: LocalSpace, fields: Record<string, any>, payload: Uint8Array}} Call */
/** @typedef {(call: Call) => Promise<Answer>} Handler */

const MOST_FACES = 64;
const FULL = 'This page only plays the space. Open it with facespace explore for this.';

const nothing = async () => ({ header: {}, payload: new ArrayBuffer(0) });

/** @param {string} name */
const stored = (name) => async (/** @type {Call} */ { space }) => space.stored(name);

/** @param {string} sentence @returns {Handler} */
const refuse = (sentence) => async () => {
  throw new Error(sentence);
};

/**
 * The payload as latents.
 * @param {Call} call
 * @param {number} [most]
 */
export function latents({ space, payload }, most = MOST_FACES) {
  const size = space.site.latents;
  const values = new Float32Array(payload.slice().buffer);
  if (!values.length || values.length % size || values.length > most * size || !values.every(Number.isFinite)) {
    throw new Error(`Latents are 1 to ${most} rows of ${size} finite numbers.`);
  }
  /** @type {Float32Array[]} */
  const rows = [];
  for (let start = 0; start < values.length; start += size) rows.push(values.slice(start, start + size));
  return rows;
}

/**
 * The faces of latents. One alone is what somebody looks at, and goes before those of grids.
 * @param {LocalSpace} space
 * @param {Float32Array[]} rows
 */
async function decodeAll(space, rows) {
  /** @type {Picture[]} */
  const pictures = [];
  for (const z of rows) pictures.push(await space.decode(z, rows.length === 1));
  return pictures;
}

/**
 * Pictures of one size as header and payload.
 * @param {Picture[]} pictures
 */
function pictureReply(pictures) {
  const [{ width, height }] = pictures;
  return { header: { count: pictures.length, width, height }, payload: pictures.map(({ pixels }) => pixels) };
}

/**
 * Latents and their faces in one reply.
 * @param {LocalSpace} space
 * @param {Float32Array[]} rows
 * @returns {Promise<Answer>}
 */
export async function withFaces(space, rows) {
  const { header, payload } = pictureReply(await decodeAll(space, rows));
  const bytes = rows.length * rows[0].byteLength;
  return { header: { ...header, latent_bytes: bytes }, payload: joined(...rows, ...payload) };
}

/** @type {Handler} */
async function decode(call) {
  const { header, payload } = pictureReply(await decodeAll(call.space, latents(call)));
  return { header, payload: joined(...payload) };
}

/** @type {Handler} */
async function random({ space, fields }) {
  const { count = 1, seed = 0, truncation = 1, prior } = fields;
  /** @type {Float32Array[]} */
  const rows = [];
  for (let place = 0; place < Math.min(count, MOST_FACES); place++) {
    rows.push(await space.draw(prior, seed, place, truncation));
  }
  return withFaces(space, rows);
}

/** @type {Handler} */
async function encode({ space, fields, payload }) {
  const z = await space.encode(payload);
  const blend = fields.mean_blend ?? 0;
  if (!blend) return withFaces(space, [z]);
  const mean = await space.mean();
  return withFaces(space, [z.map((value, d) => mean[d] + (1 - blend) * (value - mean[d]))]);
}

/** @type {Handler} */
async function map({ space, fields }) {
  if (fields.method !== 'pca' && fields.method !== 'tsne') throw new Error('A map is pca or tsne.');
  return space.stored(`map-${fields.method}`);
}

/** @type {Handler} */
async function detect() {
  const sentence = 'Faces in photos are not detected in this page yet.';
  return { header: { faces: [], detector: null, detector_error: sentence }, payload: new ArrayBuffer(0) };
}

/** @type {Record<string, Handler>} */
export const handlers = {
  facts: stored('facts'),
  mean: stored('mean'),
  statistics: stored('statistics'),
  directions: stored('directions'),
  map,
  decode,
  random,
  encode,
  detect,
  align: refuse('Photos are not aligned in this page yet.'),
  forget: nothing,
  path: refuse('Morphs are not available in this page yet.'),
  fit_direction: refuse('Directions of your own are not available in this page yet.'),
  export_animation: refuse('Animations are not saved in this page yet.'),
  edit: refuse(FULL),
  cancel_edit: nothing,
  tune: refuse(FULL),
  tuning: async () => ({ header: { running: false }, payload: new ArrayBuffer(0) }),
  cancel_tuning: nothing,
  untune: nothing,
  add_direction: refuse(FULL),
};
