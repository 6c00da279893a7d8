// Metadata in few bytes: JSON whose regular lists are progressions (docs/format.md).

const MARK = "~";
const LONGEST = 2 ** 21; // numbers of all progressions of a file
const LARGEST = 2 ** 53;
const MIDDLE = "N".charCodeAt(0);

function check(condition) {
  if (!condition) throw new RangeError("no progression");
}

function isNumber(value) {
  return typeof value === "number" && Math.abs(value) <= LARGEST;
}

/** The numbers that a progression stands for. */
function numbersOf([first, step, count, divisor = 1, mending = null, bytes = 8]) {
  check([first, step, divisor].every(isNumber) && divisor > 0);
  const isList = Array.isArray(mending);
  check(bytes === 8 || (bytes === 4 && isList));
  const values = Float64Array.from({ length: count }, (_, i) => first + i * step);
  check(values.every(isNumber));
  if (isList && !(bytes === 4 && mending.length === 0)) {
    check(mending.length === count - 2 && mending.every(Number.isInteger));
    let [slope, sum] = [0, 0];
    mending.forEach((difference, i) => {
      slope += difference;
      sum += slope;
      values[i + 2] += sum;
    });
    check(values.every(isNumber));
  }
  values.forEach((value, i) => (values[i] = value / divisor));
  if (typeof mending === "string") {
    check(mending.length === count && /^[\x00-\x7f]*$/.test(mending));
    const bits = new BigInt64Array(values.buffer);
    for (let i = 0; i < count; i++) bits[i] += BigInt(mending.charCodeAt(i) - MIDDLE);
  }
  if (bytes === 4) values.forEach((value, i) => (values[i] = Math.fround(value)));
  check(values.every(isNumber));
  return Array.from(values);
}

/**
 * The object of a text.
 * @throws {Error} It is none.
 */
export function unpacked(text) {
  let left = LONGEST;
  return JSON.parse(text, (_, value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    const names = Object.keys(value);
    if (!names.includes(MARK)) {
      return Object.fromEntries(names.map((name) =>
        [name.startsWith(MARK) ? name.slice(1) : name, value[name]]));
    }
    const told = value[MARK];
    check(names.length === 1 && Array.isArray(told) && told.length >= 3 && told.length <= 6);
    check(Number.isInteger(told[2]) && told[2] > 0 && (left -= told[2]) >= 0);
    return numbersOf(told);
  });
}
