// @ts-check
/** A swipe that scrolls the page may begin on a slider, which the browser has then moved already: it goes back. */

/** Watches all sliders of the page. */
export function undoSwipes() {
  /** @type {{slider: HTMLInputElement, value: string} | null} */
  let held = null;
  document.addEventListener(
    'pointerdown',
    ({ target }) => {
      const slider = target instanceof HTMLInputElement && target.type === 'range' ? target : null;
      held = slider && { slider, value: slider.value };
    },
    true,
  );
  document.addEventListener('pointercancel', () => {
    if (!held) return;
    const { slider, value } = held;
    held = null;
    const undone = new Event('swiped', { bubbles: true, cancelable: true });
    if (!slider.dispatchEvent(undone)) return; // it has its own way back
    slider.value = value;
    for (const type of ['input', 'change']) slider.dispatchEvent(new Event(type, { bubbles: true }));
  });
}
