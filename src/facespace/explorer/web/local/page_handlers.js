// @ts-check
/** The requests of a static page that need what only a page has, such as a canvas that is recorded, and that the worker
 * therefore cannot answer alone: one row for each. */

import { readPictures } from '../protocol.js';
import { FORMATS, exportProgress, newExport } from './animation.js';
import { recordVideo, videoFormats } from './record_video.js';

/** @typedef {Record<string, unknown>} Fields */
/** @typedef {Uint8Array | Uint8ClampedArray} Payload */
/** @typedef {(name: string, fields: Fields, payload: Payload) => Promise<any>} Ask the worker */
/**
 * Gives a reply: a header and a payload.
 * @typedef {(fields: Fields, payload: Payload, ask: Ask) => Promise<any>} PageHandler
 */

const BATCH = 64; // latents of one request

/** The facts, with the formats that this browser can write. @type {PageHandler} */
async function facts(fields, payload, ask) {
  const reply = await ask('facts', fields, payload);
  reply.header.formats = [...FORMATS, ...videoFormats()];
  return reply;
}

/** The video that is recorded. @type {import('./animation.js').Export | null} */
let recording = null;

/** An animation: a picture by the worker, a video recorded here. @type {PageHandler} */
async function exportAnimation(fields, payload, ask) {
  const { format, command } = fields;
  if (command === 'progress' && recording) return { header: exportProgress(recording), payload: new ArrayBuffer(0) };
  if (command === 'cancel' && recording) {
    recording.cancelled = true;
    return { header: {}, payload: new ArrayBuffer(0) };
  }
  if (command || FORMATS.includes(String(format))) return ask('export_animation', fields, payload);
  if (recording) throw new Error('A video of this page is being recorded already. Wait until it is there.');
  const watch = newExport();
  recording = watch;
  try {
    return await recorded(fields, payload, ask, watch);
  } finally {
    recording = null;
  }
}

/**
 * @param {Fields} fields
 * @param {Payload} payload
 * @param {Ask} ask
 * @param {import('./animation.js').Export} watch
 */
async function recorded(fields, payload, ask, watch) {
  const { format, fps, size, aspect } = /** @type {any} */ (fields);
  const path = await ask('path', fields, payload);
  const latents = new Uint8Array(path.payload);
  const row = latents.length / path.header.count;
  const pictures = [];
  for (let start = 0; start < latents.length; start += BATCH * row) {
    const { header, payload: pixels } = await ask('decode', fields, latents.slice(start, start + BATCH * row));
    pictures.push(...readPictures(header, pixels));
  }
  const video = await recordVideo(pictures, Number(fps), String(format), watch, { size, aspect });
  const file = watch.cancelled ? new ArrayBuffer(0) : await video.arrayBuffer();
  return { header: { format, cancelled: watch.cancelled }, payload: file };
}

/** @type {Record<string, PageHandler>} */
export const pageHandlers = { facts, export_animation: exportAnimation };
