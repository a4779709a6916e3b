// @ts-check
/** Scheduling of requests: never a queue. */

/**
 * Wraps work so that one call runs at a time, and of the calls that come meanwhile only the latest runs after it. The
 * promise ends when nothing is left to do. Errors are logged.
 * @template [T=void]
 * @param {(arg: T) => Promise<void>} work
 * @returns {(arg: T) => Promise<void>}
 */
export function latestWins(work) {
  /** @type {{arg: T} | null} */
  let pending = null;
  /** @type {Promise<void> | null} */
  let running = null;

  const run = async () => {
    while (pending) {
      const { arg } = pending;
      pending = null;
      try {
        await work(arg);
      } catch (error) {
        console.debug(error);
      }
    }
    running = null;
  };

  return (arg) => {
    pending = { arg };
    running ??= run();
    return running;
  };
}
