// @ts-check
/** Small helpers for the page: elements, icons, tips, tabs, dialogs, sentences. Knows nothing of faces. */

/** @param {string} selector @param {ParentNode} [root] @returns {any} */
export const $ = (selector, root = document) => root.querySelector(selector);

/** One element. `props`: on… are listeners, class, dataset, and properties or attributes by name.
 * @param {string} tag @param {Record<string, any>} [props] @param {...any} children @returns {any} */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else if (name === 'class') el.className = value;
    else if (name === 'dataset') Object.assign(el.dataset, value);
    else if (name in el && typeof value !== 'string') el[name] = value;
    else el.setAttribute(name, value);
  }
  el.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return el;
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

/** Takes the icons into the page, so that they stay when the server goes. */
export async function loadIcons() {
  const text = await (await fetch('icons.svg')).text(), sheet = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  sheet.setAttribute('class', 'unseen');
  sheet.setAttribute('aria-hidden', 'true');
  document.body.append(document.importNode(sheet, true));
}

/** A button with an icon, and words that are seen or, with `quiet`, only read aloud and shown on hover.
 * @param {string} name @param {string} words @param {(event: any) => void} onclick
 * @param {Record<string, any> & {quiet?: boolean}} [props] */
export function button(name, words, onclick, props = {}) {
  const { quiet, class: extra = '', ...rest } = props;
  const el = h('button', { type: 'button', onclick, class: `button ${quiet ? 'quiet' : ''} ${extra}`, ...rest }, name ? icon(name) : null, quiet ? null : h('span', {}, words));
  if (quiet) {
    el.setAttribute('aria-label', words);
    if (!el.dataset.tip) el.dataset.tip = words;
  }
  return el;
}

/** Replaces what an element holds. @param {Element} el @param {...any} children */
export function fill(el, ...children) {
  el.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** A sentence that a screen reader says. @param {string} text */
export const announce = (text) => { $('#said').textContent = text; };

/** A sentence that is shown for a while. @param {string} text @param {'note' | 'error'} [kind] */
export function toast(text, kind = 'note') {
  const box = h('div', { class: `toast ${kind}` }, h('span', {}, text), button('close', 'Close', () => box.remove(), { quiet: true }));
  $('#toasts').append(box);
  while ($('#toasts').children.length > 3) $('#toasts').firstChild.remove();
  setTimeout(() => box.remove(), kind === 'error' ? 14000 : 5000);
}

/** Runs work and shows its error as a sentence. @template T @param {() => Promise<T>} work @returns {Promise<T | undefined>} */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), 'error');
    return undefined;
  }
}

/** Gives the person a file. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = h('a', { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A tab list over panels; arrow keys move. @param {string} list @param {[string, string][]} tabs id and words
 * @param {(id: string) => void} chosen @returns {(id: string) => void} shows a panel */
export function tabs(list, tabs, chosen) {
  const bar = $(list);
  const show = (/** @type {string} */ id) => {
    for (const [other] of tabs) {
      const on = other === id;
      $(`#tab-${other}`).setAttribute('aria-selected', String(on));
      $(`#tab-${other}`).tabIndex = on ? 0 : -1;
      $(`#${other}`).hidden = !on;
    }
    chosen(id);
  };
  for (const [id, words] of tabs) {
    bar.append(h('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': id, onclick: () => show(id) }, words));
    const panel = $(`#${id}`);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', `tab-${id}`);
  }
  bar.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = tabs.findIndex(([id]) => document.activeElement?.id === `tab-${id}`);
    if (!step || at < 0) return;
    const [next] = tabs[(at + step + tabs.length) % tabs.length];
    show(next);
    $(`#tab-${next}`).focus();
    event.preventDefault();
  });
  return show;
}

/** A modal dialog with a heading. @param {string} title @param {...any} content */
export function dialog(title, ...content) {
  const close = () => { box.close(); };
  const box = h('dialog', { class: 'dialog', 'aria-label': title, onclose: () => box.remove() },
    h('div', { class: 'dialog-head' }, h('h2', {}, title), button('close', 'Close', close, { quiet: true })), ...content);
  document.body.append(box);
  box.showModal();
  return box;
}

/** What every number and control says of itself on hover and on focus: the data-tip of the element, in one bubble. */
export function startTips() {
  const bubble = h('div', { class: 'tip', role: 'tooltip', id: 'tip', hidden: true });
  document.body.append(bubble);
  /** @type {any} */
  let owner = null;
  const hide = () => { bubble.hidden = true; owner?.removeAttribute('aria-describedby'); owner = null; };
  const show = (/** @type {any} */ event) => {
    const el = event.target instanceof Element ? event.target.closest('[data-tip]') : null;
    if (el === owner) return;
    hide();
    if (!el || (event.type === 'focusin' && !el.matches(':focus-visible'))) return;
    owner = el;
    bubble.textContent = el.dataset.tip;
    bubble.hidden = false;
    el.setAttribute('aria-describedby', 'tip');
    const at = el.getBoundingClientRect(), size = bubble.getBoundingClientRect();
    const below = at.bottom + size.height + 12 < innerHeight;
    bubble.style.left = `${Math.max(8, Math.min(at.left + at.width / 2 - size.width / 2, innerWidth - size.width - 8))}px`;
    bubble.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - size.height - 8)}px`;
  };
  for (const type of ['pointerover', 'focusin']) document.addEventListener(type, show);
  for (const type of ['pointerdown', 'focusout', 'scroll']) document.addEventListener(type, hide, true);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
}

/** Whether the person asked for less motion. */
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
