// @ts-check
/** The keyboard's focus while parts of the page are made anew: it goes to what has taken the place of the element that
 * had it, since a person who works by keys would else start from the top of the page. */

const FOCUSABLE = 'a[href], button, input, select, summary, [tabindex]';

/**
 * The elements of a part that can have the focus, in the order of the page.
 * @param {Element} part
 */
function focusables(part) {
  const all = /** @type {HTMLElement[]} */ ([...part.querySelectorAll(FOCUSABLE)]);
  return all.filter((element) => !element.matches(':disabled') && !element.closest('[hidden]'));
}

/**
 * What takes the place of an element that is gone: what has its `data-focus` or its id, else what is as far from the
 * start, else the last. None where nothing is left.
 * @param {Element} part
 * @param {HTMLElement} gone
 * @param {number} index among the focusables
 * @returns {HTMLElement | undefined}
 */
function successor(part, gone, index) {
  const present = focusables(part);
  const { focus } = gone.dataset;
  const same = present.find(({ id, dataset }) => (focus && dataset.focus === focus) || (gone.id && id === gone.id));
  return same ?? present[Math.min(index, present.length - 1)];
}

/**
 * Changes a part of the page. Where it had the focus, it has it afterwards.
 * @param {Element} part
 * @param {() => void} change
 */
export function keepFocus(part, change) {
  const focused = document.activeElement;
  if (!(focused instanceof HTMLElement) || focused === part || !part.contains(focused)) {
    change();
    return;
  }
  const index = focusables(part).indexOf(focused);
  change();
  const next = part.contains(focused) ? focused : successor(part, focused, index);
  next?.focus({ preventScroll: true });
}
