// @ts-check
/** Normal noise from a seed: the same on every computer, but not that of the server, whose generator is PyTorch's. */

const GOLDEN = 0x9e3779b9;
const TWO_TO_32 = 2 ** 32;

/**
 * The next states of splitmix32, which spreads a seed over the states of another generator.
 * @param {number} seed
 */
function spread(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + GOLDEN) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
}

/**
 * Uniform 32-bit numbers: sfc32 of Chris Doty-Humphrey's PractRand, for a seed and a stream.
 * @param {number} seed
 * @param {number} stream
 */
function generator(seed, stream) {
  const next = spread(seed);
  const [first, second] = [next(), next()];
  let [a, b, c, counter] = [first, second, spread(stream)(), 1];
  const draw = () => {
    const sum = (((a + b) >>> 0) + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + sum) >>> 0;
    return sum;
  };
  for (let i = 0; i < 12; i++) draw(); // until the seed has reached every bit
  return draw;
}

/**
 * `size` numbers from N(0, 1), by Box and Muller's transform (1958). A seed has a stream for each face, so that the
 * first faces of many are those of a few.
 * @param {number} size
 * @param {number} seed whole, from 0 to 2^32 − 1
 * @param {number} stream
 */
export function normalNoise(size, seed, stream) {
  const draw = generator(seed, stream);
  const noise = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((draw() + 1) / TWO_TO_32)); // of (0, 1]
    const angle = (2 * Math.PI * draw()) / TWO_TO_32;
    noise[i] = radius * Math.cos(angle);
    if (i + 1 < size) noise[i + 1] = radius * Math.sin(angle);
  }
  return noise;
}
