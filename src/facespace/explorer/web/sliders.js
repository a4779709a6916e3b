// @ts-check
/** A panel of sliders: rows that move the face along one axis each, with locks, randomise, reset and animation. What
 * an axis is, the options say; see panels/raw.js, components.js and attributes.js. */

import { announce, attempt, button, h, options as selectOptions, prefersReducedMotion, setChildren } from './dom.js';
import { latestWins } from './latest.js';
import { randomNormal } from './maths.js';
import { cachePicture } from './pictures.js';
import { SWEEP, SliderRow } from './slider_row.js';
import { commit, move, on, setFace, setView, state, toggleLock } from './state.js';

/** @typedef {import('./types.js').Child} Child */
/** @typedef {import('./types.js').EditPanel} EditPanel */
/** @typedef {import('./types.js').Picture} Picture */

/**
 * @template {string | number} K
 * @typedef {import('./slider_row.js').Axis<K>} Axis
 */

/** @typedef {{z: Float32Array, picture?: Picture}} Moved */

/**
 * @template {string | number} K
 * @typedef {{from: Float32Array, changes: Map<K, number>}} Step
 */

/**
 * @template {string | number} K
 * @typedef {object} SliderPanelOptions
 * @property {EditPanel} panel
 * @property {string} title
 * @property {HTMLElement} root
 * @property {string} unit
 * @property {Record<string, string>} sorts the orders of the rows; the first is the default
 * @property {(sort: string) => Axis<K>[]} axes
 * @property {(z: Float32Array) => Map<K, number>} read values in standard deviations
 * @property {(z: Float32Array, changes: Map<K, number>) => Moved | Promise<Moved>} move `changes` are new values
 * @property {() => Child[]} [footer]
 * @property {() => Node | string} [emptyText]
 * @property {() => void} [onRefresh]
 */

const FEW = 16; // rows that are shown at first
const RANGES = [2, 3, 4];
const TRUNCATIONS = [0.3, 0.5, 0.8, 1, 1.5];
const PERIOD_MS = 4000; // of an animation
const TOLERANCE = 0.004; // below which a slider need not be set again

const RANGE_TIP = 'How far the sliders reach, in standard deviations (σ) of the faces of this space.';
const TRUNCATION_TIP =
  'Truncation: the standard deviation (σ) of random slider values. Small values stay near the mean face.';

/** @template {string | number} K */
export class SliderPanel {
  /** @param {SliderPanelOptions<K>} options */
  constructor(options) {
    this.options = options;
    /** @type {Map<K, SliderRow>} */
    this.rows = new Map();
    this.sort = Object.keys(options.sorts)[0];
    this.filter = '';
    this.animationFrame = 0;
    this.refreshFrame = 0;
    /** @type {K | null} */
    this.animatedKey = null;
    /** The face when a move began: each step starts from it, so that nothing drifts. @type {Float32Array | null} */
    this.base = null;
    this.lastMove = Promise.resolve();
    this.builtView = '';
    this.applyLatest = latestWins((/** @type {Step<K>} */ step) => this.#apply(step));

    this.list = h('div', { class: 'rows' });
    this.footer = h('div', { class: 'foot' });
    this.search = this.#createSearch();
    this.range = this.#createRange();
    this.order = this.#createOrder();
    this.truncation = this.#createTruncation();
    this.showAll = button('', '', () => setView({ all: !state.view.all }), { class: 'link' });
    const controls = h('div', { class: 'line controls' }, this.search, this.order, this.range, this.truncation);
    setChildren(options.root, this.#createHead(), controls, this.list, this.showAll, this.footer);

    on('z face', () => this.#scheduleRefresh());
    on('locks', () => this.#showLocks());
    on('view', () => this.#handleView());
  }

  // ---- The panel's own controls

  #createHead() {
    const { title } = this.options;
    const randomise = `Randomise all ${title.toLowerCase()} that are not locked`;
    const buttons = h(
      'div',
      { class: 'line' },
      button('dice', randomise, () => this.#randomiseAll(), { quiet: true }),
      button('reset', 'Reset to the original face', () => this.#resetAll(), { quiet: true }),
    );
    return h('div', { class: 'panel-head' }, h('h2', {}, title), buttons);
  }

  #createSearch() {
    const label = `Filter ${this.options.title}`;
    const search = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': label });
    search.addEventListener('input', () => {
      this.filter = search.value.toLowerCase();
      this.build();
    });
    return search;
  }

  #createRange() {
    /** @type {[string, string][]} */
    const choices = RANGES.map((range) => [String(range), `±${range} σ`]);
    const props = { 'aria-label': 'Range of the sliders', dataset: { tip: RANGE_TIP } };
    const range = h('select', props, selectOptions(choices));
    range.addEventListener('change', () => setView({ range: Number(range.value) }));
    return range;
  }

  #createOrder() {
    const choices = Object.entries(this.options.sorts);
    const order = h('select', { 'aria-label': 'Order of the sliders' }, selectOptions(choices));
    order.addEventListener('change', () => {
      this.sort = order.value;
      this.build();
    });
    return order;
  }

  #createTruncation() {
    const props = { 'aria-label': 'Truncation of random values', dataset: { tip: TRUNCATION_TIP } };
    const truncation = h('select', props);
    truncation.addEventListener('change', () => setView({ truncation: Number(truncation.value) }));
    return truncation;
  }

  #fillTruncation() {
    const current = state.view.truncation;
    const values = [...new Set([...TRUNCATIONS, current])].sort((a, b) => a - b);
    /** @type {[string, string][]} */
    const choices = values.map((value) => [String(value), `Random ${value} σ`]);
    setChildren(this.truncation, selectOptions(choices));
    this.truncation.value = String(current);
  }

  // ---- Moves

  #locked() {
    return state.locks[this.options.panel];
  }

