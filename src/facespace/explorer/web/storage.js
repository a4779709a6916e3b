// @ts-check
/** The browser's stores, which hold the token, saved faces and the history. Where the browser forbids a store, as in
 * some frames, the page works without it. */

const PREFIX = 'facespace:';

/** @param {'localStorage' | 'sessionStorage'} name */
function openStore(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}

export const localStore = openStore('localStorage');
export const sessionStore = openStore('sessionStorage');

/**
 * Stores a text. Returns false where the store is full, which then keeps the old one; a browser without a store keeps
 * nothing and says so nowhere.
 * @param {Storage | null} store
 * @param {string} key
 * @param {string} text
 */
export function writeText(store, key, text) {
  try {
    store?.setItem(PREFIX + key, text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The text of a key, or null.
 * @param {Storage | null} store
 * @param {string} key
 */
export const readText = (store, key) => store?.getItem(PREFIX + key) ?? null;

/**
 * Stores a value as JSON; see writeText.
 * @param {Storage | null} store
 * @param {string} key
 * @param {unknown} value
 */
export const writeItem = (store, key, value) => writeText(store, key, JSON.stringify(value));

/**
 * Reads a value; null where it is missing or `parse` throws.
 * @template T
 * @param {Storage | null} store
 * @param {string} key
 * @param {(value: any) => T} parse
 * @returns {T | null}
 */
export function readItem(store, key, parse) {
  try {
    const text = readText(store, key);
    return text ? parse(JSON.parse(text)) : null;
  } catch {
    return null;
  }
}

/**
 * Calls back when another tab has stored something, with its key without the prefix.
 * @param {(key: string) => void} callback
 */
export function onStored(callback) {
  addEventListener('storage', ({ key }) => {
    if (key?.startsWith(PREFIX)) callback(key.slice(PREFIX.length));
  });
}
