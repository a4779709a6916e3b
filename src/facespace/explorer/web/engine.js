// @ts-check
/** The only interface to the model: one function for each request. Today's engine asks the server on this computer;
 * another one can take its place without a change in any panel. */

import { connect, connection, request, takeToken } from './connection.js';
import { joined, latentsToBytes } from './maths.js';
import { readAligned, readDirections, readFaces, readMap, readPictures } from './protocol.js';
import { readStatistics, splitRows } from './protocol.js';

/** @typedef {import('./types.js').Asked} Asked */
/** @typedef {import('./types.js').ExportRequest} ExportRequest */
/** @typedef {import('./types.js').Landmarks} Landmarks */
/** @typedef {import('./types.js').PathRequest} PathRequest */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').ReplyHeaders} ReplyHeaders */

const BATCH = 64; // latents of one request
const NO_PAYLOAD = new Uint8Array();

let space = 0; // index of the space that requests are about
let selections = 0; // that were asked for
/** The photo that the server keeps, and the connection that it was sent over. */
/** @type {{image: ImageData, connection: number} | null} */
let photo = null;

/** Spaces with a copy that is tuned to the photo, and the connection that keeps it. @type {Map<number, number>} */
const tunedOver = new Map();
const isTuned = () => tunedOver.get(space) === connection.number;

/**
 * A request about the selected space, or about its tuned copy where there is one, whose reply is of use when another
 * space is selected meanwhile, too.
 * @template {keyof ReplyHeaders} N
 * @param {N} name
 * @param {Record<string, unknown>} [fields]
 * @param {Uint8Array | Uint8ClampedArray} [payload]
 */
const order = (name, fields = {}, payload = NO_PAYLOAD) =>
  request(name, isTuned() ? { ...fields, space, tuned: true } : { ...fields, space }, payload);

/**
 * A request about what is shown of the selected space. Throws an AbortError when another one is selected meanwhile:
 * its panels must not show a reply about this one.
 * @template {keyof ReplyHeaders} N
 * @param {N} name
 * @param {Record<string, unknown>} [fields]
 * @param {Uint8Array | Uint8ClampedArray} [payload]
 */
async function ask(name, fields, payload) {
  const index = space;
  const reply = await order(name, fields, payload);
  if (index !== space) throw anotherSpace();
  return reply;
}

const anotherSpace = () => new DOMException('Another space is selected.', 'AbortError');

/**
 * A request about the selected space as it was before any tuning.
 * @template {keyof ReplyHeaders} N
 * @param {N} name
 * @param {Record<string, unknown>} [fields]
 * @param {Uint8Array | Uint8ClampedArray} [payload]
 */
const askUntuned = (name, fields = {}, payload = NO_PAYLOAD) => request(name, { ...fields, space }, payload);

/** @param {ImageData} image */
async function sendPhoto(image) {
  if (photo?.image !== image || photo.connection !== connection.number) await engine.detectFaces(image);
}

