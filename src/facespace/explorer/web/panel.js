// @ts-check
/** The one way in which a panel follows the state: while it is hidden it waits, and when it is shown it catches up. */

import { on } from './state.js';

/**
 * Calls `update` when a topic changes; for a hidden panel, once, when it is shown. Returns what asks for an update.
 * @param {HTMLElement} root the panel
 * @param {string} topics see state.on
 * @param {() => void} update
 */
export function whenShown(root, topics, update) {
  let stale = false;
  const follow = () => {
    stale = root.hidden;
    if (!stale) update();
  };
  on(topics, follow);
  on('shown', () => {
    if (stale) follow();
  });
  return follow;
}
