// Numbers as text, and elements.

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A whole number with separators. */
export const whole = (value) => WHOLE.format(value);

/** A number of an axis: 1,000 is 1K. Small ones as they are. */
export const compact = (value) => (Math.abs(value) < 1 ? digits(value, 3) : COMPACT.format(value));

/** A number with so many significant digits, without an exponent where it is readable. */
export function digits(value, count = 4) {
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e12)) {
    return value.toExponential(count - 1);
  }
  return new Intl.NumberFormat("en", { maximumSignificantDigits: count }).format(value);
}

export const percent = (share) => `${(100 * share).toFixed(1)}%`;

/** Seconds in the unit that suits them. */
export function duration(seconds) {
  if (seconds >= 1) return `${digits(seconds)} s`;
  return seconds >= 1e-3 ? `${digits(seconds * 1e3)} ms` : `${digits(seconds * 1e6)} µs`;
}

export const millijoules = (femtojoules) => femtojoules / 1e12;

/** Femtojoules in the unit that suits them. */
export function energy(femtojoules) {
  if (femtojoules >= 1e10) return `${digits(millijoules(femtojoules))} mJ`;
  return `${digits(femtojoules / 1e9)} µJ`;
}

/** Bytes in decimal units. */
export function bytes(value) {
  if (value >= 1e9) return `${digits(value / 1e9)} GB`;
  return value >= 1e6 ? `${digits(value / 1e6)} MB` : `${digits(value / 1e3)} KB`;
}

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; text is inserted as text. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** An SVG element with attributes. */
export function drawn(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}
