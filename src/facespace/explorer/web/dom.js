// @ts-check
/** Helpers for the page: elements, icons, buttons, dialogs and notices. Knows nothing of faces. */

import { keepFocus } from './focus.js';

/** @typedef {import('./types.js').Child} Child */
/** @typedef {import('./types.js').Leaf} Leaf */

const TOASTS = 3;
const NOTE_MS = 5000;
const ERROR_MS = 14000;

/**
 * The element of a selector, or null.
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const find = (selector) => document.querySelector(selector);

/**
 * The element of a selector. Throws where there is none.
 * @param {string} selector
 */
export function $(selector) {
  const found = find(selector);
  if (!found) throw new Error(`The page has no element ${selector}.`);
  return found;
}

/** @param {Child[]} children */
function flatten(children) {
  const leaves = /** @type {Leaf[]} */ (children.flat(Infinity));
  return leaves.filter((leaf) => leaf !== null && leaf !== undefined && leaf !== false);
}

/**
 * Sets one property: `on…` is a listener, `class`, `dataset`, else a property or an attribute by its name.
 * @param {HTMLElement} element
 * @param {string} name
 * @param {any} value
 */
function setProperty(element, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name === 'class') element.className = value;
  else if (name === 'dataset') Object.assign(element.dataset, value);
  else if (name in element && typeof value !== 'string') Object.assign(element, { [name]: value });
  else element.setAttribute(name, value);
}

/**
 * Creates an element; see setProperty for `props`.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [props]
 * @param {...Child} children
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProperty(element, name, value);
  element.append(...flatten(children));
  return element;
}

/**
 * Replaces the children of an element. The focus stays in it.
 * @param {Element} element
 * @param {...Child} children
 */
export function setChildren(element, ...children) {
  keepFocus(element, () => element.replaceChildren(...flatten(children)));
}

/**
 * The options of a select, from pairs of value and text.
 * @param {[string, string][]} choices
 */
export function options(choices) {
  return choices.map(([value, text]) => h('option', { value }, text));
}

/**
 * Sets a toggle button's state for screen readers and CSS.
 * @param {Element} element
 * @param {boolean} pressed
 */
export function setPressed(element, pressed) {
  element.setAttribute('aria-pressed', String(pressed));
}

/**
 * Says whether a button does anything now. It keeps the focus, which a disabled one would lose.
 * @param {Element} element
 * @param {boolean} available
 */
export function setAvailable(element, available) {
  element.setAttribute('aria-disabled', String(!available));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function context2d(canvas, settings) {
  const context = canvas.getContext('2d', settings);
  if (!context) throw new Error('This browser cannot draw on a canvas.');
  return context;
}

/** @param {string} name an icon of icons.svg */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/** Copies the icons into the page, so that they stay when the server stops. A static page holds them already. */
export async function loadIcons() {
  if (find('#icon-close')) return;
  const response = await fetch('icons.svg');
  const text = await response.text();
  const icons = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  icons.setAttribute('class', 'visually-hidden');
  icons.setAttribute('aria-hidden', 'true');
  document.body.append(document.importNode(icons, true));
}

/**
 * A button with an icon and a label. With `quiet`, the label is only read aloud and shown on hover; with `once`, it
 * is busy until the promise of its handler ends, and further clicks do nothing.
 * @param {string} iconName
 * @param {string} label
 * @param {(event: Event) => void | Promise<void>} onclick
 * @param {Record<string, any> & {quiet?: boolean, once?: boolean}} [props]
 */
export function button(iconName, label, onclick, props = {}) {
  const { quiet, once, class: extra = '', ...rest } = props;
  const className = `button ${quiet ? 'quiet' : ''} ${extra}`;
  const handle = once ? busyHandler(onclick) : onclick;
  const element = h('button', { type: 'button', onclick: handle, class: className, ...rest });
  if (iconName) element.append(icon(iconName));
  if (!quiet) {
    element.append(h('span', {}, label));
    return element;
  }
  element.setAttribute('aria-label', label);
  if (!element.dataset.tip) element.dataset.tip = label;
  return element;
}

/**
 * A handler that does nothing while the element is busy. It keeps the focus, which a disabled one would lose.
 * @param {(event: Event) => void | Promise<void>} work
 */
function busyHandler(work) {
  return async (/** @type {Event} */ event) => {
    const element = event.currentTarget;
    if (!(element instanceof HTMLElement) || element.getAttribute('aria-busy') === 'true') return;
    element.setAttribute('aria-busy', 'true');
    element.setAttribute('aria-disabled', 'true');
    try {
      await work(event);
    } finally {
      element.removeAttribute('aria-busy');
      element.removeAttribute('aria-disabled');
    }
  };
}

/**
 * Has a screen reader say a sentence.
 * @param {string} text
 */
export function announce(text) {
  $('#announcer').textContent = text;
}

/**
 * Shows a sentence for a while.
 * @param {string} text
 * @param {'note' | 'error'} [kind]
 */
export function toast(text, kind = 'note') {
  const close = button('close', 'Close', () => box.remove(), { quiet: true });
  const box = h('div', { class: `toast ${kind}` }, h('span', {}, text), close);
  const list = $('#toasts');
  for (const shown of [...list.children]) if (shown.textContent === box.textContent) shown.remove();
  list.append(box);
  while (list.children.length > TOASTS) list.firstElementChild?.remove();
  setTimeout(() => box.remove(), kind === 'error' ? ERROR_MS : NOTE_MS);
}

/**
 * Whether work was ended since its result is of no use any more.
 * @param {unknown} error
 */
export const isAborted = (error) => error instanceof DOMException && error.name === 'AbortError';

/**
 * Runs work and shows its error as a toast; the result is then undefined. Aborted work says nothing.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T | undefined>}
 */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!isAborted(error)) toast(error instanceof Error ? error.message : String(error), 'error');
    return undefined;
  }
}

/**
 * Saves a file through the browser.
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/**
 * Opens a modal dialog with a heading.
 * @param {string} title
 * @param {...Child} content
 */
export function dialog(title, ...content) {
  const close = button('close', 'Close', () => box.close(), { quiet: true });
  const head = h('div', { class: 'dialog-head' }, h('h2', {}, title), close);
  const props = { class: 'dialog', 'aria-label': title, onclose: () => box.remove() };
  const box = h('dialog', props, head, ...content);
  document.body.append(box);
  box.showModal();
  return box;
}

/** Whether the user asked for less motion. */
export const prefersReducedMotion = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
