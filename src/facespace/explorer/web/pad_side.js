// @ts-check
/** The controls of one axis of the pad: its direction, its typed value, its lock, and its name in the square. */

import { h, icon, setChildren } from './dom.js';
import { onTyped } from './fields.js';

/** @typedef {import('./pad_axes.js').PadAxis} PadAxis */
/** @typedef {{onChoose: (key: string) => void, onTyped: (value: number) => void}} SideActions */

export const LARGEST = 20; // standard deviations that can be typed
const STEP = 0.1;
const TIP = 'In standard deviations (σ); type any number.';

export class PadSide {
  /**
   * @param {string} name Across or Up
   * @param {string} arrow
   * @param {SideActions} actions
   */
  constructor(name, arrow, { onChoose, onTyped: use }) {
    this.arrow = arrow;
    this.value = 0;
    this.typing = false;
    this.select = h('select', { 'aria-label': `Direction ${name.toLowerCase()}` });
    this.select.addEventListener('change', () => onChoose(this.select.value));
    const range = { min: -LARGEST, max: LARGEST, step: STEP };
    this.number = h('input', { type: 'number', ...range, class: 'typed', dataset: { tip: TIP } });
    this.#listenToTyping(use);
    this.lock = h('span', { class: 'lock', role: 'img', 'aria-label': 'locked', hidden: true }, icon('lock'));
    this.edge = h('span', { class: `edge ${name.toLowerCase()}`, 'aria-hidden': 'true' });
    const title = h('span', { 'aria-hidden': 'true' }, name);
    this.line = h('div', { class: 'pad-line' }, title, this.select, this.lock, this.number);
  }

  /** @param {(value: number) => void} use */
  #listenToTyping(use) {
    const { number } = this;
    number.addEventListener('input', () => {
      this.typing = true;
    });
    for (const type of ['change', 'blur']) {
      number.addEventListener(type, () => {
        this.typing = false;
      });
    }
    onTyped(number, () => this.value, use);
  }

  /**
   * @param {PadAxis[]} axes to choose from
   * @param {PadAxis | undefined} axis the chosen one
   * @param {boolean} enabled
   */
  show(axes, axis, enabled) {
    this.#fill(axes);
    this.select.value = axis?.key ?? '';
    this.number.disabled = !enabled;
    this.number.setAttribute('aria-label', `${axis?.label ?? 'Value'}, typed`);
    this.lock.hidden = !axis?.locked;
    this.edge.hidden = !axis;
    this.edge.textContent = `${this.arrow} ${axis?.label ?? ''}`;
  }

  /**
   * Fills the choices, in groups, where they have changed.
   * @param {PadAxis[]} axes
   */
  #fill(axes) {
    const choices = axes.map(({ key }) => key).join();
    if (this.select.dataset.choices === choices) return;
    this.select.dataset.choices = choices;
    /** @type {Map<string, HTMLOptGroupElement>} */
    const groups = new Map();
    for (const { key, label, group } of axes) {
      const element = groups.get(group) ?? h('optgroup', { label: group });
      groups.set(group, element);
      element.append(h('option', { value: key }, label));
    }
    setChildren(this.select, [...groups.values()]);
  }

  /** @param {number} value */
  setValue(value) {
    this.value = value;
    if (!this.typing) this.number.value = value.toFixed(2);
  }
}
