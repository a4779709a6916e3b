// @ts-check
/* Figures that one can pull: a sheet of pictures, computed before, one for each position of one or two sliders. */

/** @typedef {{label: string, values: string[], start: number}} Slider */
/** @typedef {{image: string, tile: [number, number], sliders: Slider[], captions: string[], alt: string}} Sheet */

const SHARE = 100; // per cent
const ENLARGED = 2; // times the pixels of a tile, at most

/** @param {HTMLElement} figure */
function start(figure) {
  const source = figure.querySelector('script');
  if (!source) return;
  /** @type {Sheet} */
  const sheet = JSON.parse(source.textContent ?? '');
  const picture = make('div', { class: 'pull-picture', role: 'img' });
  const caption = make('p', { class: 'pull-caption', 'aria-live': 'polite' });
  const [width, height] = sheet.tile;
  picture.style.aspectRatio = `${width} / ${height}`;
  picture.style.maxWidth = `${ENLARGED * width}px`;
  picture.style.backgroundImage = `url("${sheet.image}")`;
  const places = sheet.sliders.map((slider) => slider.start);
  const counts = sheet.sliders.map((slider) => slider.values.length);
  const show = () => {
    const [column, row = 0] = places;
    const [columns, rows = 1] = counts;
    picture.style.backgroundSize = `${columns * SHARE}% ${rows * SHARE}%`;
    picture.style.backgroundPosition = `${offset(column, columns)}% ${offset(row, rows)}%`;
    caption.textContent = sheet.captions[row * columns + column];
    picture.setAttribute('aria-label', `${sheet.alt} ${caption.textContent}`);
  };
  const controls = sheet.sliders.map((slider, index) => control(slider, (place) => {
    places[index] = place;
    show();
  }));
  figure.replaceChildren(picture, ...controls, caption);
  show();
}

/**
 * A slider with its name and its value.
 * @param {Slider} slider
 * @param {(place: number) => void} onMove
 */
function control(slider, onMove) {
  const label = make('label', { class: 'pull-control' });
  const value = make('output', {});
  const input = make('input', { type: 'range', min: '0', max: `${slider.values.length - 1}`, step: '1' });
  if (!(input instanceof HTMLInputElement)) throw new Error('not an input');
  input.value = `${slider.start}`;
  const say = () => {
    value.textContent = slider.values[Number(input.value)];
    input.setAttribute('aria-valuetext', value.textContent);
  };
  input.addEventListener('input', () => {
    say();
    onMove(Number(input.value));
  });
  say();
  label.append(make('span', {}, slider.label), input, value);
  return label;
}

/**
 * The offset of a tile in per cent of what a background can move.
 * @param {number} place
 * @param {number} count
 */
const offset = (place, count) => (count > 1 ? (place / (count - 1)) * SHARE : 0);

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {string} [text]
 */
function make(tag, attributes, text = '') {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

for (const figure of document.querySelectorAll('figure.pull')) {
  if (figure instanceof HTMLElement) start(figure);
}