  /** @param {K} key */
  #currentValue(key) {
    return this.options.read(state.z).get(key) ?? 0;
  }

  /** @param {Step<K>} step */
  async #apply({ from, changes }) {
    const moved = await attempt(async () => this.options.move(from, changes));
    if (!moved) return;
    if (moved.picture) cachePicture(moved.z, moved.picture);
    move(moved.z);
  }

  /**
   * One step of a move that goes on.
   * @param {Map<K, number>} changes
   */
  #slide(changes) {
    this.base ??= state.z;
    this.lastMove = this.applyLatest({ from: this.base, changes });
  }

  /**
   * Commits a move when its last step has come back.
   * @param {string} label
   */
  async #finish(label) {
    await this.lastMove;
    this.base = null;
    commit(label);
  }

  /**
   * A change in one step.
   * @param {Map<K, number>} changes
   * @param {string} label
   */
  async #change(changes, label) {
    this.#stop();
    this.base = null;
    const moved = await attempt(async () => this.options.move(state.z, changes));
    if (!moved) return;
    if (moved.picture) cachePicture(moved.z, moved.picture);
    commit(label, moved.z);
  }

  #randomiseAll() {
    /** @type {Map<K, number>} */
    const changes = new Map();
    for (const { key } of this.options.axes(this.sort)) {
      if (!this.#locked().has(key)) changes.set(key, state.view.truncation * randomNormal());
    }
    this.#change(changes, `Random ${this.options.title.toLowerCase()}`);
  }

  #resetAll() {
    this.#stop();
    this.base = null;
    const { z, picture } = state.original;
    const locked = this.#locked();
    if (locked.size === 0) {
      setFace(z, 'Reset', picture);
      return;
    }
    const changes = this.options.read(z);
    for (const key of [...changes.keys()]) {
      if (locked.has(key)) changes.delete(key);
    }
    this.#change(changes, 'Reset');
  }

  #stop() {
    cancelAnimationFrame(this.animationFrame);
    if (this.animatedKey === null) return;
    this.rows.get(this.animatedKey)?.setPlaying(false);
    this.animatedKey = null;
    this.#finish('Animation');
  }

  /** @param {K} key */
  #toggleAnimation(key) {
    const wasPlaying = this.animatedKey === key;
    this.#stop();
    if (wasPlaying) return;
    this.animatedKey = key;
    this.base = state.z;
    const centre = this.#currentValue(key);
    const start = performance.now();
    const period = prefersReducedMotion() ? 3 * PERIOD_MS : PERIOD_MS;
    this.rows.get(key)?.setPlaying(true);
    const showFrame = (/** @type {number} */ now) => {
      if (this.animatedKey !== key) return;
      const value = centre + SWEEP * Math.sin((2 * Math.PI * (now - start)) / period);
      this.#slide(new Map([[key, value]]));
      this.rows.get(key)?.setValue(value);
      this.animationFrame = requestAnimationFrame(showFrame);
    };
    this.animationFrame = requestAnimationFrame(showFrame);
  }

  /** @param {Axis<K>} axis */
  #createRow(axis) {
    const { key, label } = axis;
    const { panel, read, unit } = this.options;
    const id = `${panel}-${String(key).replace(/\W/g, '_')}`;
    const setTo = (/** @type {number} */ value) => this.#change(new Map([[key, value]]), label);
    const row = new SliderRow(
      axis,
      { id, limit: state.view.range, unit },
      {
        onMove: (value) => {
          if (this.#locked().has(key)) {
            row.setValue(this.#currentValue(key));
            announce(`${label} is locked.`);
            return false;
          }
          row.setValue(value);
          this.#slide(new Map([[key, value]]));
          return true;
        },
        onFinish: () => this.#finish(label),
        onLock: () => toggleLock(panel, key),
        onReset: () => setTo(read(state.original.z).get(key) ?? 0),
        onRandomise: () => setTo(state.view.truncation * randomNormal()),
        onAnimate: () => this.#toggleAnimation(key),
      },
    );
    return row;
  }

  // ---- What is shown

  /** Creates all rows again. */
  build() {
    const { axes, footer, root } = this.options;
    this.#stop();
    this.rows.clear();
    this.range.value = String(state.view.range);
    this.#fillTruncation();
    const all = axes(this.sort);
    const matching = all.filter((axis) => axis.label.toLowerCase().includes(this.filter));
    const shown = state.view.all || this.filter ? matching : matching.slice(0, FEW);
    for (const axis of shown) this.rows.set(axis.key, this.#createRow(axis));
    const elements = [...this.rows.values()].map((row) => row.element);
    const empty = matching.length ? null : h('p', { class: 'waiting' }, this.#emptyText(all.length));
    setChildren(this.list, elements, empty);
    root.classList.toggle('empty', !all.length);
    this.showAll.hidden = all.length <= FEW || Boolean(this.filter);
    this.showAll.textContent = state.view.all ? `Show the first ${FEW}` : `Show all ${all.length}`;
    setChildren(this.footer, ...(footer?.() ?? []));
    this.refresh();
    this.#showLocks();
  }

  /** @param {number} count of axes before the filter */
  #emptyText(count) {
    if (this.filter && count) return `No name contains “${this.filter}”.`;
    return this.options.emptyText?.() ?? 'Measuring the space…';
  }

  /** Builds when no control of the panel has the focus: a slider must not vanish while it is used. */
  rebuild() {
    const { root } = this.options;
    if (this.rows.size && root.contains(document.activeElement)) {
      root.addEventListener('focusout', () => setTimeout(() => this.rebuild()), { once: true });
      return;
    }
    this.build();
  }

  #handleView() {
    this.#fillTruncation();
    const view = `${state.view.range} ${state.view.all}`;
    if (view !== this.builtView) this.build();
    else this.refresh(); // the panel may have been hidden while the face changed
    this.builtView = view;
  }

  #scheduleRefresh() {
    cancelAnimationFrame(this.refreshFrame);
    this.refreshFrame = requestAnimationFrame(() => this.refresh());
  }

  /** Sets the visible sliders to the values of the face. */
  refresh() {
    const { onRefresh, read, root } = this.options;
    if (root.hidden || !this.rows.size) return;
    for (const [key, value] of read(state.z)) {
      const row = this.rows.get(key);
      if (!row) continue;
      const differs = Math.abs(row.value - value) > TOLERANCE;
      if (!this.base || (differs && !row.focused)) row.setValue(value);
    }
    onRefresh?.();
  }

  #showLocks() {
    const locked = this.#locked();
    for (const [key, row] of this.rows) row.setLocked(locked.has(key));
  }
}
