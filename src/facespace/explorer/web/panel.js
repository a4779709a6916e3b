// @ts-check
/** The one way in which a panel follows the state: while it is hidden it waits, and when it is shown it catches up. */

import { on, state } from './state.js';

const NARROW = matchMedia('(max-width: 1023px)'); // as in style.css

/** Whether the tab of the sources that is open can be seen: a narrow page shows one part at a time. */
export const sourceInSight = () => !NARROW.matches || state.view.part === 'source';

/**
 * Calls back when the page becomes narrow or wide.
 * @param {() => void} callback
 */
export const onNarrow = (callback) => NARROW.addEventListener('change', callback);

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
