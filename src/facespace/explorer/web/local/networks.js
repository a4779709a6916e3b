// @ts-check
/** The networks of the open space, and the face detector of the site, in onnxruntime-web: opened when they are first
 * needed, and run one at a time. */

import { Turns } from './turns.js';

/** @typedef {import('./files.js').Files} Files */
/** @typedef {import('./messages.js').Start} Start */
/** @typedef {import('./messages.js').SiteSpace} SiteSpace */
/** @typedef {{data: Float32Array, dims: readonly number[]}} Tensor */
/**
 * @typedef {object} Session
 * @property {(feeds: Record<string, Tensor>) => Promise<Record<string, Tensor>>} run
 * @property {() => Promise<void>} release
 */
/**
 * The part of onnxruntime-web that is used.
 * @typedef {object} Runtime
 * @property {{wasm: {numThreads: number, wasmBinary?: ArrayBuffer}, logLevel: string}} env
 * @property {{create: (model: Uint8Array, options: object) => Promise<Session>}} InferenceSession
 * @property {new (type: string, data: Float32Array, dims: readonly number[]) => Tensor} Tensor
 */

const WASM = 'runtime/ort-wasm-simd-threaded.wasm.gz';
const MOST_THREADS = 4;
const KEPT_SPACES = 2; // whose networks stay open: the mirror goes from one to the other with each picture
const NO_SIMD =
  'This browser cannot run the model: it needs WebAssembly with SIMD. The map and the mean face are shown.';
const NO_MEMORY =
  'The model did not start: this device has too little free memory for it. Close other tabs and load the page again.';

export class Networks {
  /** Time that the last run took, without waiting. */
  milliseconds = 0;
  #turns = new Turns();
  /** @type {Promise<Runtime> | null} */
  #runtime = null;
  /** Of spaces and of the site, by path. @type {Map<string, Promise<Session>>} */
  #sessions = new Map();
  /** Those that were used last, the newest first. @type {SiteSpace[]} */
  #spaces = [];

  /**
   * @param {Start} start
   * @param {Files} files
   */
  constructor(start, files) {
    this.start = start;
    this.files = files;
  }

  /** The path of the runtime's WebAssembly in a site. */
  static runtimeFile = WASM;

  /**
   * The path of a network's file.
   * @param {SiteSpace} space
   * @param {string} name encoder, decoder or prior
   */
  static fileOf = (space, name) => `${space.folder}/${name}.onnx.gz`;

  /**
   * Opens a network of a space, so that its first run does not wait for that.
   * @param {SiteSpace} space
   * @param {string} name
   */
  async open(space, name) {
    if (space !== this.#spaces[0]) await this.#enter(space);
    return this.#opened(Networks.fileOf(space, name));
  }

  /**
   * Runs a network of a space on one row of floats.
   * @param {SiteSpace} space
   * @param {string} name
   * @param {string} input name of what goes in
   * @param {Float32Array} values
   * @param {number[]} shape of one row
   * @param {boolean} [urgent] before all work that is not
   * @returns {Promise<Float32Array>}
   */
  async run(space, name, input, values, shape, urgent = false) {
    const session = await this.open(space, name);
    /** @type {Record<string, {data: Float32Array, dims: number[]}>} */
    const feeds = { [input]: { data: values, dims: [1, ...shape] } };
    if (name !== 'prior' && space.conditions) {
      const unknown = new Float32Array(space.conditions).fill(NaN);
      feeds.attributes = { data: unknown, dims: [1, space.conditions] };
    }
    return Object.values(await this.#run(session, feeds, urgent))[0].data;
  }

  /**
   * Runs another network of the site.
   * @param {string} path
   * @param {Record<string, {data: Float32Array, dims: number[]}>} feeds
   */
  async runFile(path, feeds) {
    const results = await this.#run(await this.#opened(path), feeds, true);
    /** @type {Record<string, Float32Array>} */
    const outputs = {};
    for (const [name, { data }] of Object.entries(results)) outputs[name] = data;
    return outputs;
  }

  /**
   * @param {Session} session
   * @param {Record<string, {data: Float32Array, dims: number[]}>} feeds
   * @param {boolean} urgent
   */
  async #run(session, feeds, urgent) {
    const { Tensor } = await this.#ready();
    /** @type {Record<string, Tensor>} */
    const tensors = {};
    for (const [name, { data, dims }] of Object.entries(feeds)) tensors[name] = new Tensor('float32', data, dims);
    return this.#turns.run(async () => {
      const start = performance.now();
      const results = await guarded(() => session.run(tensors));
      this.milliseconds = performance.now() - start;
      return results;
    }, urgent);
  }

  /** @param {string} path */
  #opened(path) {
    const known = this.#sessions.get(path);
    if (known) return known;
    const opened = this.#create(path);
    this.#sessions.set(path, opened);
    opened.catch(() => this.#sessions.delete(path));
    return opened;
  }

  /** @param {string} path */
  async #create(path) {
    const [runtime, model] = await Promise.all([this.#ready(), this.files.read(path)]);
    // Weights that are stored as 8-bit or 16-bit numbers are computed once, when the graph is optimised.
    const options = { executionProviders: ['wasm'], graphOptimizationLevel: 'all' };
    const session = await this.#turns.run(() => guarded(() => runtime.InferenceSession.create(model, options)), false);
    await this.files.release(path);
    return session;
  }

  #ready() {
    this.#runtime ??= this.#load();
    return this.#runtime;
  }

  async #load() {
    if (!this.start.simd) throw new Error(NO_SIMD);
    const [runtime, binary] = await Promise.all([runtimeOf(this.start), this.files.read(WASM)]);
    runtime.env.wasm.wasmBinary = binary.buffer;
    // Threads need shared memory, which only an isolated page has.
    runtime.env.wasm.numThreads = crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
    runtime.env.logLevel = 'error';
    return runtime;
  }

  /**
   * Frees the memory of spaces that were used longer ago.
   * @param {SiteSpace} space that is used now
   */
  async #enter(space) {
    const spaces = [space, ...this.#spaces.filter((other) => other !== space)];
    this.#spaces = spaces.slice(0, KEPT_SPACES);
    for (const { folder } of spaces.slice(KEPT_SPACES)) await this.#leave(folder);
  }

  /** @param {string} folder of a space */
  async #leave(folder) {
    for (const [path, session] of this.#sessions) {
      if (!path.startsWith(`${folder}/`)) continue;
      this.#sessions.delete(path);
      const opened = await session.catch(() => null);
      await this.#turns.run(async () => opened?.release(), false);
    }
  }
}

/**
 * @param {Start} start
 * @returns {Promise<Runtime>}
 */
async function runtimeOf({ runtime }) {
  return runtime === null ? /** @type {any} */ (globalThis).facespaceRuntime : import(runtime);
}

/**
 * Runs work of the runtime, whose errors become sentences.
 * @template T
 * @param {() => Promise<T>} work
 */
async function guarded(work) {
  try {
    return await work();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof RangeError || /memory|allocat|bad_alloc|^\d+$/i.test(text)) throw new Error(NO_MEMORY);
    throw new Error(`The model could not be run: ${text}`);
  }
}
