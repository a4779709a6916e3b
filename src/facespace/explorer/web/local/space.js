// @ts-check
/** One space of a static site, as its worker plays it: its stored replies, its networks on one latent, one picture or
 * one row of noise. */

import { joined, readStored } from './messages.js';
import { normalNoise } from './noise.js';
import { readSheet, toPlanes, toRgba } from './pixels.js';

/** @typedef {import('./files.js').Files} Files */
/** @typedef {import('./messages.js').Answer} Answer */
/** @typedef {import('./messages.js').SiteSpace} SiteSpace */
/** @typedef {import('./networks.js').Networks} Networks */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').SpaceFacts} SpaceFacts */

export class LocalSpace {
  /** @type {Promise<SpaceFacts> | null} */
  #facts = null;

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

  /** The mean latent (D,). */
  async mean() {
    const { header, payload } = await this.stored('mean');
    return new Float32Array(payload, 0, header.latent_bytes / Float32Array.BYTES_PER_ELEMENT);
  }

  /** The mean of the default prior (D,), the centre of spherical paths. */
  async priorMean() {
    return new Float32Array((await this.stored('prior_mean')).payload);
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
   * A latent of a prior.
   * @param {string} kind
   * @param {number} seed
   * @param {number} place of the face among those of the seed
   * @param {number} truncation standard deviation of the noise
   */
  async draw(kind, seed, place, truncation) {
    const prior = this.site.priors[kind];
    if (!prior) throw new Error(`This page has no prior '${kind}'. Choose another one.`);
    const noise = normalNoise(prior.noise, seed, place);
    for (let i = prior.kept; i < noise.length; i++) noise[i] *= truncation;
    if (!prior.network) return noise;
    return this.networks.run(this.site, 'prior', 'noise', noise, [prior.noise]);
  }
}
