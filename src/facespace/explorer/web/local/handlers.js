// @ts-check
/** What the worker of a static page answers: one row for each request of the page. */

import { exportAnimation, exportProgress, newExport } from './animation.js';
import { latents, nothing, withFaces, withPictures } from './answers.js';
import { fitDirection, readWhitening } from './custom_direction.js';
import { readGuide } from './geodesic.js';
import { joined } from '../maths.js';
import { paintHandlers } from './paint_handlers.js';
import { path as pathThrough } from './paths.js';
import { photoHandlers } from './photo_handlers.js';
import { blendedWithMean } from './random.js';

/** @typedef {import('./answers.js').Call} Call */
/** @typedef {import('./answers.js').Handler} Handler */

const MOST_KEYFRAMES = 12;
const MOST_EXAMPLES = 2000;
const ELSEWHERE = 'This page cannot do that. Open the space with: facespace explore';

/**
 * A reply that was made when the site was published.
 * @param {string} name
 * @returns {Handler}
 */
const stored = (name) => ({ space }) => space.stored(name);

/** @type {Handler} */
async function refuse() {
  throw new Error(ELSEWHERE);
}

/** @type {Handler} */
async function decode(call) {
  return withPictures(await call.space.decodeAll(latents(call)));
}

/** @type {Handler} */
async function random({ space, fields }) {
  const { count = 1, seed = 0, truncation = 1, prior } = fields;
  return withFaces(space, await space.draw(prior, count, seed, truncation));
}

/** @type {Handler} */
async function encode({ space, fields, payload }) {
  const z = await space.encode(payload);
  const blend = fields.mean_blend ?? 0;
  return withFaces(space, [blend ? blendedWithMean(z, await space.mean(), blend) : z]);
}

/** @type {Handler} */
async function map({ space, fields }) {
  if (fields.method !== 'pca' && fields.method !== 'tsne') throw new Error('A map is pca or tsne.');
  return space.stored(`map-${fields.method}`);
}

/**
 * The latents of a morph's frames.
 * @param {Call} call
 */
async function frames(call) {
  const { space, fields } = call;
  const keyframes = latents(call, MOST_KEYFRAMES);
  const { prior_center: center } = (await space.arrays()).arrays;
  const guide = fields.interpolation === 'geodesic' ? await space.made('guide', guideOf) : null;
  const { interpolation, loop_mode, easing } = fields;
  const spec = { frames: fields.frames, interpolation, loop_mode, easing };
  return pathThrough(keyframes, spec, { center, guide, decode: (rows) => space.decodeAll(rows) });
}

/** @param {Record<string, Float32Array>} arrays */
function guideOf({ geodesic_center: center, geodesic_scale: scale, geodesic_covariance: covariance }) {
  return center ? readGuide(center, scale, covariance ?? null) : null;
}

/** @type {Handler} */
async function path(call) {
  const rows = await frames(call);
  return { header: { count: rows.length }, payload: joined(...rows) };
}

/** The animation that is written. @type {import('./animation.js').Export | null} */
let running = null;

/** By the field `command`: the file of a morph, its progress, or its end. @type {Handler} */
async function animate(call) {
  const { fps, format, size, aspect, command } = call.fields;
  if (command === 'progress') return { ...nothing(), header: exportProgress(running) };
  if (command === 'cancel') {
    if (running) running.cancelled = true;
    return nothing();
  }
  if (running) throw new Error('An animation of this page is being created already. Wait until it is there.');
  const decode = (/** @type {Float32Array[]} */ rows) => call.space.decodeAll(rows);
  const watch = newExport();
  running = watch;
  try {
    const file = await exportAnimation(await frames(call), { fps, format, size, aspect }, decode, watch);
    return { header: { format, cancelled: !file }, payload: joined(file ?? new Uint8Array()) };
  } finally {
    running = null;
  }
}

/** @type {Handler} */
async function fit(call) {
  const examples = latents(call, MOST_EXAMPLES);
  const count = Number(call.fields.positive);
  const whitening = await call.space.made('whitening', (arrays) =>
    readWhitening(arrays.whitening_center, arrays.whitening_root),
  );
  const { facts, values } = fitDirection(examples.slice(0, count), examples.slice(count), whitening);
  return { header: { facts }, payload: values.buffer };
}

/** @type {Record<string, Handler>} */
export const handlers = {
  ...photoHandlers,
  ...paintHandlers,
  facts: stored('facts'),
  mean: stored('mean'),
  statistics: stored('statistics'),
  directions: stored('directions'),
  map,
  decode,
  random,
  encode,
  path,
  fit_direction: fit,
  export_animation: animate,
  // What a static page says that it cannot do: no panel offers it.
  edit: refuse,
  tune: refuse,
  add_direction: refuse,
  cancel_edit: async () => nothing(),
  tuning: async () => ({ ...nothing(), header: { running: false } }),
  cancel_tuning: async () => nothing(),
  untune: async () => nothing(),
};
