// @ts-check
/** The connection of a static page to its worker, which answers the requests that a server would: starts it, and
 * matches replies to requests. Nothing leaves the browser. */

import { connection } from '../connection_state.js';
import { siteList } from '../site.js';
import { startOffline } from './offline.js';
import { pageHandlers } from './page_handlers.js';

/** @typedef {import('../types.js').ReplyHeaders} ReplyHeaders */
/** @typedef {import('./messages.js').FromWorker} FromWorker */
/** @typedef {import('./messages.js').Start} Start */
/** @typedef {{resolve: (reply: any) => void, reject: (error: Error) => void}} Pending */

/**
 * What a page in one file carries, which its script leaves here.
 * @typedef {object} Carried
 * @property {string} worker address of the worker, which holds the runtime
 * @property {Record<string, Blob>} files by their path in the site
 */

const NO_WORKER =
  'This browser cannot run the model of this page: it needs module workers and WebAssembly with SIMD. Chrome and ' +
  'Edge from 91, Firefox from 114 and Safari from 16.4 have both.';
/** The smallest module with an instruction of WebAssembly SIMD (v128). */
const SIMD = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
];

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, Pending>} */
const pending = new Map();
let nextId = 1;

/** @returns {Carried | undefined} */
const carried = () => /** @type {any} */ (globalThis).facespaceCarried;

/** Starts the worker. */
export function connect() {
  if (worker) return;
  if (!canRun()) connection.onproblem(NO_WORKER);
  const inside = carried();
  // Browsers start no module in a worker for a page from a disk; the carried one is a script.
  worker = inside
    ? new Worker(inside.worker, { name: 'facespace' })
    : new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'facespace' });
  worker.onmessage = ({ data }) => receive(data);
  worker.onerror = (event) => {
    fail(event.message ? `The model's worker has stopped: ${event.message}` : NO_WORKER);
  };
  worker.postMessage({ start: startMessage(inside) });
  connection.number += 1;
  connection.onstatus('ready');
}

/**
 * @param {Carried | undefined} inside
 * @returns {Start}
 */
function startMessage(inside) {
  const base = new URL('.', document.baseURI).href;
  return {
    base,
    list: siteList ?? '',
    version: document.body.dataset.version ?? '',
    runtime: inside ? null : new URL('runtime/ort.wasm.bundle.min.mjs', base).href,
    files: inside?.files ?? null,
    simd: canRun(),
  };
}

function canRun() {
  return typeof WebAssembly === 'object' && WebAssembly.validate(new Uint8Array(SIMD));
}

/** @param {string} sentence */
function fail(sentence) {
  connection.onproblem(sentence);
  for (const { reject } of pending.values()) reject(new Error(sentence));
  pending.clear();
}

/** @param {FromWorker} message */
function receive(message) {
  if ('progress' in message) {
    connection.onprogress(message.progress);
    return;
  }
  if ('loaded' in message) {
    document.body.dataset.loaded = message.loaded;
    if (!carried()) startOffline();
    return;
  }
  const request = pending.get(message.id);
  pending.delete(message.id);
  if (!request) return;
  if ('error' in message) {
    request.reject(new Error(message.error));
    return;
  }
  const { header, payload } = message;
  if (header.width) connection.onlatency(header.milliseconds);
  request.resolve({ header, payload });
}

/**
 * Sends a request. The promise rejects with a sentence where it cannot be answered.
 * @template {keyof ReplyHeaders} N
 * @param {N} name
 * @param {Record<string, unknown>} fields
 * @param {Uint8Array | Uint8ClampedArray} payload
 * @returns {Promise<import('../types.js').Reply<ReplyHeaders[N]>>}
 */
export function request(name, fields, payload) {
  const handler = pageHandlers[name];
  if (handler) return handler(fields, payload, ask);
  return ask(name, fields, payload);
}

/**
 * Asks the worker.
 * @param {string} name
 * @param {Record<string, unknown>} fields
 * @param {Uint8Array | Uint8ClampedArray} payload
 * @returns {Promise<any>}
 */
function ask(name, fields, payload) {
  if (!worker) return Promise.reject(new Error(NO_WORKER));
  const id = nextId;
  nextId += 1;
  worker.postMessage({ id, name, fields, payload });
  return new Promise((resolve, reject) => pending.set(id, { resolve, reject }));
}
