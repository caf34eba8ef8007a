// Scatter plots with logarithmic axes. Pointer and arrow keys reach the points.

import { compact, drawn, element } from "./text.js";

const MARGIN = { left: 62, right: 14, top: 12, bottom: 46 };
const REACH = 28; // pixels from the pointer to a point
const MANTISSAS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]];
const shown = new WeakMap(); // what each container draws

/** The ticks of a logarithmic axis: about `most`, at plain numbers. */
export function ticks(low, high, most) {
  const decades = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    decades.push(power);
  }
  for (const mantissas of MANTISSAS) {
    const found = decades
      .flatMap((power) => mantissas.map((mantissa) => Number(`${mantissa}e${power}`)))
      .filter((value) => value >= low && value <= high);
    if (found.length >= Math.min(3, most)) {
      const step = Math.ceil(found.length / most);
      return found.filter((_, index) => index % step === 0);
    }
  }
  const rough = (high - low) / most;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const found = [];
  for (let number = Math.ceil(low / step); number * step <= high; number++) {
    found.push(Number((number * step).toPrecision(12)));
  }
  return found;
}

function scale(values, start, stop) {
  const low = Math.min(...values) / 1.15;
  const high = Math.max(...values) * 1.15;
  const ratio = (stop - start) / Math.log(high / low);
  return { low, high, at: (value) => start + ratio * Math.log(value / low) };
}

function marker(point, x, y) {
  const { shape = "circle", radius = 3.5, fill, kind = "" } = point;
  const common = { class: `point ${kind}`, ...(fill && { fill }) };
  if (shape === "circle") return drawn("circle", { cx: x, cy: y, r: radius, ...common });
  const corners = {
    square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    triangle: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
    star: [...Array(10).keys()].map((corner) => {
      const length = corner % 2 ? 0.9 : 2.2;
      const angle = (Math.PI * corner) / 5;
      return [length * Math.sin(angle), -length * Math.cos(angle)];
    }),
  }[shape];
  const points = corners.map(([dx, dy]) => `${x + dx * radius},${y + dy * radius}`).join(" ");
  return drawn("polygon", { points, ...common });
}

/**
 * Draws points into a container, and again when its width changes.
 *
 * spec: title, xLabel, yLabel; points with x, y, lines (the tooltip), and shape, radius, fill, kind;
 * line: [x, y] pairs; onSelect(point), if points can be chosen.
 */
export function plot(container, spec) {
  if (!shown.has(container)) {
    new ResizeObserver(() => draw(container)).observe(container);
  }
  shown.set(container, spec);
  draw(container);
}

function draw(container) {
  const { title, xLabel, yLabel, points, line = [], onSelect } = shown.get(container);
  const width = container.clientWidth;
  if (!width) return;
  const height = Math.round(Math.min(Math.max(0.6 * width, 260), 420));
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const all = [...points, ...line.map(([x, y]) => ({ x, y }))];
  const across = scale(all.map((point) => point.x), MARGIN.left, right);
  const up = scale(all.map((point) => point.y), bottom, MARGIN.top);
  const svg = drawn("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    tabindex: 0,
    role: "application",
    "aria-label": `${title}: ${points.length} points. Arrow keys move between them${
      onSelect ? ", Enter chooses one" : ""
    }.`,
  });
  const axes = drawn("g", { class: "axes", "aria-hidden": "true" });
  for (const value of ticks(across.low, across.high, width / 75)) {
    const x = across.at(value);
    axes.append(
      drawn("line", { x1: x, x2: x, y1: MARGIN.top, y2: bottom }),
      drawn("text", { x, y: bottom + 18, "text-anchor": "middle" }, compact(value)),
    );
  }
  for (const value of ticks(up.low, up.high, height / 45)) {
    const y = up.at(value);
    axes.append(
      drawn("line", { x1: MARGIN.left, x2: right, y1: y, y2: y }),
      drawn("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, compact(value)),
    );
  }
  const middle = (MARGIN.top + bottom) / 2;
  axes.append(
    drawn(
      "text",
      { class: "label", x: (MARGIN.left + right) / 2, y: height - 8, "text-anchor": "middle" },
      xLabel,
    ),
    drawn(
      "text",
      { class: "label", transform: `translate(14 ${middle}) rotate(-90)`, "text-anchor": "middle" },
      yLabel,
    ),
  );
  svg.append(axes);
  if (line.length) {
    const path = line.map(([x, y]) => `${across.at(x)},${up.at(y)}`).join(" ");
    svg.append(drawn("polyline", { class: "roof", points: path }));
  }
  const places = points.map((point) => ({ point, x: across.at(point.x), y: up.at(point.y) }));
  svg.append(...places.map(({ point, x, y }) => marker(point, x, y)));
  const ring = drawn("circle", { class: "ring", r: 9, visibility: "hidden" });
  svg.append(ring);
  const tooltip = element("div", { className: "tip", role: "status", hidden: true });
  const hadFocus = container.contains(document.activeElement);
  container.replaceChildren(svg, tooltip);
  if (hadFocus) svg.focus({ preventScroll: true });
  bind({ svg, ring, tooltip, places, width, onSelect });
}

/** Shows the point under the pointer, or the one that the keys have reached. */
function bind({ svg, ring, tooltip, places, width, onSelect }) {
  const ordered = [...places].sort((one, other) => one.x - other.x || one.y - other.y);
  let current = null;

  function reach(place) {
    current = place;
    tooltip.hidden = !place;
    ring.setAttribute("visibility", place ? "visible" : "hidden");
    if (!place) return;
    ring.setAttribute("cx", place.x);
    ring.setAttribute("cy", place.y);
    tooltip.replaceChildren(...place.point.lines.map((text) => element("div", {}, text)));
    const left = Math.min(Math.max(place.x - tooltip.offsetWidth / 2, 0), width - tooltip.offsetWidth);
    const above = place.y - tooltip.offsetHeight - 14;
    tooltip.style.left = `${left}px`;
    tooltip.style.top = `${above < 0 ? place.y + 14 : above}px`;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const far = ({ x, y }) => Math.hypot(x - event.clientX + box.left, y - event.clientY + box.top);
    const found = places.reduce((best, place) => (far(place) < far(best) ? place : best), places[0]);
    return found && far(found) <= REACH ? found : null;
  }

  svg.addEventListener("pointermove", (event) => reach(nearest(event)));
  svg.addEventListener("pointerleave", () => reach(null));
  svg.addEventListener("blur", () => reach(null));
  svg.addEventListener("click", (event) => {
    reach(nearest(event));
    if (current && onSelect) onSelect(current.point);
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step && ordered.length) {
      const at = current ? ordered.indexOf(current) + step : step > 0 ? 0 : -1;
      reach(ordered.at(Math.min(at, ordered.length - 1)));
    } else if (event.key === "Enter" && current && onSelect) {
      onSelect(current.point);
    } else if (event.key === "Escape") {
      reach(null);
    } else {
      return;
    }
    event.preventDefault();
  });
}
