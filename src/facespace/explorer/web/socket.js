// @ts-check
/** The WebSocket to the server on this computer: opens it, reopens it when it closes, and matches replies to
 * requests. */

import { connection } from './connection_state.js';
import { packMessage, unpackMessage } from './protocol.js';

/** @typedef {import('./types.js').ReplyHeaders} ReplyHeaders */
/** @typedef {{resolve: (reply: any) => void, reject: (error: Error) => void}} Pending */

/**
 * @template H
 * @typedef {import('./types.js').Reply<H>} Reply
 */

const SUBPROTOCOL = 'facespace.v1';
const RETRY_MS = [400, 800, 1500, 3000, 5000];
const FIRST_RETRY_MS = 12000;
const ANSWER_MS = 5000;
const DISCONNECTED = 'The explorer server does not answer. Start it again with: facespace explore';

/** @type {WebSocket | null} */
let socket = null;
/** @type {Map<number, Pending>} */
const pending = new Map();
let token = '';
let nextId = 1;
let retries = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retryTimer;

/** @param {string} accessToken */
export function connect(accessToken) {
  token = accessToken;
  clearTimeout(retryTimer);
  if (socket) socket.onclose = null; // a new token: the old connection is of no use
  socket?.close();
  abandon();
  open();
}

function abandon() {
  for (const { reject } of pending.values()) reject(new Error(DISCONNECTED));
  pending.clear();
}

/**
 * Takes another token. Where the server refuses it, the promise is false and the connection stays as it is.
 * @param {string} accessToken
 * @returns {Promise<boolean>}
 */
export async function takeToken(accessToken) {
  const inUse = () => socket?.readyState === WebSocket.OPEN && accessToken === token;
  if (inUse()) return true;
  if (!(await isTaken(accessToken)) && (await serverAnswers())) return false;
  if (!inUse()) connect(accessToken);
  return true;
}

/** Whether the server runs: it refuses a token as silently as a server that is gone. */
async function serverAnswers() {
  const file = new URL('mark.svg', location.href);
  const signal = AbortSignal.timeout(ANSWER_MS);
  const reply = await fetch(file, { method: 'HEAD', cache: 'no-store', signal }).catch(() => null);
  return Boolean(reply?.ok);
}

/**
 * Whether the server takes a token, asked with a connection of its own.
 * @param {string} accessToken
 * @returns {Promise<boolean>}
 */
function isTaken(accessToken) {
  const trial = createSocket(accessToken);
  return new Promise((resolve) => {
    trial.onopen = () => resolve(true);
    trial.onclose = () => resolve(false);
  }).finally(() => trial.close());
}

/** @param {string} accessToken */
function createSocket(accessToken) {
  const address = new URL('ws', location.href); // beside the page, also below the path of a proxy
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  address.hash = address.search = '';
  return new WebSocket(address.href, [SUBPROTOCOL, accessToken]);
}

function open() {
  let wasOpen = false;
  const opened = createSocket(token);
  socket = opened;
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    wasOpen = true;
    retries = 0;
    connection.number += 1;
    connection.onstatus('ready');
  };
  socket.onmessage = (event) => settle(event.data);
  socket.onclose = async () => {
    abandon();
    const refused = !wasOpen && (await serverAnswers());
    if (socket !== opened) return; // another connection was opened meanwhile
    connection.onstatus(refused ? 'refused' : 'disconnected');
    retryTimer = setTimeout(open, refused ? FIRST_RETRY_MS : nextDelay());
  };
}

function nextDelay() {
  const delay = RETRY_MS[Math.min(retries, RETRY_MS.length - 1)];
  retries += 1;
  return delay;
}

/** @param {ArrayBuffer} message */
function settle(message) {
  const reply = unpackMessage(message);
  const { header } = reply;
  const request = pending.get(header.id);
  pending.delete(header.id);
  if (!request) return;
  if (!header.ok) {
    request.reject(new Error(header.error));
    return;
  }
  if (header.width) connection.onlatency(header.milliseconds);
  request.resolve(reply);
}

/**
 * Sends a request. The promise rejects with the server's sentence where it refuses.
 * @template {keyof ReplyHeaders} N
 * @param {N} name
 * @param {Record<string, unknown>} fields
 * @param {Uint8Array | Uint8ClampedArray} payload
 * @returns {Promise<Reply<ReplyHeaders[N]>>}
 */
export function request(name, fields, payload) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error(DISCONNECTED));
  const id = nextId;
  nextId += 1;
  socket.send(packMessage({ ...fields, id, request: name }, payload));
  return new Promise((resolve, reject) => pending.set(id, { resolve, reject }));
}
