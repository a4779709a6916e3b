// @ts-check
/* What the theme adds to a page without names of its own: each landmark gets one that no other has, and what scrolls
   sideways is reached by the keyboard. */

/** @param {string} selector @param {string} attribute @param {string} value */
function complete(selector, attribute, value) {
  for (const element of document.querySelectorAll(`${selector}:not([${attribute}])`)) {
    element.setAttribute(attribute, value);
  }
}

/** @param {Element} landmark */
function nameOf(landmark) {
  const label = document.getElementById(landmark.getAttribute("aria-labelledby") ?? "");
  return landmark.getAttribute("aria-label") ?? label?.textContent?.trim() ?? "Copy the code";
}

/** Names of landmarks so far, with how many have each. @type {Map<string, number>} */
const names = new Map();

function nameLandmarks() {
  for (const landmark of document.querySelectorAll("nav:not([data-named])")) {
    const name = nameOf(landmark);
    const count = (names.get(name) ?? 0) + 1;
    names.set(name, count);
    landmark.removeAttribute("aria-labelledby");
    landmark.setAttribute("aria-label", count > 1 ? `${name} ${count}` : name);
    landmark.setAttribute("data-named", "");
  }
}

function completeAll() {
  complete(".md-search[role=dialog]", "aria-label", "Search");
  complete(".md-typeset__scrollwrap", "tabindex", "0");
  complete(".md-typeset div.formula", "tabindex", "0");
  nameLandmarks();
}

/* The front page's picture becomes the page of the spaces when asked for: some ten megabytes come with it. A page that
   was opened from a disk may not load them. */
/** @param {HTMLElement} figure */
function playable(figure) {
  const button = figure.querySelector("button");
  const link = figure.querySelector("a");
  if (!button || !link || location.protocol === "file:") return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const frame = document.createElement("iframe");
    frame.src = link.href;
    frame.title = "The spaces that come with facespace";
    link.replaceWith(frame);
    button.remove();
    frame.focus();
  });
}

completeAll();
for (const figure of document.querySelectorAll("figure.play")) playable(/** @type {HTMLElement} */ (figure));
new MutationObserver(completeAll).observe(document.body, { childList: true, subtree: true });
