// @ts-check
/** One tooltip for the whole page: shows the data-tip of the element under the pointer or with the keyboard focus. */

import { $, h } from './dom.js';

const DELAY_MS = 500; // for the pointer; the keyboard's focus shows it at once
const GAP = 8; // pixels between the tooltip, its element and the window's edge

/**
 * Places the tooltip below its element, or above where there is no room.
 * @param {HTMLElement} tooltip
 * @param {Element} owner
 */
function place(tooltip, owner) {
  const anchor = owner.getBoundingClientRect();
  const size = tooltip.getBoundingClientRect();
  const centred = anchor.left + anchor.width / 2 - size.width / 2;
  const left = Math.max(GAP, Math.min(centred, innerWidth - size.width - GAP));
  const fitsBelow = anchor.bottom + size.height + 12 < innerHeight;
  const above = Math.max(GAP, anchor.top - size.height - GAP);
  tooltip.style.left = `${left}px`;
  tooltip.style.top = `${fitsBelow ? anchor.bottom + GAP : above}px`;
}

export function startTooltips() {
  const tooltip = h('div', { class: 'tip', role: 'tooltip', id: 'tip', hidden: true });
  $('main').append(tooltip);
  /** @type {HTMLElement | null} */
  let owner = null;

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const hide = () => {
    clearTimeout(timer);
    tooltip.hidden = true;
    owner?.removeAttribute('aria-describedby');
    owner = null;
  };

  const show = (/** @type {Event} */ event) => {
    const target = event.target instanceof Element ? event.target : null;
    const element = /** @type {HTMLElement | null | undefined} */ (target?.closest('[data-tip]')) ?? null;
    if (element === owner) return;
    hide();
    if (!element) return;
    if (event.type === 'focusin' && !element.matches(':focus-visible')) return;
    owner = element;
    timer = setTimeout(
      () => {
        tooltip.textContent = element.dataset.tip ?? '';
        (element.closest('dialog') ?? $('main')).append(tooltip); // what lies outside of an open dialog is behind it
        tooltip.hidden = false;
        element.setAttribute('aria-describedby', 'tip');
        place(tooltip, element);
      },
      event.type === 'focusin' ? 0 : DELAY_MS,
    );
  };

  for (const type of ['pointerover', 'focusin']) document.addEventListener(type, show);
  for (const type of ['pointerdown', 'focusout', 'scroll']) document.addEventListener(type, hide, true);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
  });
}
