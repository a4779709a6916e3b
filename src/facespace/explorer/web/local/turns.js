// @ts-check
/** The order in which pieces of work use the model: one at a time, and what a person waits for before grids. */

/** @typedef {{work: () => Promise<any>, resolve: (value: any) => void, reject: (error: unknown) => void}} Waiting */

export class Turns {
  /** @type {Waiting[]} */
  #urgent = [];
  /** @type {Waiting[]} */
  #others = [];
  #busy = false;

  /**
   * Runs work when it is its turn.
   * @template T
   * @param {() => Promise<T>} work
   * @param {boolean} urgent before all work that is not
   * @returns {Promise<T>}
   */
  run(work, urgent) {
    return new Promise((resolve, reject) => {
      (urgent ? this.#urgent : this.#others).push({ work, resolve, reject });
      this.#next();
    });
  }

  async #next() {
    if (this.#busy) return;
    this.#busy = true;
    for (;;) {
      const waiting = this.#urgent.shift() ?? this.#others.shift();
      if (!waiting) break;
      await waiting.work().then(waiting.resolve, waiting.reject);
      if (!this.#urgent.length) await messagesArrive();
    }
    this.#busy = false;
  }
}

/** Lets messages of the page that have come meanwhile be read. A timer would wait for 4 ms. */
function messagesArrive() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
