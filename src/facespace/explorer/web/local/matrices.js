// @ts-check
/** Linear algebra on row-major float64 arrays, for what a page fits itself. Pure functions. */

/**
 * The inverse of a matrix (N, N) by Gauss-Jordan elimination with pivots. Throws an Error for a singular one.
 * @param {ArrayLike<number>} matrix
 * @param {number} size
 */
export function inverse(matrix, size) {
  const left = Float64Array.from(matrix);
  const right = new Float64Array(size * size);
  for (let i = 0; i < size; i++) right[i * size + i] = 1;
  for (let column = 0; column < size; column++) {
    const pivot = pivotOf(left, size, column);
    for (const values of [left, right]) {
      swapRows(values, size, column, pivot);
    }
    const scale = left[column * size + column];
    for (const values of [left, right]) {
      for (let i = column * size; i < (column + 1) * size; i++) values[i] /= scale;
    }
    for (let row = 0; row < size; row++) {
      const factor = left[row * size + column];
      if (row === column || factor === 0) continue;
      for (const values of [left, right]) subtractRow(values, size, row, column, factor);
    }
  }
  return right;
}

/**
 * The row from `column` on with the largest number in that column.
 * @param {Float64Array} matrix
 * @param {number} size
 * @param {number} column
 */
function pivotOf(matrix, size, column) {
  let pivot = column;
  for (let row = column + 1; row < size; row++) {
    if (Math.abs(matrix[row * size + column]) > Math.abs(matrix[pivot * size + column])) pivot = row;
  }
  if (!(Math.abs(matrix[pivot * size + column]) > 1e-300)) throw new Error('A singular matrix has no inverse.');
  return pivot;
}

/**
 * @param {Float64Array} matrix
 * @param {number} size
 * @param {number} row
 * @param {number} other
 */
function swapRows(matrix, size, row, other) {
  if (row === other) return;
  const kept = matrix.slice(row * size, (row + 1) * size);
  matrix.copyWithin(row * size, other * size, (other + 1) * size);
  matrix.set(kept, other * size);
}

/**
 * Subtracts another row `factor` times.
 * @param {Float64Array} matrix
 * @param {number} size
 * @param {number} row
 * @param {number} other
 * @param {number} factor
 */
function subtractRow(matrix, size, row, other, factor) {
  for (let i = 0; i < size; i++) matrix[row * size + i] -= factor * matrix[other * size + i];
}

/**
 * The solution of a symmetric positive definite system (N, N) by Cholesky's decomposition.
 * @param {Float64Array} matrix which is changed
 * @param {Float64Array} right (N,)
 */
export function solvePositive(matrix, right) {
  const size = right.length;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column];
      for (let k = 0; k < column; k++) sum -= matrix[row * size + k] * matrix[column * size + k];
      matrix[row * size + column] = row === column ? Math.sqrt(sum) : sum / matrix[column * size + column];
    }
  }
  const x = Float64Array.from(right);
  for (let row = 0; row < size; row++) {
    for (let k = 0; k < row; k++) x[row] -= matrix[row * size + k] * x[k];
    x[row] /= matrix[row * size + row];
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let k = row + 1; k < size; k++) x[row] -= matrix[k * size + row] * x[k];
    x[row] /= matrix[row * size + row];
  }
  return x;
}

/**
 * A vector (N,) times a matrix (N, M), that is the sum of the matrix's rows by weights.
 * @param {ArrayLike<number>} weights
 * @param {ArrayLike<number>} matrix
 * @param {number} columns M
 */
export function rowTimes(weights, matrix, columns) {
  const sum = new Float64Array(columns);
  for (let row = 0; row < weights.length; row++) {
    for (let column = 0; column < columns; column++) sum[column] += weights[row] * matrix[row * columns + column];
  }
  return sum;
}

/**
 * A matrix (N, M) times a vector (M,).
 * @param {ArrayLike<number>} matrix
 * @param {ArrayLike<number>} vector
 */
export function timesColumn(matrix, vector) {
  const columns = vector.length;
  const result = new Float64Array(matrix.length / columns);
  for (let row = 0; row < result.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) sum += matrix[row * columns + column] * vector[column];
    result[row] = sum;
  }
  return result;
}

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
export function product(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