export const engine = {
  connection,
  connect,
  takeToken,

  /** The index of the selected space. */
  get space() {
    return space;
  },

  /**
   * Selects a space for all later requests, once its facts are there, and returns them. Throws an AbortError when
   * another one is asked for meanwhile: replies may come in another order.
   * @param {number} index
   */
  async selectSpace(index) {
    selections += 1;
    const selection = selections;
    const { header } = await request('facts', { space: index }, NO_PAYLOAD);
    if (selection !== selections) throw anotherSpace();
    space = index;
    return header;
  },

  /** @param {Float32Array[]} rows */
  async decode(rows) {
    /** @type {Picture[]} */
    const pictures = [];
    for (let start = 0; start < rows.length; start += BATCH) {
      const batch = latentsToBytes(rows.slice(start, start + BATCH));
      const { header, payload } = await ask('decode', {}, batch);
      pictures.push(...readPictures(header, payload));
    }
    return pictures;
  },

  /** The mean face of the space. */
  async mean() {
    const { header, payload } = await ask('mean');
    return readFaces(header, payload)[0];
  },

  /**
   * Faces drawn from a prior.
   * @param {number} count
   * @param {number} seed
   * @param {number} truncation standard deviation of the draws
   * @param {string} prior
   * @param {Asked} asked of attributes
   */
  async random(count, seed, truncation, prior, asked) {
    const { header, payload } = await ask('random', { count, seed, truncation, prior, ...asked });
    return readFaces(header, payload);
  },

  /**
   * Encodes a drawing or an aligned photo of the encoder's size.
   * @param {ImageData} image
   * @param {number} [blend] share in [0, 1] by which the latent moves towards the mean latent
   */
  async encode(image, blend = 0) {
    const { width, height } = image;
    const { header, payload } = await ask('encode', { width, height, mean_blend: blend }, image.data);
    return readFaces(header, payload)[0];
  },

  /**
   * The faces in a photo, which the server keeps in memory for `alignFace` until `forgetPhoto`.
   * @param {ImageData} image
   */
  async detectFaces(image) {
    const { width, height } = image;
    photo = { image, connection: connection.number };
    const { header } = await askUntuned('detect', { width, height }, image.data);
    return header;
  },

  /**
   * The face with these landmarks, aligned for the encoder, and its reconstruction. The photo itself is sent only if
   * the server does not have it.
   * @param {ImageData} image
   * @param {Landmarks} points
   */
  async alignFace(image, points) {
    await sendPhoto(image);
    const { header, payload } = await ask('align', { points });
    return readAligned(header, payload);
  },

  /**
   * Makes a photo the one that the server keeps, without a detection.
   * @param {ImageData} image
   */
  async keepPhoto(image) {
    const { width, height } = image;
    photo = { image, connection: connection.number };
    await askUntuned('detect', { width, height, find: false }, image.data);
  },

  /**
   * As alignFace, in another space.
   * @param {number} index of the space
   * @param {ImageData} image
   * @param {Landmarks} points
   */
  async alignFaceIn(index, image, points) {
    await sendPhoto(image);
    const { header, payload } = await request('align', { points, space: index }, NO_PAYLOAD);
    return readAligned(header, payload);
  },

  /** Whether requests are about a copy of the space that is tuned to the photo. */
  get tuned() {
    return isTuned();
  },

  /**
   * Tunes a copy of the space to the photo's face with these landmarks, and selects it. Null where it was cancelled.
   * @param {ImageData} image
   * @param {Landmarks} points
   */
  async tune(image, points) {
    await sendPhoto(image);
    const index = space;
    const { header, payload } = await askUntuned('tune', { points });
    if (header.cancelled) return null;
    tunedOver.set(index, connection.number);
    return { face: readFaces(header, payload)[0], change: header.change };
  },

  /** How far the tuning is; null where none runs. */
  async tuningProgress() {
    const { header, payload } = await askUntuned('tuning');
    if (!header.running) return null;
    const picture = header.count ? readPictures(header, payload)[0] : null;
    return { share: header.share, secondsLeft: header.seconds_left, picture };
  },

  /** Ends the tuning; nothing of it is kept. */
  cancelTuning() {
    return askUntuned('cancel_tuning');
  },

  /** Goes back to the space as it was before the tuning. */
  async untune() {
    tunedOver.delete(space);
    await askUntuned('untune');
  },

  /** Forgets tuned copies that ended with an earlier connection. Returns whether there were any. */
  dropLostTunings() {
    const count = tunedOver.size;
    for (const [index, number] of tunedOver) if (number !== connection.number) tunedOver.delete(index);
    return tunedOver.size < count;
  },

  /** Deletes the photo, and what is tuned to it, from the memory of the server. */
  async forgetPhoto() {
    const sent = photo?.connection === connection.number;
    photo = null;
    tunedOver.clear();
    if (sent) await askUntuned('forget');
  },

  /**
   * The attribute directions of the space.
   * @param {number} dimensions of a latent
   */
  async directions(dimensions) {
    const { header, payload } = await ask('directions');
    const { names, facts, reason } = header;
    return { directions: readDirections(names, facts, payload, dimensions), reason };
  },

  /**
   * Stores a direction of one's own in the space.
   * @param {string} name
   * @param {Float32Array[]} positive
   * @param {Float32Array[]} negative
   */
  addDirection(name, positive, negative) {
    return order('add_direction', { name, positive: positive.length }, latentsToBytes([...positive, ...negative]));
  },

  /**
   * A direction of one's own, which the server does not keep.
   * @param {string} name
   * @param {Float32Array[]} positive
   * @param {Float32Array[]} negative
   */
  async fitDirection(name, positive, negative) {
    const examples = latentsToBytes([...positive, ...negative]);
    const { header, payload } = await ask('fit_direction', { name, positive: positive.length }, examples);
    return readDirections([name], { [name]: header.facts }, payload, positive[0].length)[0];
  },

  /**
   * The face moved until an attribute classifier finds an attribute in it, or does not, while all other attributes
   * stay. Null where it was cancelled.
   * @param {Float32Array} z
   * @param {string} name
   * @param {boolean} on
   */
  async closedLoopEdit(z, name, on) {
    const { header, payload } = await ask('edit', { name, on }, latentsToBytes([z]));
    if (header.cancelled) return null;
    const { already, reached, held } = header;
    return { face: readFaces(header, payload)[0], already, reached, held };
  },

  /**
   * The face that takes on what is painted on it. Null where it was cancelled.
   * @param {Float32Array} z
   * @param {ImageData} painted of the face's size, transparent where it is not painted
   */
  async paint(z, { width, height, data }) {
    const { header, payload } = await ask('paint', { width, height }, new Uint8Array(joined(z, data)));
    return header.cancelled ? null : readFaces(header, payload)[0];
  },

  /** Ends the closed-loop edit or the painting of this page. */
  cancelEdit() {
    return order('cancel_edit');
  },

  /**
   * The latents of a morph through keyframes, one for each frame.
   * @param {Float32Array[]} keyframes
   * @param {PathRequest} fields
   */
  async path(keyframes, fields) {
    const { payload } = await ask('path', { ...fields }, latentsToBytes(keyframes));
    return splitRows(new Float32Array(payload), keyframes[0].length);
  },

  /**
   * The file of a morph; null where it was cancelled.
   * @param {Float32Array[]} keyframes
   * @param {ExportRequest} fields
   */
  async exportAnimation(keyframes, fields) {
    const { header, payload } = await order('export_animation', { ...fields }, latentsToBytes(keyframes));
    return header.cancelled ? null : payload;
  },

  /** The share of the file that is written; null where none is. */
  async exportProgress() {
    const { header } = await order('export_animation', { command: 'progress' });
    return header.running ? header.share : null;
  },

  /** Ends the writing of the file. */
  cancelExport() {
    return order('export_animation', { command: 'cancel' });
  },

  /** What is measured so far: null before the first stage, and an error sentence where measuring failed. */
  async statistics() {
    const { header, payload } = await ask('statistics');
    return { failed: header.failed, statistics: readStatistics(header, payload) };
  },

  /**
   * How sure a face detector is of the face of a latent, in [0, 1]; null without the detector.
   * @param {Float32Array} z
   */
  async faceScore(z) {
    const { header } = await ask('face_score', {}, latentsToBytes([z]));
    return header.score;
  },

  /**
   * @param {string} method pca or tsne
   * @param {number} dimensions of a latent
   */
  async map(method, dimensions) {
    const { header, payload } = await ask('map', { method });
    return readMap(header, payload, dimensions);
  },
};
