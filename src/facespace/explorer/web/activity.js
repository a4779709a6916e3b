// @ts-check
/** What the user has done that leaves no trace in the state, for the checks of a lesson. */

/** @typedef {'drawn' | 'compared'} Activity */

/** @type {Set<(name: Activity, detail: string) => void>} */
const listeners = new Set();

/**
 * Tells of something that was done.
 * @param {Activity} name drawn: a random face was taken; compared: the original was looked at
 * @param {string} detail the prior; `photo` where the original is one
 */
export function did(name, detail) {
  for (const listener of listeners) listener(name, detail);
}

/** @param {(name: Activity, detail: string) => void} listener */
export const onActivity = (listener) => listeners.add(listener);
