// @ts-check
/** The only seam to the model. Today's engine is a WebSocket to the server on this computer; another one can take its
 * place without touching a panel. Never a queue: of what is asked for while a picture is on its way, the latest wins. */

import { pack as bytes } from './maths.js';

/** @typedef {{pixels: Uint8ClampedArray, width: number, height: number}} Picture */
/** @typedef {{z: Float32Array, picture: Picture, header: any}} Face */

const PROTOCOL = 'facespace.v1', RETRIES = [400, 800, 1500, 3000, 5000], FIRST_RETRY_WAIT = 12000;
const text = new TextEncoder(), untext = new TextDecoder();

/** @type {WebSocket | null} */
let socket = null;
/** @type {Map<number, {done: (reply: any) => void, fail: (error: Error) => void}>} */
const waiting = new Map();
let token = '', space = 0, next = 1, tries = 0;

export const engine = {
  /** @type {(status: 'ready' | 'gone' | 'refused') => void} */
  onstatus: () => {},
  /** @type {(milliseconds: number) => void} */
  onspeed: () => {},

  /** @param {string} key */
  connect(key) {
    token = key;
    open();
  },
  /** Asks from now on about another space, and says which. @param {number} index */
  use(index) { space = index; return call('facts').then(({ header }) => header); },
  get space() { return space; },

  /** @param {Float32Array[]} rows @returns {Promise<Picture[]>} */
  async decode(rows) {
    const found = [];
    for (let start = 0; start < rows.length; start += 64) {
      found.push(...pictures(await call('decode', {}, bytes(rows.slice(start, start + 64)))));
    }
    return found;
  },
  /** The face in the middle of the space. */
  async mean() { return faces(await call('mean'))[0]; },
  /** @param {number} count @param {number} seed @param {number} temperature @param {string} prior */
  async random(count, seed, temperature, prior) { return faces(await call('random', { count, seed, temperature, prior })); },
  /** A drawing or an aligned photo of the encoder's size. @param {ImageData} image @param {number} trust 0 to 1 */
  async encode(image, trust = 1) {
    return faces(await call('encode', { width: image.width, height: image.height, trust }, image.data))[0];
  },
  /** Faces in a photo. @param {ImageData} image */
  async align(image) { return (await call('align', { width: image.width, height: image.height }, image.data)).header; },
  /** The face with those five points, upright. @param {ImageData} image @param {(number[] | null)[]} points */
  async cut(image, points) {
    return pictures(await call('align', { width: image.width, height: image.height, points }, image.data))[0];
  },
  /** @returns {Promise<{names: string[], facts: Record<string, any>, why: string}>} */
  async directions() { return (await call('directions')).header; },
  /** @param {Float32Array} z */
  async scores(z) { return floats((await call('scores', {}, bytes([z]))).payload); },
  /** @param {Float32Array} z @param {Record<string, number>} changes @param {string[]} lock */
  async edit(z, changes, lock) { return faces(await call('edit', { changes, lock }, bytes([z])))[0]; },
  /** @param {string} name @param {Float32Array[]} having @param {Float32Array[]} lacking */
  addDirection(name, having, lacking) { return call('add_direction', { name, with: having.length }, bytes([...having, ...lacking])); },
  /** @param {Float32Array[]} keys @param {{frames: number, along: string, turn: string}} how @returns {Promise<Float32Array[]>} */
  async path(keys, how) { return split(floats((await call('path', how, bytes(keys))).payload), keys[0].length); },
  /** @param {Float32Array[]} keys @param {{frames: number, along: string, turn: string, fps: number, form: string}} how */
  async film(keys, how) { return (await call('export', how, bytes(keys))).payload; },
  /** @returns {Promise<import('./maths.js').Statistics | {stage: 0, failed: string}>} */
  async statistics() { return readStatistics(await call('statistics')); },
  /** @param {string} method @param {number} size */
  async map(method, size) {
    const reply = await call('map', { method }), { count, names } = reply.header, all = reply.payload;
    const from = (/** @type {number} */ start, /** @type {number} */ length) => floats(all.slice(start * 4, (start + length) * 4));
    const scores = 2 * count + count * size, pixels = (scores + count * names.length) * 4;
    return {
      ...reply.header,
      places: split(from(0, 2 * count), 2),
      z: split(from(2 * count, count * size), size),
      scores: split(from(scores, count * names.length), names.length),
      faces: pictures({ header: reply.header, payload: all.slice(pixels) }),
    };
  },
};

