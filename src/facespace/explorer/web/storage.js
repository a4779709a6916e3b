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
 * Stores a value of one model. Returns false where the store is full, which then keeps the old value; a browser
 * without a store keeps nothing and says so nowhere.
 * @param {Storage | null} store
 * @param {string} fingerprint
 * @param {string} name
 * @param {unknown} value
 */
export function writeItem(store, fingerprint, name, value) {
  try {
    store?.setItem(`${PREFIX}${fingerprint}:${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads a value of one model; null where it is missing or `parse` throws.
 * @template T
 * @param {Storage | null} store
 * @param {string} fingerprint
 * @param {string} name
 * @param {(value: any) => T} parse
 * @returns {T | null}
 */
export function readItem(store, fingerprint, name, parse) {
  try {
    const text = store?.getItem(`${PREFIX}${fingerprint}:${name}`);
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
