// @ts-check
/** The start of a page in one file: makes addresses in memory of the modules and the files that the page carries, since
 * a page that is opened from a disk can load no file beside it, and starts the page's first module. */

(() => {
  /** @param {string} id */
  const textOf = (id) => document.getElementById(id)?.textContent ?? '';

  /** @param {string} base64 */
  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  /** Modules in an order in which each one comes after those that it imports. @type {[string, string][]} */
  const modules = JSON.parse(textOf('facespace-modules'));
  /** @type {Record<string, string>} */
  const addresses = {};
  for (const [name, source] of modules) {
    const text = source.replace(/(['"])facespace:([^'"]+)\1/g, (_, quote, other) => quote + addresses[other] + quote);
    addresses[name] = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  }
  /** @type {Record<string, Blob>} */
  const files = {};
  for (const element of document.querySelectorAll('script[data-file]')) {
    files[/** @type {HTMLElement} */ (element).dataset.file ?? ''] = new Blob([bytesOf(element.textContent ?? '')]);
    element.remove();
  }
  /** @type {any} */ (globalThis).facespaceCarried = {
    worker: addresses['local/worker.js'],
    runtime: addresses['runtime'],
    files,
  };
  import(addresses['main.js']);
})();
