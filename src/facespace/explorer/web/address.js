// @ts-check
/** The face of the page in its address. An answer that comes while the browser loads the page anew still reaches the
 * history, but no more the address that is loaded: so a tab knows what it wrote there, and its history goes first. */

import { shareLink } from './document.js';
import { readItem, sessionStore, writeItem } from './storage.js';

const ADDRESSES = 'addresses';
const KEPT = 8; // so many changes may come before the old page is gone

/** Keeps the face of the page in its address. */
export function writeAddress() {
  const { hash } = new URL(shareLink());
  if (location.hash === hash) return;
  writeItem(sessionStore, ADDRESSES, [...written(), hash].slice(-KEPT));
  history.replaceState(null, '', hash);
}

/**
 * Whether the page was loaded again with what this tab itself wrote into its address.
 * @param {string} text the document in its fragment
 */
export function isOwnAddress(text) {
  const [load] = performance.getEntriesByType('navigation');
  const followed = /** @type {PerformanceNavigationTiming} */ (load).type === 'navigate'; // a link, or typed
  return !followed && written().includes(`#s=${text}`);
}

/** @returns {string[]} */
const written = () => readItem(sessionStore, ADDRESSES, (hashes) => hashes.map(String)) ?? [];
