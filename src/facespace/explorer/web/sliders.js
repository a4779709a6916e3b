// @ts-check
/** A panel of sliders: rows that move the face along one axis each. What an axis is, the options say (panels/raw.js,
 * components.js, attributes.js); how the face moves, slider_moves.js; what is above the rows, slider_head.js. */

import { button, h, setChildren } from './dom.js';
import { randomNormal } from './maths.js';
import { hideHeat, showHeat } from './panels/heat.js';
import { whenShown } from './panel.js';
import { chosenSort, createHead } from './slider_head.js';
import { SliderMoves } from './slider_moves.js';
import { SliderRow } from './slider_row.js';
import { openSheet } from './slider_sheet.js';
import { on, setView, state, toggleLock } from './state.js';
import { Cell, listenToWall } from './wall.js';

/** @typedef {import('./types.js').Child} Child */

/**
 * @template {string | number} K
 * @typedef {import('./slider_row.js').Axis<K>} Axis
 */

/**
 * @template {string | number} K
 * @typedef {object} RowOptions
 * @property {HTMLElement} root
 * @property {string} unit
 * @property {(sort: string) => Axis<K>[]} axes
 * @property {HTMLElement} [pinned] what stays in sight under the panel's head
 * @property {() => Child[]} [footer]
 * @property {() => Node | string} [emptyText]
 * @property {() => void} [onRefresh]
 */

/**
 * @template {string | number} K
 * @typedef {RowOptions<K> & import('./slider_head.js').HeadOptions & import('./slider_moves.js').Motion<K>
 *   } SliderPanelOptions
 */

