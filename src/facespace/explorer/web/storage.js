// @ts-check
/** The browser's stores, which hold the token, saved faces and the history. Where the browser forbids a store, as in
 * some frames, the page works without it. */

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
 * Stores a value of one model. A full store keeps the old value.
 * @param {Storage | null} store
 * @param {string} fingerprint
 * @param {string} name
 * @param {unknown} value
 */
export function writeItem(store, fingerprint, name, value) {
  try {
    store?.setItem(`facespace:${fingerprint}:${name}`, JSON.stringify(value));
  } catch {
    // The store is full; the page goes on without it.
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
    const text = store?.getItem(`facespace:${fingerprint}:${name}`);
    return text ? parse(JSON.parse(text)) : null;
  } catch {
    return null;
  }
}
