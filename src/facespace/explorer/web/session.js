// @ts-check
/** The access token of this session. It comes in the address, leaves it at once, and stays with this tab; another
 * tab of the page gets it over a BroadcastChannel. */

import { readText, sessionStore, writeText } from './storage.js';

const TOKEN = 'token';
const CHANNEL = 'facespace';
const QUESTION = 'token?';
const WAIT_MS = 400;

const storedToken = () => readText(sessionStore, TOKEN);

/**
 * The token of an address or its fragment.
 * @param {string} address
 */
export const tokenIn = (address) => /token=([\w-]+)/.exec(address)?.[1] ?? null;

/** @param {string} token */
export function storeToken(token) {
  writeText(sessionStore, TOKEN, token);
}

/**
 * The token, or null where neither the address, this tab nor another tab has it.
 * @param {string | null} linkText what stays in the address: the document of a shared link
 */
export async function accessToken(linkText) {
  const given = tokenIn(location.hash);
  const hash = linkText ? `#s=${linkText}` : '';
  history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  if (given) storeToken(given);
  answerOtherTabs();
  const token = given ?? storedToken();
  if (token) return token;
  const shared = await askOtherTabs();
  if (shared) storeToken(shared);
  return shared;
}

function answerOtherTabs() {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }) => {
    const token = storedToken();
    if (data === QUESTION && token) channel.postMessage({ token });
  };
}

/** @returns {Promise<string | null>} */
function askOtherTabs() {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => {
      if (typeof data?.token === 'string') resolve(data.token);
    };
    channel.postMessage(QUESTION);
    setTimeout(() => resolve(null), WAIT_MS);
  });
}