/** Wraps work so that only one runs, and of what comes meanwhile only the latest runs after it. The promise ends when
 * nothing is left to do. @template T @param {(arg: T) => Promise<void>} work @returns {(arg: T) => Promise<void>} */
export function latestWins(work) {
  /** @type {{arg: T} | null} */
  let pending = null;
  /** @type {Promise<void> | null} */
  let running = null;
  const run = async () => {
    while (pending) {
      const { arg } = pending;
      pending = null;
      try { await work(arg); } catch (error) { console.debug(error); }
    }
    running = null;
  };
  return (arg) => { pending = { arg }; return (running ??= run()); };
}

function open() {
  let opened = false;
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/talk`, [PROTOCOL, token]);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { opened = true; tries = 0; engine.onstatus('ready'); };
  socket.onmessage = (event) => settle(event.data);
  socket.onclose = () => {
    for (const { fail } of waiting.values()) fail(new Error('The server is gone. Start it again with: facespace explore'));
    waiting.clear();
    engine.onstatus(!opened && tries === 0 ? 'refused' : 'gone');
    setTimeout(open, opened || tries ? RETRIES[Math.min(tries++, RETRIES.length - 1)] : FIRST_RETRY_WAIT);
  };
}

/** @param {ArrayBuffer} data */
function settle(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(untext.decode(new Uint8Array(data, 4, length)));
  const slot = waiting.get(header.id);
  waiting.delete(header.id);
  if (!slot) return;
  if (!header.ok) { slot.fail(new Error(header.error)); return; }
  if (header.width) engine.onspeed(header.milliseconds);
  slot.done({ header, payload: data.slice(4 + length) });
}

/** @param {string} what @param {Record<string, any>} [fields] @param {Uint8Array | Uint8ClampedArray} [payload]
 * @returns {Promise<{header: any, payload: ArrayBuffer}>} */
function call(what, fields = {}, payload = new Uint8Array()) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('The server is gone. Start it again with: facespace explore'));
  const id = next++, header = text.encode(JSON.stringify({ ...fields, id, what, space }));
  const message = new Uint8Array(4 + header.length + payload.length);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, 4);
  message.set(payload, 4 + header.length);
  socket.send(message);
  return new Promise((done, fail) => waiting.set(id, { done, fail }));
}

const floats = (/** @type {ArrayBuffer} */ buffer) => new Float32Array(buffer);
/** @param {Float32Array} all @param {number} size */
const split = (all, size) => Array.from({ length: size ? all.length / size : 0 }, (_, i) => all.slice(i * size, (i + 1) * size));

/** @param {{header: any, payload: ArrayBuffer}} reply @returns {Picture[]} */
function pictures({ header: { count, width, height }, payload }) {
  const size = width * height * 4;
  return Array.from({ length: count }, (_, i) => ({ pixels: new Uint8ClampedArray(payload, i * size, size), width, height }));
}

/** @param {{header: any, payload: ArrayBuffer}} reply @returns {Face[]} */
function faces({ header, payload }) {
  const z = split(floats(payload.slice(0, header.latent)), header.latent / 4 / header.count);
  return pictures({ header, payload: payload.slice(header.latent) }).map((picture, i) => ({ z: z[i], picture, header }));
}

/** @param {{header: any, payload: ArrayBuffer}} reply @returns {any} */
function readStatistics({ header, payload }) {
  if (!header.stage) return header;
  const all = floats(payload), k = header.components, size = header.latents;
  let at = 0;
  const take = (/** @type {number} */ count) => all.slice(at, (at += count));
  const parts = { mean: take(size), deviation: take(size), active: take(size), spread: take(k), distances: take(101), components: take(k * size) };
  const later = header.stage > 1 ? { influence: take(size), impact: take(k) } : { influence: null, impact: null };
  return { ...header, ...parts, ...later };
}