const FEW = 16; // rows that are shown at first
const TOLERANCE = 0.004; // below which a slider need not be set again

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
    this.refreshFrame = 0;
    this.builtView = '';
    this.moves = this.#createMoves();

    this.list = h('div', { class: 'rows', role: 'group', 'aria-label': options.title });
    this.detailBox = h('div', { class: 'detail' });
    this.footer = h('div', { class: 'foot' });
    this.search = this.#createSearch();
    this.showAll = button('', 'Show all', () => setView({ all: !state.view.all }), { class: 'link' });
    const head = createHead(options, {
      onRandomise: () => this.moves.randomise(options.axes(this.sort).map(({ key }) => key)),
      onReset: () => this.moves.reset(),
    });
    const top = h('div', { class: 'top' }, head, options.pinned);
    setChildren(options.root, top, this.search, this.detailBox, this.list, this.showAll, this.footer);
    this.#listen();
  }

  #createMoves() {
    return new SliderMoves(this.options, {
      labelOf: (key) => this.axes.get(key)?.label ?? '',
      showValue: (key, value) => this.#showValue(key, value),
      showPlaying: (key, playing) => {
        for (const row of this.#shownRows(key)) if (row instanceof SliderRow) row.setPlaying(playing);
      },
      onEnd: () => this.#scheduleRefresh(),
    });
  }

  #listen() {
    const { root } = this.options;
    this.build = whenShown(root, 'facts', () => this.#build());
    whenShown(root, 'z face', () => this.#scheduleRefresh());
    whenShown(root, 'view', () => {
      if (this.#viewKey() !== this.builtView) this.#build();
    });
    on('shown', () => this.refresh());
    on('face', () => this.moves.forget());
    on('locks', () => this.#showLocks());
    this.list.addEventListener('focusin', (event) => {
      for (const row of this.rows.values()) {
        if (row instanceof SliderRow) row.setReachable(row.element.contains(/** @type {Node} */ (event.target)));
      }
    });
    const cells = () => [...this.rows.values()].filter((row) => row instanceof Cell);
    listenToWall(this.list, cells, {
      onMove: (cell, value) => this.moves.moveBy(/** @type {K} */ (cell.axis.key), value),
      onFinish: () => this.moves.finish(),
      onCancel: () => this.moves.cancel(),
      onZero: (cell) => this.moves.zero(/** @type {K} */ (cell.axis.key)),
      onActive: (cell) => this.#activate(/** @type {K} */ (cell.axis.key)),
    });
  }

  get walled() {
    return Boolean(this.options.wall && state.view.wall);
  }

  get sort() {
    return chosenSort(this.options);
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

  // ---- Rows

  #viewKey() {
    const { range, all, sensitive } = state.view;
    return `${range} ${all} ${sensitive} ${this.sort} ${this.walled}`;
  }

  #build() {
    const { axes, root } = this.options;
    this.moves.stop();
    this.builtView = this.#viewKey();
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
    this.#fillFooter();
    this.refresh();
    this.#showLocks();
  }

  /** Elements that stay keep the focus. */
  #fillFooter() {
    const focused = document.activeElement;
    setChildren(this.footer, ...(this.options.footer?.() ?? []));
    if (focused instanceof HTMLElement && this.footer.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** @param {Axis<K>} axis */
  #createItem(axis) {
    return this.walled ? new Cell(axis, state.view.range) : this.#createRow(axis);
  }

  /**
   * @param {Axis<K>} axis
   * @param {string} [prefix] of the identifiers
   */
  #createRow(axis, prefix = '') {
    const { key, label } = axis;
    const { moves } = this;
    const { panel, unit } = this.options;
    const id = `${panel}-${prefix}${String(key).replace(/\W/g, '_')}`;
    return new SliderRow(
      axis,
      { id, limit: state.view.range, unit },
      {
        onMove: (value) => moves.moveBy(key, value),
        onFinish: () => moves.finish(label),
        onCancel: () => moves.cancel(),
        onLock: () => toggleLock(panel, key),
        onReset: () => moves.set(key, moves.valueOf(key, state.original.z)),
        onRandomise: () => moves.set(key, state.view.truncation * randomNormal()),
        onAnimate: () => moves.toggleAnimation(key),
        onSheet: () => this.#openSheet(key, label),
        onPeek: (looked) => this.#peek(key, label, looked),
      },
    );
  }

  /**
   * The face of now at a value of an axis.
   * @param {K} key
   * @param {number} value
   */
  #faceAt(key, value) {
    return this.options.move(state.z, new Map([[key, value]]));
  }

  /**
   * @param {K} key
   * @param {string} label
   */
  #openSheet(key, label) {
    return openSheet(label, (value) => this.#faceAt(key, value), (value) => {
      if (this.moves.moveBy(key, value)) this.moves.finish(label);
    });
  }

  /**
   * @param {K} key
   * @param {string} label
   * @param {boolean} looked
   */
  #peek(key, label, looked) {
    if (!looked) {
      hideHeat();
      return;
    }
    const value = this.moves.valueOf(key);
    showHeat(label, (by) => this.#faceAt(key, value + by)).catch(console.debug); // a locked axis has no such faces
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
    this.moves.stop();
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
    this.detail.setLocked(this.moves.locked.has(key));
  }

  /** @param {number} count of axes before the filter */
  #emptyText(count) {
    if (this.filter && count) return `No name contains “${this.filter}”.`;
    return this.options.emptyText?.() ?? 'Measuring the space…';
  }

  /** Builds when no slider has the focus, which must not vanish while it is used. What stands below keeps it. */
  rebuild() {
    const { root } = this.options;
    const focused = document.activeElement;
    if (this.rows.size && root.contains(focused) && !this.footer.contains(focused)) {
      root.addEventListener('focusout', () => setTimeout(() => this.rebuild()), { once: true });
      return;
    }
    this.build();
  }

  /**
   * Shows that the server works on an axis.
   * @param {K} key
   * @param {boolean} busy
   */
  showBusy(key, busy) {
    for (const row of this.#shownRows(key)) row.element.setAttribute('aria-busy', String(busy));
  }

  // ---- Values

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
        if (!this.moves.base || (differs && !row.focused)) row.setValue(value);
      }
    }
    onRefresh?.();
  }

  #showLocks() {
    const { locked } = this.moves;
    for (const key of this.rows.keys()) for (const row of this.#shownRows(key)) row.setLocked(locked.has(key));
  }
}
