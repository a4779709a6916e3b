// @ts-check
/** Work whose end decides what the face of the page is, such as the reading of a drawing: what keeps or exports the
 * face waits for it. */

/** @type {Set<Promise<unknown>>} */
const works = new Set();

/**
 * Work to be waited for.
 * @param {Promise<unknown>} work
 */
export function awaited(work) {
  works.add(work);
  const end = () => works.delete(work);
  work.then(end, end);
}

/** Returns when the face is that of all that was drawn and painted. */
export async function settled() {
  while (works.size) await Promise.allSettled([...works]);
}
