// @ts-check
/** The start of a page in one file: takes the files that the page carries out of it, since a page that is opened from a
 * disk can load no file beside it. Its text stands before that of the other modules. */

(() => {
  /** @type {Record<string, Blob>} */
  const files = {};
  /** @type {NodeListOf<HTMLElement>} */
  const elements = document.querySelectorAll('script[data-file]');
  for (const element of elements) {
    const text = atob(element.textContent ?? '');
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    files[element.dataset.file ?? ''] = new Blob([bytes]);
    element.remove();
  }
  const { 'worker.js': worker, ...others } = files;
  const address = URL.createObjectURL(new Blob([worker], { type: 'text/javascript' }));
  /** @type {any} */ (globalThis).facespaceCarried = { worker: address, files: others };
})();
