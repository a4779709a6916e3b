// @ts-check
/** A panel of sliders: rows that move the face along one axis each, with locks, randomise, reset and animation. What
 * an axis is, the options say; see panels/raw.js, components.js and attributes.js. */

import { announce, button, h, options as selectOptions, prefersReducedMotion, setChildren, toast } from './dom.js';
import { bindToggle, fillSelect } from './fields.js';
import { randomLatent, randomNormal } from './maths.js';
import { whenShown } from './panel.js';
import { SWEEP, SliderRow } from './slider_row.js';
import { commit, move, on, openStatistics, setFace, setView, state, toggleLock } from './state.js';
import { Cell, listenToWall } from './wall.js';

/** @typedef {import('./types.js').Child} Child */
/** @typedef {import('./types.js').EditPanel} EditPanel */

/**
 * @template {string | number} K
 * @typedef {import('./slider_row.js').Axis<K>} Axis
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
 * @property {(z: Float32Array, changes: Map<K, number>) => Float32Array} move `changes` are new values
 * @property {boolean} [wall] whether all axes can be shown at once, as a wall of small sliders
 * @property {HTMLElement} [pinned] what stays in sight under the panel's head
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
  'Truncation: the standard deviation (σ) of random values, which vary together as those of faces do. Small values ' +
  'stay near the mean face.';
const WALL_TIP = 'All sliders at once: drag across several, double-click one to set it to zero.';

/** @template {string | number} K */
export class SliderPanel {
  /** Creates the rows again, when the panel is in sight. @type {() => void} */
  build = () => {};

