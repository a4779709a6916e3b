// @ts-check
/** Tells when a slider is looked at and not moved: the pointer rests on its label or its handle, its label is held, or
 * the key H is held while it has the focus. */

const DELAY_MS = 600;
const REACH = 14; // pixels from the middle of a handle
const HALF_HANDLE = 9; // pixels
const KEY = 'h';

/**
 * @param {HTMLElement} label
 * @param {HTMLInputElement} slider
 * @param {(looked: boolean) => void} onPeek
 */
export function watchPeek(label, slider, onPeek) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let looked = false;
  const set = (/** @type {boolean} */ now) => {
    clearTimeout(timer);
    timer = undefined;
    if (looked !== now) onPeek(now);
    looked = now;
  };
  const end = () => set(false);
  const begin = () => {
    if (!looked) timer ??= setTimeout(() => set(true), DELAY_MS);
  };
  for (const type of ['pointerenter', 'pointerdown']) label.addEventListener(type, begin);
  for (const type of ['pointerleave', 'pointerup', 'pointercancel']) label.addEventListener(type, end);
  slider.addEventListener('pointermove', (event) => {
    const onHandle = event.buttons === 0 && Math.abs(event.clientX - handleOf(slider)) < REACH;
    if (onHandle) begin();
    else end();
  });
  for (const type of ['pointerdown', 'pointerleave', 'input', 'blur']) slider.addEventListener(type, end);
  slider.addEventListener('keydown', ({ key, ctrlKey, metaKey }) => {
    if (key.toLowerCase() === KEY && !ctrlKey && !metaKey) set(true);
    else end();
  });
  slider.addEventListener('keyup', end);
}

/**
 * Where the middle of a slider's handle is, in pixels of the window.
 * @param {HTMLInputElement} slider
 */
function handleOf(slider) {
  const { left, width } = slider.getBoundingClientRect();
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const share = (Number(slider.value) - low) / (high - low);
  return left + HALF_HANDLE + share * (width - 2 * HALF_HANDLE);
}
