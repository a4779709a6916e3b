// @ts-check
/** One tab stop for a group of controls: arrow keys go from one to the next. */

const STEPS = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 });

/**
 * Keeps one button of a group, whose content may change, a tab stop: the last that had the focus, else the current one.
 * @param {HTMLElement} group
 */
export function roving(group) {
  const buttons = () => /** @type {HTMLElement[]} */ ([...group.querySelectorAll('button')]);
  const reach = (/** @type {HTMLElement | undefined} */ chosen) => {
    for (const element of buttons()) element.tabIndex = element === chosen ? 0 : -1;
  };
  const reachOne = () => {
    const all = buttons();
    const current = all.find((element) => element.matches('[aria-current], [aria-pressed="true"]'));
    reach(all.find((element) => element === document.activeElement) ?? current ?? all[0]);
  };
  new MutationObserver(reachOne).observe(group, { childList: true });
  reachOne();
  group.addEventListener('focusin', ({ target }) => {
    if (target instanceof HTMLButtonElement) reach(target);
  });
  group.addEventListener('keydown', (event) => {
    const all = buttons();
    const index = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const step = STEPS[event.key];
    if (!step || index < 0) return;
    event.preventDefault();
    all[(index + step + all.length) % all.length].focus();
  });
}
