// @ts-check
/** A wall of small upright sliders, all axes of a panel at once: a drag goes across several of them, as with the faders
 * of a mixing desk, and a double click sets one to zero. How much an axis changes is a shade behind its slider. */

import { h } from './dom.js';
import { clamp, fixed, signed } from './maths.js';
import { LARGEST } from './slider_row.js';

/** @typedef {import('./slider_row.js').Axis<string | number>} Axis */

const STEPS = /** @type {Record<string, number>} */ ({ ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 0.5, PageDown: -0.5 });
const DOUBLE_MS = 350;
const DENSITY = 6; // pixels between two places at which a fast drag is looked at

/** One slider of the wall; the same interface as SliderRow, as far as a panel uses it. */
export class Cell {
  /**
   * @param {Axis} axis
   * @param {number} limit
   */
  constructor(axis, limit) {
    this.axis = axis;
    this.limit = limit;
    this.value = 0;
    const name = axis.label.replace(/^\D+/, '');
    this.fader = h('span', { class: 'fader' });
    this.element = h(
      'div',
      {
        class: 'cell',
        role: 'slider',
        tabindex: -1,
        'aria-label': axis.label,
        'aria-orientation': 'vertical',
        'aria-valuemin': -limit,
        'aria-valuemax': limit,
        dataset: { tip: `${axis.label}. ${axis.tip}`, key: String(axis.key) },
      },
      this.fader,
      h('span', { class: 'name' }, name),
    );
    this.element.style.setProperty('--share', `${Math.round(100 * Math.sqrt(axis.share ?? 0))}%`);
  }

  get focused() {
    return false; // it has no state of its own while it is dragged
  }

  /** @param {number} value */
  setValue(value) {
    this.value = value;
    const { element, limit } = this;
    const place = 50 + 50 * clamp(value / limit, -1, 1);
    element.style.setProperty('--from', `${Math.min(50, place)}%`);
    element.style.setProperty('--to', `${Math.max(50, place)}%`);
    element.setAttribute('aria-valuenow', fixed(value));
    element.setAttribute('aria-valuetext', `${signed(value)}`);
  }

  /** @param {boolean} locked */
  setLocked(locked) {
    this.element.classList.toggle('locked', locked);
    this.element.setAttribute('aria-disabled', String(locked));
  }
}

/**
 * @typedef {object} WallActions
 * @property {(cell: Cell, value: number) => void} onMove
 * @property {() => void} onFinish
 * @property {(cell: Cell) => void} onZero the cell was clicked twice
 * @property {() => void} onCancel the drag was none: the browser scrolls instead
 * @property {(cell: Cell) => void} onActive the cell is the one that is worked on
 */

/**
 * Lets a wall's cells be dragged and moved by keys; one of them is a tab stop. Keys move while they are held, and a
 * step of the history ends with them.
 * @param {HTMLElement} wall
 * @param {() => Cell[]} cells
 * @param {WallActions} actions
 */
export function listenToWall(wall, cells, actions) {
  let held = false; // a key has moved a cell and is not released yet
  const cellOf = (/** @type {EventTarget | null} */ target) => {
    const element = target instanceof Element ? target.closest('.cell') : null;
    return cells().find((cell) => cell.element === element);
  };
  listenToDrags(wall, cellOf, cells, actions);
  wall.addEventListener('focusin', (event) => {
    const cell = cellOf(event.target);
    if (cell) actions.onActive(cell);
  });
  wall.addEventListener('keydown', (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.ctrlKey || event.metaKey) return;
    const step = STEPS[event.key];
    const zero = event.key === 'Delete' || event.key === 'Backspace';
    if (step || zero) {
      const by = event.altKey ? step / 10 : step;
      actions.onMove(cell, zero ? 0 : clamp(cell.value + by, -LARGEST, LARGEST));
      held = true;
    } else if (!focusBeside(cells(), cell, event.key)) return;
    event.preventDefault();
  });
  for (const type of ['keyup', 'focusout']) {
    wall.addEventListener(type, () => {
      if (held) actions.onFinish();
      held = false;
    });
  }
}

/**
 * Returns whether the key leads to another cell.
 * @param {Cell[]} cells
 * @param {Cell} cell
 * @param {string} key
 */
function focusBeside(cells, cell, key) {
  const index = cells.indexOf(cell);
  const places = /** @type {Record<string, number>} */ ({
    ArrowLeft: index - 1,
    ArrowRight: index + 1,
    Home: 0,
    End: cells.length - 1,
  });
  const next = cells[places[key]];
  next?.element.focus();
  return Boolean(next);
}

/**
 * @param {HTMLElement} wall
 * @param {(target: EventTarget | null) => Cell | undefined} cellOf
 * @param {() => Cell[]} cells
 * @param {WallActions} actions
 */
function listenToDrags(wall, cellOf, cells, actions) {
  /** The cells of the row that a drag began in, measured then: later the layout is stale at every move. */
  /** @type {{cell: Cell, box: DOMRect}[]} */
  let row = [];
  let last = { x: 0, y: 0 };
  let clicked = { time: 0, key: '' };
  const moveTo = (/** @type {{x: number, y: number}} */ place) => {
    for (const [cell, value] of valuesAlong(row, last, place)) actions.onMove(cell, value);
    last = place;
  };
  wall.addEventListener('pointerdown', (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.button) return;
    event.preventDefault();
    wall.setPointerCapture(event.pointerId);
    cell.element.focus({ preventScroll: true });
    actions.onActive(cell);
    const key = cell.element.dataset.key ?? '';
    const double = key === clicked.key && event.timeStamp - clicked.time < DOUBLE_MS;
    clicked = { time: double ? 0 : event.timeStamp, key };
    if (double) {
      actions.onZero(cell);
      return;
    }
    const { top } = cell.fader.getBoundingClientRect();
    const faders = cells().map((one) => ({ cell: one, box: one.fader.getBoundingClientRect() }));
    row = faders.filter(({ box }) => Math.abs(box.top - top) < 1);
    last = { x: event.clientX, y: event.clientY };
    moveTo(last);
  });
  wall.addEventListener('pointermove', (event) => {
    if (row.length) moveTo({ x: event.clientX, y: event.clientY });
  });
  wall.addEventListener('pointerup', () => {
    if (row.length) actions.onFinish();
    row = [];
  });
  wall.addEventListener('pointercancel', () => {
    if (row.length) actions.onCancel();
    row = [];
  });
}

/**
 * The values of the cells that a drag has crossed, the last one of each.
 * @param {{cell: Cell, box: DOMRect}[]} row of faders
 * @param {{x: number, y: number}} from
 * @param {{x: number, y: number}} to
 */
function valuesAlong(row, from, to) {
  /** @type {Map<Cell, number>} */
  const values = new Map();
  const count = Math.max(1, Math.ceil(Math.abs(to.x - from.x) / DENSITY));
  for (let i = 1; i <= count; i++) {
    const x = from.x + ((to.x - from.x) * i) / count;
    const y = from.y + ((to.y - from.y) * i) / count;
    const found = row.find(({ box }) => x >= box.left && x < box.right);
    if (!found) continue;
    const { cell, box } = found;
    const share = clamp(1 - (y - box.top) / box.height, 0, 1);
    values.set(cell, Math.round(100 * (2 * share - 1) * cell.limit) / 100);
  }
  return values;
}
