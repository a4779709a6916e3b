// @ts-check
/** What every handler of the worker is given, and the replies that it makes of latents and pictures: headers and
 * payloads are those of the server's handlers, so that no panel knows the difference. */

import { splitRows } from '../protocol.js';
import { joined } from '../maths.js';

/** @typedef {import('./messages.js').Answer} Answer */
/** @typedef {import('./messages.js').Site} Site */
/** @typedef {import('./space.js').LocalSpace} LocalSpace */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {{site: Site, space: LocalSpace, fields: Record<string, any>, payload: Uint8Array}} Call */
/** @typedef {(call: Call) => Promise<Answer>} Handler */

const MOST_FACES = 64;

/** A reply without content. @returns {Answer} */
export const nothing = () => ({ header: {}, payload: new ArrayBuffer(0) });

/**
 * The payload as latents.
 * @param {Call} call
 * @param {number} [most]
 */
export function latents({ space, payload }, most = MOST_FACES) {
  const size = space.site.latents;
  const whole = payload.length % (size * Float32Array.BYTES_PER_ELEMENT) === 0;
  const values = new Float32Array(whole ? payload.slice().buffer : []);
  if (!values.length || values.length > most * size || !values.every(Number.isFinite)) {
    throw new Error(`Latents are 1 to ${most} rows of ${size} finite numbers.`);
  }
  return splitRows(values, size);
}

/**
 * The header of pictures of one size.
 * @param {Picture[]} pictures
 */
export function pictureHeader(pictures) {
  const [{ width, height }] = pictures;
  return { count: pictures.length, width, height };
}

/**
 * Pictures of one size as a reply.
 * @param {Picture[]} pictures
 * @returns {Answer}
 */
export function withPictures(pictures) {
  return { header: pictureHeader(pictures), payload: joined(...pictures.map(({ pixels }) => pixels)) };
}

/**
 * Latents and their faces in one reply.
 * @param {LocalSpace} space
 * @param {Float32Array[]} rows
 * @returns {Promise<Answer>}
 */
export async function withFaces(space, rows) {
  const { header, payload } = withPictures(await space.decodeAll(rows));
  const bytes = rows.length * rows[0].byteLength;
  return { header: { ...header, latent_bytes: bytes }, payload: joined(...rows, new Uint8Array(payload)) };
}
