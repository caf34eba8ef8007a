// The answer: tiles, figures, table.

import { plot } from "./plot.js";
import { byId, bytes, digits, duration, element, energy, millijoules, percent, whole } from "./text.js";

const SHAPES = { OS: "circle", WS: "square", IS: "triangle" };
const NAMES = { OS: "output stationary", WS: "weight stationary", IS: "input stationary" };
const OBJECTIVES = { cycles: "fewest cycles", energy: "least energy", edp: "least energy × delay" };
const ACROSS = {
  energy: { label: "energy (mJ)", of: (point) => millijoules(point.energy_fj) },
  macs: { label: "MAC units", of: (point) => point.num_macs },
  sram: { label: "SRAM (KB)", of: (point) => point.sram_kb },
};

let found = null; // the answer that is shown
let clock = 1; // GHz
let chosen = null; // a point of the front beside it
let order = { column: 0, falls: false }; // of the table

/** Says that an answer is on its way. */
export function wait() {
  byId("answer").setAttribute("aria-busy", "true");
}

/** Shows the one line of an error in place of an answer. */
export function refuse(line) {
  done(line);
  byId("error").textContent = line;
}

function done(error) {
  byId("answer").removeAttribute("aria-busy");
  byId("error").hidden = !error;
  byId("found").hidden = byId("details").hidden = Boolean(error);
}

/** Shows an answer to a question. */
export function show(answer, question) {
  done(null);
  found = answer;
  clock = Number(question.get("clock_ghz"));
  chosen = null;
  const { network, design } = found;
  byId("lead").textContent =
    `${network.name}: a ${design.rows} × ${design.cols} array has the ` +
    `${OBJECTIVES[question.get("objective")]} of ${whole(found.num_designs)} designs.`;
  const notes = [...found.notes];
  if (question.has("file")) {
    notes.push(`The command expects ${question.get("workload")} in the current folder; this link works while the server runs.`);
  }
  byId("notes").replaceChildren(...notes.map((note) => element("li", {}, note)));
  const words = found.command.split(" --"); // a line may break between flags, not within them
  byId("command").replaceChildren(
    ...words.flatMap((word, index) => [index ? " " : "", element("span", {}, index ? `--${word}` : word)]),
  );
  showTiles();
  showFront();
  showRoofline();
  showLayers();
}

const seconds = (cycles) => cycles / (clock * 1e9);
const srams = (design) =>
  `${design.ifmap_sram_kb} + ${design.filter_sram_kb} + ${design.ofmap_sram_kb} KB`;
/** How much more a value is than another: as a factor from 2 on. */
function more(other, one) {
  const ratio = other / one;
  if (ratio >= 2) return `×${digits(ratio, 3)}`;
  return `${ratio < 1 ? "−" : "+"}${digits(100 * Math.abs(ratio - 1), 2)}%`;
}
const utilization = ({ cycles, num_macs }) => found.network.macs / (cycles * num_macs);

/** Rows of (name, value, remark, value of the chosen design). */
function tiles() {
  const { design, cycles, energy_fj } = found;
  const flows = Object.entries(found.dataflows).map(([name, count]) => `${name} ${count}`);
  const other = (text) => chosen && text(chosen);
  return [
    [
      "Array (rows × columns)",
      `${design.rows} × ${design.cols}`,
      `${whole(design.num_macs)} MAC units`,
      other((point) => `${point.rows} × ${point.cols}`),
    ],
    [
      "SRAM (ifmap + filter + ofmap)",
      srams(design),
      `${whole(design.sram_kb)} KB in total`,
      other(srams),
    ],
    [
      "Cycles",
      whole(cycles),
      `${percent(found.stall_cycles / cycles)} waiting for memory`,
      other((point) => `${whole(point.cycles)} (${more(point.cycles, cycles)})`),
    ],
    [
      "Time",
      duration(seconds(cycles)),
      `at ${digits(clock)} GHz`,
      other((point) => duration(seconds(point.cycles))),
    ],
    [
      "Energy",
      energy(energy_fj),
      `${bytes(found.dram_bytes)} from and to DRAM`,
      other((point) => `${energy(point.energy_fj)} (${more(point.energy_fj, energy_fj)})`),
    ],
    [
      "Utilization",
      percent(found.utilization),
      `layers by dataflow: ${flows.join(", ")}`,
      other((point) => percent(utilization(point))),
    ],
  ];
}

function showTiles() {
  byId("tiles").replaceChildren(
    ...tiles().map(([name, value, remark, other]) =>
      element(
        "div",
        {},
        element("dt", {}, name),
        element("dd", { className: "value" }, value),
        element("dd", { className: "remark" }, remark),
        ...(other ? [element("dd", { className: "other" }, `chosen: ${other}`)] : []),
      ),
    ),
  );
}

/** The colour of a number of MAC units, which both schemes show well. */
function hue(macs) {
  const all = found.front.map((point) => Math.log(point.num_macs));
  const low = Math.min(...all);
  const share = (Math.log(macs) - low) / (Math.max(...all) - low || 1);
  return `oklch(0.62 0.15 ${Math.round(290 - 200 * share)})`;
}

