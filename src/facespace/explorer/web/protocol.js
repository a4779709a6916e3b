// @ts-check
/** The binary form of messages: packs a request, and reads pictures, faces, statistics and maps from a reply. Pure
 * functions; see types.js for the headers. */

import { directionLength, directionOf } from './directions.js';

/** @typedef {import('./types.js').AlignHeader} AlignHeader */
/** @typedef {import('./types.js').AttributeFacts} AttributeFacts */
/** @typedef {import('./types.js').Direction} Direction */
/** @typedef {import('./types.js').Face} Face */
/** @typedef {import('./types.js').FaceHeader} FaceHeader */
/** @typedef {import('./types.js').FaceMap} FaceMap */
/** @typedef {import('./types.js').MapHeader} MapHeader */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').PictureHeader} PictureHeader */
/** @typedef {import('./types.js').Statistics} Statistics */
/** @typedef {import('./types.js').StatisticsHeader} StatisticsHeader */

const LENGTH = 4; // bytes before the header, which hold its length
const FLOAT = 4; // bytes of a float32
const RGBA = 4; // bytes of a pixel
const PERCENTILES = 101;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * @param {Record<string, unknown>} header
 * @param {Uint8Array | Uint8ClampedArray} payload
 */
export function packMessage(header, payload) {
  const text = encoder.encode(JSON.stringify(header));
  const message = new Uint8Array(LENGTH + text.length + payload.length);
  new DataView(message.buffer).setUint32(0, text.length, true);
  message.set(text, LENGTH);
  message.set(payload, LENGTH + text.length);
  return message;
}

/**
 * @param {ArrayBuffer} message
 * @returns {{header: any, payload: ArrayBuffer}}
 */
export function unpackMessage(message) {
  const length = new DataView(message).getUint32(0, true);
  const text = decoder.decode(new Uint8Array(message, LENGTH, length));
  return { header: JSON.parse(text), payload: message.slice(LENGTH + length) };
}

/**
 * Rows of `size` numbers.
 * @param {Float32Array} values
 * @param {number} size
 */
export function splitRows(values, size) {
  /** @type {Float32Array[]} */
  const rows = [];
  if (!size) return rows;
  for (let start = 0; start + size <= values.length; start += size) rows.push(values.slice(start, start + size));
  return rows;
}

/**
 * @param {PictureHeader} header
 * @param {ArrayBuffer} payload
 */
export function readPictures({ count, width, height }, payload) {
  const size = width * height * RGBA;
  /** @type {Picture[]} */
  const pictures = [];
  for (let i = 0; i < count; i++) {
    pictures.push({ pixels: new Uint8ClampedArray(payload, i * size, size), width, height });
  }
  return pictures;
}

/**
 * Latents, then their pictures.
 * @param {FaceHeader} header
 * @param {ArrayBuffer} payload
 */
export function readFaces(header, payload) {
  const dimensions = header.latent_bytes / FLOAT / header.count;
  const latents = splitRows(new Float32Array(payload.slice(0, header.latent_bytes)), dimensions);
  const pictures = readPictures(header, payload.slice(header.latent_bytes));
  /** @type {Face[]} */
  const faces = [];
  for (const [i, picture] of pictures.entries()) faces.push({ z: latents[i], picture });
  return faces;
}

/**
 * The reconstruction of an aligned photo, and the aligned photo after it.
 * @param {AlignHeader} header
 * @param {ArrayBuffer} payload
 */
export function readAligned(header, payload) {
  const [face] = readFaces(header, payload);
  const offset = header.latent_bytes + face.picture.pixels.length;
  const [aligned] = readPictures(header.aligned, payload.slice(offset));
  return { face, aligned };
}

/**
 * Null while nothing is measured.
 * @param {StatisticsHeader} header
 * @param {ArrayBuffer} payload
 * @returns {Statistics | null}
 */
export function readStatistics(header, payload) {
  if (!header.stage) return null;
  const values = new Float32Array(payload);
  const { origin, stage, failed, latents, components, usual_score: usualScore = null } = header;
  let offset = 0;
  const take = (/** @type {number} */ count) => {
    const start = offset;
    offset += count;
    return values.slice(start, offset);
  };
  return {
    origin,
    stage,
    failed,
    usualScore,
    // The properties below are read in the payload's order.
    mean: take(latents),
    std: take(latents),
    active: take(latents),
    componentStd: take(components),
    explained: take(components),
    distances: take(PERCENTILES),
    components: take(components * latents),
    influence: stage > 1 ? take(latents) : null,
    impact: stage > 1 ? take(components) : null,
  };
}

/**
 * Positions in [0, 1], latents and attribute scores of faces, then their pictures.
 * @param {MapHeader} header
 * @param {ArrayBuffer} payload
 * @param {number} dimensions of a latent
 * @returns {FaceMap}
 */
export function readMap(header, payload, dimensions) {
  const { count, names } = header;
  let offset = 0;
  const takeRows = (/** @type {number} */ size) => {
    const start = offset;
    offset += count * size * FLOAT;
    return splitRows(new Float32Array(payload.slice(start, offset)), size);
  };
  const positions = takeRows(2);
  const z = takeRows(dimensions);
  const scores = takeRows(names.length);
  return { ...header, positions, z, scores, faces: readPictures(header, payload.slice(offset)) };
}

/**
 * Directions, one after another.
 * @param {string[]} names
 * @param {Record<string, AttributeFacts>} facts
 * @param {ArrayBuffer} payload
 * @param {number} size dimensions of a latent
 * @returns {Direction[]}
 */
export function readDirections(names, facts, payload, size) {
  const rows = splitRows(new Float32Array(payload), directionLength(size));
  return names.map((name, i) => directionOf(name, facts[name] ?? {}, rows[i]));
}
