// @ts-check
/** The files of a static site, read by its worker: from the page that carries them, from the browser's cache of this
 * version of the site, else from the site. Reports the bytes that are loaded. */

/** @typedef {import('./messages.js').Start} Start */

const GZIP = [0x1f, 0x8b];

export class Files {
  /** Bytes that are loaded, by path. @type {Map<string, number>} */
  loaded = new Map();
  /** Files that are asked for or kept, by path. @type {Map<string, Promise<Blob>>} */
  #blobs = new Map();
  /** Paths of files that were loaded. @type {Set<string>} */
  #whole = new Set();
  /** @type {Promise<Cache | null>} */
  #cache;

  /**
   * @param {Start} start
   * @param {() => void} onprogress called when more is loaded
   */
  constructor(start, onprogress) {
    this.start = start;
    this.onprogress = onprogress;
    this.#cache = start.files ? Promise.resolve(null) : openCache(start);
  }

  /**
   * The content of a file, unpacked.
   * @param {string} path
   */
  async read(path) {
    return unpacked(await this.blob(path));
  }

  /**
   * A file as it is stored.
   * @param {string} path
   * @returns {Promise<Blob>}
   */
  blob(path) {
    const known = this.#blobs.get(path);
    if (known) return known;
    const asked = this.#load(path);
    this.#blobs.set(path, asked);
    asked.then(
      () => this.#whole.add(path),
      () => this.#blobs.delete(path), // another try may succeed
    );
    return asked;
  }

  /**
   * Loads a file that may be needed later.
   * @param {string} path
   */
  async keep(path) {
    if (this.#whole.has(path)) return;
    await this.blob(path);
    await this.release(path);
  }

  /**
   * Drops a file from memory where the browser's cache has it, so that it can be read again.
   * @param {string} path
   */
  async release(path) {
    if (await this.#cache) this.#blobs.delete(path);
  }

  /** @param {string} path */
  async #load(path) {
    if (this.start.files) {
      const carried = this.start.files[path];
      if (!carried) throw new Error(`This page does not hold ${path}. Load the page again.`);
      this.#count(path, carried.size);
      return carried;
    }
    const address = new URL(path, this.start.base).href;
    const cache = await this.#cache;
    const cached = await cache?.match(address);
    const blob = await this.#receive(path, cached ?? (await fetched(address, path)));
    if (!cached) await cache?.put(address, new Response(blob)).catch(console.debug); // full: the site still plays
    return blob;
  }

  /**
   * @param {string} path
   * @param {Response} response
   */
  async #receive(path, response) {
    if (!response.body) return response.blob();
    const reader = response.body.getReader();
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const parts = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      this.#count(path, size);
    }
    return new Blob(parts);
  }

  /**
   * @param {string} path
   * @param {number} size
   */
  #count(path, size) {
    this.loaded.set(path, size);
    this.onprogress();
  }
}

/**
 * The cache of this version of this site; null where the browser has none, as on pages without https.
 * @param {Start} start
 */
async function openCache({ base, version }) {
  try {
    return await caches.open(`facespace ${base} ${version}`); // the name that sw.js uses
  } catch {
    return null;
  }
}

/**
 * @param {string} address
 * @param {string} path
 */
async function fetched(address, path) {
  const response = await fetch(address).catch(() => null);
  if (!response) throw new Error(`${path} could not be loaded. Is this device online? Load the page again.`);
  if (!response.ok) throw new Error(`${path} is missing on this site (${response.status}). Tell who published it.`);
  return response;
}

/**
 * The bytes of a file; those of gzip are unpacked, unless the server has told the browser to do that already.
 * @param {Blob} blob
 */
async function unpacked(blob) {
  const start = new Uint8Array(await blob.slice(0, GZIP.length).arrayBuffer());
  if (!GZIP.every((byte, place) => start[place] === byte)) return new Uint8Array(await blob.arrayBuffer());
  const stream = blob.stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