function showFront() {
  const { label, of } = ACROSS[document.querySelector("[name=across]:checked").value];
  const best = { ...found.design, cycles: found.cycles, energy_fj: found.energy_fj };
  const described = (point, ...more) => ({
    x: of(point),
    y: point.cycles,
    design: point,
    lines: [
      ...more,
      `${point.rows} × ${point.cols}, ${srams(point)}`,
      `${whole(point.cycles)} cycles, ${duration(seconds(point.cycles))}`,
      `${energy(point.energy_fj)}, utilization ${percent(utilization(point))}`,
    ],
  });
  const points = found.front.map((point) => ({
    ...described(point),
    fill: hue(point.num_macs),
    ...(point === chosen && { radius: 7, kind: "chosen" }),
  }));
  points.push({ ...described(best, "the answer"), shape: "star", radius: 5, kind: "best" });
  plot(byId("front"), {
    title: `Pareto front, cycles over ${label}`,
    xLabel: label,
    yLabel: "cycles",
    points,
    onSelect: ({ design }) => {
      chosen = found.front.includes(design) && design !== chosen ? design : null;
      showTiles();
      showFront();
    },
  });
  const macs = [...new Set(found.front.map((point) => point.num_macs))].sort((one, other) => one - other);
  const step = Math.ceil(macs.length / 6);
  byId("front_legend").replaceChildren(
    "MAC units: ",
    ...macs
      .filter((_, index) => index % step === 0 || index === macs.length - 1)
      .map((count) => {
        const swatch = element("i", { className: "swatch" });
        swatch.style.background = hue(count);
        return element("span", {}, swatch, whole(count));
      }),
    element("span", { className: "best" }, "★ the answer"),
  );
}

const macsOf = (layer) => layer.m * layer.n * layer.k;
const share = (layer) => (layer.total_cycles * layer.runs) / found.cycles;

function showRoofline() {
  const { num_macs } = found.design;
  const bandwidth = found.bandwidth_bytes_per_cycle;
  const ridge = num_macs / bandwidth;
  const points = found.layers
    .map((layer) => ({
      x: macsOf(layer) / layer.dram_bytes,
      y: macsOf(layer) / layer.total_cycles,
      shape: SHAPES[layer.dataflow],
      kind: layer.dataflow,
      radius: 3.5 + 14 * Math.sqrt(share(layer)),
      lines: [
        layer.layer,
        `${layer.m} × ${layer.n} × ${layer.k}, ${layer.dataflow}, runs: ${whole(layer.runs)}`,
        `${digits(macsOf(layer) / layer.total_cycles)} MACs per cycle, ` +
          `${digits(macsOf(layer) / layer.dram_bytes)} per byte of DRAM traffic`,
        `${percent(share(layer))} of the cycles`,
      ],
    }))
    .sort((one, other) => other.radius - one.radius);
  const low = Math.min(ridge, ...points.map((point) => point.x)) / 1.5;
  const high = Math.max(ridge, ...points.map((point) => point.x)) * 1.5;
  plot(byId("roofline"), {
    title: "Roofline, MACs per cycle over MACs per byte",
    xLabel: "MACs per byte of DRAM traffic",
    yLabel: "MACs per cycle",
    points,
    line: [
      [low, low * bandwidth],
      [ridge, num_macs],
      [high, num_macs],
    ],
  });
  byId("roofline_legend").replaceChildren(
    element("span", {}, `— roof: ${whole(bandwidth)} bytes and ${whole(num_macs)} MACs per cycle`),
    ...Object.keys(found.dataflows).map((flow) =>
      element("span", { className: flow }, `${{ OS: "●", WS: "■", IS: "▲" }[flow]} ${NAMES[flow]} (${flow})`),
    ),
  );
}

// Heading, value to sort by, text.
const COLUMNS = [
  ["#", (layer, index) => index, (value) => String(value + 1)],
  ["Layer", (layer) => layer.layer, (value) => value],
  ["M × N × K", macsOf, (_, layer) => `${layer.m} × ${layer.n} × ${layer.k}`],
  ["Runs", (layer) => layer.runs, whole],
  ["Dataflow", (layer) => layer.dataflow, (value) => value],
  ["Cycles", (layer) => layer.total_cycles * layer.runs, whole],
  ["Share", share, percent],
  ["Stalled", (layer) => layer.stall_cycles / layer.total_cycles, percent],
  ["Utilization", (layer) => layer.overall_utilization, percent],
  ["Energy (mJ)", (layer) => millijoules(layer.energy_fj * layer.runs), (value) => digits(value, 3)],
  ["DRAM (MB)", (layer) => (layer.dram_bytes * layer.runs) / 1e6, (value) => digits(value, 3)],
];

const kind = (value) => (typeof value === "number" ? "number" : "");

function showLayers() {
  const rows = found.layers.map((layer, index) =>
    COLUMNS.map(([, of, text]) => {
      const value = of(layer, index);
      return { value, text: text(value, layer) };
    }),
  );
  const { column, falls } = order;
  const compare = (one, other) => (one < other ? -1 : Number(one > other));
  rows.sort((one, other) => (falls ? -1 : 1) * compare(one[column].value, other[column].value));
  const headings = COLUMNS.map(([name], index) => {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      order = { column: index, falls: index === order.column ? !order.falls : index > 2 };
      showLayers();
      byId("layers").querySelectorAll("th button")[index].focus();
    });
    const sort = index === column ? (falls ? "descending" : "ascending") : "none";
    const className = kind(rows[0][index].value);
    return element("th", { className, scope: "col", "aria-sort": sort }, button);
  });
  const body = rows.map((cells) =>
    element(
      "tr",
      {},
      ...cells.map(({ value, text }, index) =>
        element(
          "td",
          { className: kind(value), "data-label": COLUMNS[index][0] },
          text,
        ),
      ),
    ),
  );
  byId("layers").replaceChildren(
    element(
      "table",
      { className: "needs-60", "aria-label": "Layers" },
      element("thead", {}, element("tr", {}, ...headings)),
      element("tbody", {}, ...body),
    ),
  );
}

/** Binds what the answer has of controls. */
export function listen() {
  for (const radio of document.getElementsByName("across")) {
    radio.addEventListener("change", showFront);
  }
  byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("command").textContent);
    byId("copy").textContent = "Copied";
    setTimeout(() => (byId("copy").textContent = "Copy"), 2000);
  });
}
