// @ts-check
/** Chooses how requests travel: over a WebSocket to the server, or to a worker of a static page. */

import * as worker from './local/connection.js';
import { isSite } from './site.js';
import * as socket from './socket.js';

export { connection } from './connection_state.js';

/** Connects. The server wants the access token; a static page takes none. */
export const connect = isSite ? worker.connect : socket.connect;

/** Takes the token of a pasted address; see socket.js. */
export const takeToken = socket.takeToken;

/** Sends a request; see socket.js. @type {typeof socket.request} */
export const request = isSite ? worker.request : socket.request;
