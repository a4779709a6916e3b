// @ts-check
/** One space of a static site, as its worker plays it: its stored replies and arrays, and its networks on one latent,
 * one picture or rows of noise. */

import { joined } from '../maths.js';
import { readStored } from './messages.js';
import { Networks } from './networks.js';
import { readSheet, toPlanes, toRgba } from './pixels.js';
import { modelPriorLatents, priorNoise } from './random.js';

/** @typedef {import('./files.js').Files} Files */
/** @typedef {import('./messages.js').Answer} Answer */
/** @typedef {import('./messages.js').SiteSpace} SiteSpace */
/** @typedef {import('./photo.js').PhotoLayout} PhotoLayout */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').SpaceFacts} SpaceFacts */
/** @typedef {{arrays: Record<string, Float32Array>, photo: PhotoLayout}} Stored what the page computes with */

export class LocalSpace {
  /** @type {Promise<SpaceFacts> | null} */
  #facts = null;
  /** @type {Promise<Stored> | null} */
  #arrays = null;
  /** @type {Map<string, Promise<any>>} */
  #made = new Map();

  /**
   * @param {SiteSpace} site
   * @param {Files} files
   * @param {Networks} networks
   */
  constructor(site, files, networks) {
    this.site = site;
    this.files = files;
    this.networks = networks;
  }

  /** What the space is. */
  facts() {
    this.#facts ??= this.stored('facts').then(({ header }) => header);
    return this.#facts;
  }

  /** Arrays by name (local_arrays.py), and how the space takes photographs. */
  arrays() {
    this.#arrays ??= this.#readArrays();
    return this.#arrays;
  }

  async #readArrays() {
    const { header, payload } = await this.stored('arrays');
    /** @type {Record<string, Float32Array>} */
    const arrays = {};
    let offset = 0;
    for (const [name, count] of /** @type {[string, number][]} */ (header.counts)) {
      arrays[name] = new Float32Array(payload, offset, count);
      offset += arrays[name].byteLength;
    }
    return { arrays, photo: header.photo };
  }

  /**
   * A reply that was made when the site was published. Its pixels may lie beside it in a picture.
   * @param {string} name
   * @returns {Promise<Answer>}
   */
  async stored(name) {
    const path = `${this.site.folder}/${name}.bin.gz`;
    const { header, payload } = readStored(await this.files.read(path));
    const { sheet, ...rest } = header;
    if (!sheet) return { header, payload: joined(payload) };
    const pixels = await readSheet(await this.files.blob(`${this.site.folder}/${sheet.file}`), sheet);
    return { header: rest, payload: joined(payload, pixels) };
  }

  /**
   * What is made once of the space's arrays, since it takes long.
   * @template T
   * @param {string} name
   * @param {(arrays: Record<string, Float32Array>) => T} make
   * @returns {Promise<T>}
   */
  made(name, make) {
    const known = this.#made.get(name) ?? this.arrays().then(({ arrays }) => make(arrays));
    this.#made.set(name, known);
    return known;
  }

  /** The mean latent (D,). */
  async mean() {
    const { header, payload } = await this.stored('mean');
    return new Float32Array(payload, 0, header.latent_bytes / Float32Array.BYTES_PER_ELEMENT);
  }

  /**
   * @param {Float32Array} z (D,)
   * @param {boolean} [urgent] whether somebody waits for this face
   * @returns {Promise<Picture>}
   */
  async decode(z, urgent = false) {
    const { width, height, channels } = (await this.facts()).picture;
    const planes = await this.networks.run(this.site, 'decoder', 'latents', z, [z.length], urgent);
    return { pixels: toRgba(planes, channels, width * height), width, height };
  }

  /**
   * The faces of latents. One alone is what somebody looks at, and goes before those of grids.
   * @param {Float32Array[]} rows
   */
  async decodeAll(rows) {
    /** @type {Picture[]} */
    const pictures = [];
    for (const z of rows) pictures.push(await this.decode(z, rows.length === 1));
    return pictures;
  }

  /**
   * @param {Uint8Array | Uint8ClampedArray} pixels RGBA of the encoder's size
   * @returns {Promise<Float32Array>} (D,)
   */
  async encode(pixels) {
    const { input, picture } = await this.facts();
    if (pixels.length !== input.width * input.height * 4) {
      throw new Error(`This space encodes ${input.width}×${input.height} pixels.`);
    }
    const shape = [picture.channels, input.height, input.width];
    return this.networks.run(this.site, 'encoder', 'faces', toPlanes(pixels, picture.channels), shape, true);
  }

  /**
   * Latents of a prior; the first ones are the same for every count.
   * @param {string} kind
   * @param {number} count
   * @param {number} seed
   * @param {number} truncation standard deviation of the noise
   */
  async draw(kind, count, seed, truncation) {
    const prior = this.site.priors[kind];
    if (!prior) throw new Error(`This page has no prior '${kind}'. Choose another one.`);
    if (!prior.network) {
      const { model_prior_center: center, model_prior_root: root } = (await this.arrays()).arrays;
      return modelPriorLatents(count, this.site.latents, seed, truncation, center ? { center, root } : null);
    }
    // Over a slow line the decoder comes first, which also moves the mean face.
    await this.files.keep(Networks.fileOf(this.site, 'decoder'));
    /** @type {Float32Array[]} */
    const rows = [];
    for (const noise of priorNoise(count, prior.noise, seed, truncation, prior.mixture)) {
      rows.push(await this.networks.run(this.site, 'prior', 'noise', noise, [prior.noise]));
    }
    return rows;
  }
}