  /** @param {SliderPanelOptions<K>} options */
  constructor(options) {
    this.options = options;
    /** @type {Map<K, SliderRow | Cell>} */
    this.rows = new Map();
    /** The row of the wall's cell that is worked on. @type {SliderRow | null} */
    this.detail = null;
    /** @type {Map<K, Axis<K>>} */
    this.axes = new Map();
    /** @type {K | null} */
    this.activeKey = null;
    this.filter = '';
    this.animationFrame = 0;
    this.refreshFrame = 0;
    /** @type {K | null} */
    this.animatedKey = null;
    /** The face when a move began: each step starts from it, so that nothing drifts. @type {Float32Array | null} */
    this.base = null;
    /** @type {Map<K, number>} */
    this.changes = new Map(); // of the move that goes on
    this.builtView = '';

    this.list = h('div', { class: 'rows', role: 'group', 'aria-label': options.title });
    this.detailBox = h('div', { class: 'detail' });
    this.footer = h('div', { class: 'foot' });
    this.search = this.#createSearch();
    this.truncation = this.#createTruncation();
    this.showAll = button('', 'Show all', () => setView({ all: !state.view.all }), { class: 'link' });
    const top = h('div', { class: 'top' }, this.#createHead(), options.pinned);
    setChildren(options.root, top, this.search, this.detailBox, this.list, this.showAll, this.footer);
    this.#listen();
  }

  #listen() {
    const { root } = this.options;
    this.build = whenShown(root, 'facts', () => this.#build());
    whenShown(root, 'z face', () => this.#scheduleRefresh());
    whenShown(root, 'view', () => {
      if (this.#viewKey() !== this.builtView) this.#build();
    });
    on('shown', () => this.refresh());
    on('face', () => this.#forgetMove());
    on('locks', () => this.#showLocks());
    this.list.addEventListener('focusin', (event) => {
      for (const row of this.rows.values()) {
        if (row instanceof SliderRow) row.setReachable(row.element.contains(/** @type {Node} */ (event.target)));
      }
    });
    const cells = () => [...this.rows.values()].filter((row) => row instanceof Cell);
    listenToWall(this.list, cells, {
      onMove: (cell, value) => this.#moveRow(/** @type {K} */ (cell.axis.key), value),
      onFinish: () => this.#finish(this.#label()),
      onCancel: () => this.#cancel(),
      onActive: (cell) => this.#activate(/** @type {K} */ (cell.axis.key)),
    });
  }

  get walled() {
    return Boolean(this.options.wall && state.view.wall);
  }

  // ---- The panel's own controls

  #createHead() {
    const { title, wall } = this.options;
    const randomise = `Randomise all ${title.toLowerCase()} that are not locked`;
    const quiet = { quiet: true };
    const buttons = h(
      'div',
      { class: 'line tight' },
      wall && bindToggle(button('wall', WALL_TIP, () => {}, quiet), 'wall'),
      button('dice', randomise, () => this.#randomiseAll(), quiet),
      button('reset', 'Reset to the original face', () => this.#resetAll(), { ...quiet, dataset: { reset: '' } }),
      this.#createMenu(),
    );
    return h('div', { class: 'panel-head' }, h('h2', {}, title), buttons);
  }

  /** The settings of the panel, behind one button. */
  #createMenu() {
    const { title } = this.options;
    const field = (/** @type {string} */ name, /** @type {HTMLElement} */ control) =>
      h('label', { class: 'choice' }, h('span', {}, name), control);
    const label = { 'aria-label': `Settings of ${title}`, dataset: { tip: 'Settings' } };
    const summary = h('summary', { class: 'button quiet', ...label }, '⋯');
    const fields = h(
      'div',
      { class: 'menu-box' },
      field('Order', this.#createOrder()),
      field('Range', this.#createRange()),
      field('Random', this.truncation),
    );
    const menu = h('details', { class: 'menu' }, summary, fields);
    menu.addEventListener('focusout', ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) menu.open = false;
    });
    menu.addEventListener('keydown', ({ key }) => {
      if (key !== 'Escape') return;
      menu.open = false;
      summary.focus();
    });
    return menu;
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
    const show = () => {
      range.value = String(state.view.range);
    };
    on('view', show);
    show();
    return range;
  }

  get sort() {
    const { panel, sorts } = this.options;
    const chosen = state.view.sorts[panel];
    return chosen in sorts ? chosen : Object.keys(sorts)[0];
  }

  #createOrder() {
    const { panel, sorts } = this.options;
    const order = h('select', { 'aria-label': 'Order of the sliders' }, selectOptions(Object.entries(sorts)));
    order.value = this.sort;
    order.addEventListener('change', () => setView({ sorts: { ...state.view.sorts, [panel]: order.value } }));
    return order;
  }

  #createTruncation() {
    const props = { 'aria-label': 'Truncation of random values', dataset: { tip: TRUNCATION_TIP } };
    const truncation = h('select', props);
    truncation.addEventListener('change', () => setView({ truncation: Number(truncation.value) }));
    on('view', () => this.#fillTruncation());
    return truncation;
  }

  #fillTruncation() {
    const values = [...new Set([...TRUNCATIONS, state.view.truncation])].sort((a, b) => a - b);
    fillSelect(this.truncation, values.map((value) => [String(value), `${value} σ`]), 'truncation');
  }

  // ---- Moves

  #locked() {
    return state.locks[this.options.panel];
  }

  /** @param {K} key */
  #currentValue(key) {
    return this.options.read(state.z).get(key) ?? 0;
  }

  #label() {
    const labels = [...this.changes.keys()].map((key) => this.axes.get(key)?.label ?? '');
    return labels.length > 1 ? `${labels.length} sliders` : (labels[0] ?? '');
  }

