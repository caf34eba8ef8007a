// The form: from the question to its fields, and from its fields to the question.

import { byId, digits, element } from "./text.js";

const powers = (first, last) => [...Array(last - first + 1).keys()].map((step) => 2 ** (first + step));
const steps = (first, last, step) =>
  [...Array(Math.round((last - first) / step) + 1).keys()].map((number) =>
    Number((first + number * step).toFixed(6)),
  );

// The positions of each slider; the field beside it takes what lies between them.
const POSITIONS = {
  mac_budget: powers(2, 18),
  sram_budget: steps(300, 3000, 100),
  bandwidth: powers(0, 12),
  clock_ghz: steps(0.1, 4, 0.1),
};

let networks = [];

/** Sets what the controls offer. */
export function offer(limits) {
  networks = limits.networks;
  byId("file").accept = limits.file_suffixes.join(",");
  for (const [name, positions] of Object.entries(POSITIONS)) {
    byId(name).min = positions[0];
    byId(`${name}_slider`).min = 0;
    byId(`${name}_slider`).max = positions.length - 1;
  }
  byId("mac_budget").max = limits.max_macs;
  byId("sram_budget").max = limits.max_sram_kb;
}

function listNetworks(chosen) {
  const sought = byId("search").value.trim().toLowerCase();
  const options = networks
    .filter(({ name }) => name.includes(sought) || name === chosen)
    .map(({ name, layers, macs }) =>
      element("option", { value: name, title: `${layers} layers, ${digits(macs / 1e9, 3)} GMACs` }, name),
    );
  byId("workload").replaceChildren(...options);
  byId("workload").value = chosen;
}

/** Shows a question in the form. */
export function show(question) {
  const isFile = question.has("file");
  listNetworks(isFile ? "" : question.get("workload"));
  byId("file_name").textContent = isFile ? question.get("workload") : "or drop it on the page";
  for (const [name, positions] of Object.entries(POSITIONS)) {
    const value = Number(question.get(name));
    const slider = byId(`${name}_slider`);
    byId(name).value = question.get(name);
    slider.value = positions.findLastIndex((position) => position <= value);
    slider.setAttribute("aria-valuetext", question.get(name));
  }
  for (const radio of document.getElementsByName("objective")) {
    radio.checked = radio.value === question.get("objective");
  }
  const clock = Number(question.get("clock_ghz"));
  byId("physical").textContent =
    `${digits(Number(question.get("bandwidth")) * clock)} GB/s of DRAM bandwidth, up to ` +
    `${digits((2 * Number(question.get("mac_budget")) * clock) / 1e3)} TOPS at ${digits(clock)} GHz.`;
  showDims(question);
}

/** Shows fields for the dimensions of a question, and for others with sizes to begin with. */
export function showDims(question, others = {}) {
  const given = question.getAll("dim").map((text) => {
    const at = text.lastIndexOf("=");
    return [text.slice(0, at), text.slice(at + 1)];
  });
  const dims = [...given, ...Object.entries(others)];
  byId("dims").hidden = !dims.length;
  byId("dim_fields").replaceChildren(
    ...dims.map(([name, size]) =>
      element("label", {}, `${name} `, element("input", { type: "number", min: 1, name, value: size })),
    ),
  );
}

/**
 * Calls `change(update, settled)` when the user changes the question: `update` edits it in place;
 * `settled` is false while a slider moves.
 */
export function listen(change, current) {
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", () =>
    listNetworks(current().has("file") ? "" : current().get("workload")),
  );
  byId("workload").addEventListener("change", (event) =>
    change((question) => {
      question.delete("file");
      question.delete("dim");
      question.set("workload", event.target.value);
    }, true),
  );
  for (const [name, positions] of Object.entries(POSITIONS)) {
    const slider = byId(`${name}_slider`);
    const moved = (settled) => () =>
      change((question) => question.set(name, positions[slider.value]), settled);
    slider.addEventListener("input", moved(false));
    slider.addEventListener("change", moved(true));
    byId(name).addEventListener("change", (event) =>
      change((question) => question.set(name, event.target.value), true),
    );
  }
  for (const radio of document.getElementsByName("objective")) {
    radio.addEventListener("change", () =>
      change((question) => question.set("objective", radio.value), true),
    );
  }
  byId("use_dims").addEventListener("click", () =>
    change((question) => {
      question.delete("dim");
      for (const { name, value } of byId("dim_fields").querySelectorAll("input")) {
        question.append("dim", `${name}=${value}`);
      }
    }, true),
  );
}