  /**
   * The face moved, or null with a notice where that cannot be.
   * @param {Float32Array} from
   * @param {Map<K, number>} changes
   */
  #moved(from, changes) {
    try {
      return this.options.move(from, changes);
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), 'error');
      return null;
    }
  }

  /**
   * One step of a move that goes on, of one slider or across several.
   * @param {K} key
   * @param {number} value
   */
  #slide(key, value) {
    this.base ??= state.z;
    this.changes.set(key, value);
    const moved = this.#moved(this.base, this.changes);
    if (moved) move(moved);
  }

  /**
   * Moves a row by hand. Returns false where it is locked.
   * @param {K} key
   * @param {number} value
   */
  #moveRow(key, value) {
    if (this.#locked().has(key)) {
      this.#showValue(key, this.#currentValue(key));
      announce(`${this.axes.get(key)?.label} is locked.`);
      return false;
    }
    this.#showValue(key, value);
    this.#slide(key, value);
    return true;
  }

  /** @param {string} label */
  #finish(label) {
    if (this.base) commit(label);
    this.#forgetMove();
    this.#scheduleRefresh();
  }

  /** Takes a move back that was none. */
  #cancel() {
    if (this.base) move(this.base);
    this.#forgetMove();
    this.refresh();
  }

  /** The face is another one: a move that went on has ended. */
  #forgetMove() {
    this.base = null;
    this.changes.clear();
    this.#endAnimation();
  }

  /**
   * A change in one step.
   * @param {Map<K, number>} changes
   * @param {string} label
   * @param {Float32Array} [from]
   */
  #change(changes, label, from = state.z) {
    this.#stop();
    const moved = this.#moved(from, changes);
    if (moved) commit(label, moved);
  }

  /** A draw from the distribution of faces, in which values vary together; what is locked stays. */
  #randomiseAll() {
    if (!state.statistics) {
      toast('The space is still being measured. Try again in a moment.', 'error');
      return;
    }
    const values = this.options.read(randomLatent(openStatistics(), state.view.truncation));
    /** @type {Map<K, number>} */
    const changes = new Map();
    for (const { key } of this.options.axes(this.sort)) {
      if (!this.#locked().has(key)) changes.set(key, values.get(key) ?? 0);
    }
    this.#change(changes, `Random ${this.options.title.toLowerCase()}`);
  }

  /** The original face, but for the values that are locked. */
  #resetAll() {
    const { z, picture } = state.original;
    const current = this.options.read(state.z);
    const kept = new Map([...current].filter(([key]) => this.#locked().has(key)));
    if (kept.size) this.#change(kept, 'Reset', z);
    else setFace(z, 'Reset', picture);
  }

  #stop() {
    if (this.animatedKey !== null) this.#finish('Animation');
  }

  #endAnimation() {
    cancelAnimationFrame(this.animationFrame);
    if (this.animatedKey === null) return;
    const key = this.animatedKey;
    this.animatedKey = null;
    for (const row of this.#shownRows(key)) row.setPlaying(false);
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
    for (const row of this.#shownRows(key)) row.setPlaying(true);
    const showFrame = (/** @type {number} */ now) => {
      if (this.animatedKey !== key) return;
      const value = centre + SWEEP * Math.sin((2 * Math.PI * (now - start)) / period);
      this.#slide(key, value);
      this.#showValue(key, value);
      this.animationFrame = requestAnimationFrame(showFrame);
    };
    this.animationFrame = requestAnimationFrame(showFrame);
  }

  /**
   * @param {Axis<K>} axis
   * @param {string} [prefix] of the identifiers
   */
  #createRow(axis, prefix = '') {
    const { key, label } = axis;
    const { panel, read, unit } = this.options;
    const id = `${panel}-${prefix}${String(key).replace(/\W/g, '_')}`;
    const setTo = (/** @type {number} */ value) => this.#change(new Map([[key, value]]), label);
    return new SliderRow(
      axis,
      { id, limit: state.view.range, unit },
      {
        onMove: (value) => this.#moveRow(key, value),
        onFinish: () => this.#finish(label),
        onCancel: () => this.#cancel(),
        onLock: () => toggleLock(panel, key),
        onReset: () => setTo(read(state.original.z).get(key) ?? 0),
        onRandomise: () => setTo(state.view.truncation * randomNormal()),
        onAnimate: () => this.#toggleAnimation(key),
      },
    );
  }

  // ---- What is shown

  #viewKey() {
    const { range, all } = state.view;
    return `${range} ${all} ${this.sort} ${this.walled}`;
  }

  #build() {
    const { axes, footer, root } = this.options;
    this.#stop();
    this.builtView = this.#viewKey();
    this.#fillTruncation();
    const all = axes(this.sort);
    this.axes = new Map(all.map((axis) => [axis.key, axis]));
    const matching = all.filter((axis) => axis.label.toLowerCase().includes(this.filter));
    const shown = state.view.all || this.walled || this.filter ? matching : matching.slice(0, FEW);
    this.rows = new Map(shown.map((axis) => [axis.key, this.#createItem(axis)]));
    const elements = [...this.rows.values()].map((row) => row.element);
    const empty = matching.length ? null : h('p', { class: 'waiting' }, this.#emptyText(all.length));
    setChildren(this.list, elements, empty);
    root.classList.toggle('empty', !all.length);
    this.list.classList.toggle('wall', this.walled);
    this.#makeReachable();
    this.showAll.hidden = this.walled || all.length <= FEW || Boolean(this.filter);
    this.showAll.textContent = state.view.all ? `Show the first ${FEW}` : `Show all ${all.length}`;
    setChildren(this.footer, ...(footer?.() ?? []));
    this.refresh();
    this.#showLocks();
  }

  /** @param {Axis<K>} axis */
  #createItem(axis) {
    return this.walled ? new Cell(axis, state.view.range) : this.#createRow(axis);
  }

  /** One row, or one cell, is a tab stop. */
  #makeReachable() {
    const [first] = this.rows.keys();
    this.detail = null;
    setChildren(this.detailBox);
    if (this.walled) {
      const known = this.activeKey !== null && this.rows.has(this.activeKey);
      this.activeKey = known ? this.activeKey : null;
      if (this.rows.size) this.#activate(this.activeKey ?? first);
      return;
    }
    for (const [key, row] of this.rows) /** @type {SliderRow} */ (row).setReachable(key === first);
  }

  /**
   * Makes a cell of the wall the one that is worked on: its whole row stands above the wall.
   * @param {K} key
   */
  #activate(key) {
    if (this.activeKey === key && this.detail) return;
    if (this.animatedKey !== null) this.#stop();
    for (const [other, { element }] of this.rows) {
      element.tabIndex = other === key ? 0 : -1;
      element.classList.toggle('active', other === key);
    }
    this.activeKey = key;
    const axis = this.axes.get(key);
    if (!axis) return;
    this.detail = this.#createRow(axis, 'one-');
    setChildren(this.detailBox, this.detail.element);
    this.detail.setValue(this.rows.get(key)?.value ?? 0);
    this.detail.setLocked(this.#locked().has(key));
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

  #scheduleRefresh() {
    cancelAnimationFrame(this.refreshFrame);
    this.refreshFrame = requestAnimationFrame(() => this.refresh());
  }

  /**
   * The rows that show an axis.
   * @param {K} key
   */
  #shownRows(key) {
    const row = this.rows.get(key);
    const detail = key === this.activeKey ? this.detail : null;
    return [row, detail].filter((one) => one !== null && one !== undefined);
  }

  /**
   * @param {K} key
   * @param {number} value
   */
  #showValue(key, value) {
    for (const row of this.#shownRows(key)) row.setValue(value);
  }

  /** Sets the visible sliders to the values of the face. */
  refresh() {
    const { onRefresh, read, root } = this.options;
    if (root.hidden || !this.rows.size) return;
    for (const [key, value] of read(state.z)) {
      for (const row of this.#shownRows(key)) {
        const differs = Math.abs(row.value - value) > TOLERANCE;
        if (!this.base || (differs && !row.focused)) row.setValue(value);
      }
    }
    onRefresh?.();
  }

  #showLocks() {
    const locked = this.#locked();
    for (const key of this.rows.keys()) for (const row of this.#shownRows(key)) row.setLocked(locked.has(key));
  }
}
