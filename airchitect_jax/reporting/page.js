"use strict";
// Tables: a click on a heading sorts the rows by it; empty cells stay last.
for (const table of document.querySelectorAll(".table table")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const order = (one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a === "" || b === "") return (a === "") - (b === "");
        const numeric = "value" in one.cells[column].dataset;
        const found = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
        return down ? -found : found;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}

// Figures: marks tell their values on hover and focus; those that are clicked are compared.
const MOST_COMPARED = 4;
const tip = document.createElement("div");
tip.className = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
document.body.append(tip);

function recordOf(mark) {
  const values = JSON.parse(mark.dataset.record);
  const headings = JSON.parse(mark.closest("[data-headings]").dataset.headings);
  return headings.map((heading, index) => [heading, values[index]]);
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function showTip(mark) {
  const list = element("dl");
  for (const [name, value] of recordOf(mark)) list.append(element("dt", name), element("dd", value));
  tip.replaceChildren(list);
  tip.hidden = false;
  const box = mark.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = Math.min(Math.max(box.left, 8), width - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${(above < 0 ? box.bottom + 8 : above) + window.scrollY}px`;
}

function compare(figure, chosen) {
  const place = figure.querySelector(".compare") ?? figure.appendChild(element("div"));
  place.className = "compare";
  place.setAttribute("aria-live", "polite");
  if (!chosen.length) return place.remove();
  const records = chosen.map((mark) => new Map(recordOf(mark)));
  const table = element("table");
  for (const name of new Set(records.flatMap((record) => [...record.keys()]))) {
    const heading = table.insertRow().appendChild(element("th", name));
    heading.colSpan = records.length;
    heading.scope = "rowgroup";
    const row = table.insertRow();
    for (const record of records) row.appendChild(element("td", record.get(name) ?? ""));
  }
  table.setAttribute("aria-label", "Chosen marks side by side");
  place.replaceChildren(table);
}

for (const figure of document.querySelectorAll("figure")) {
  const marks = [...figure.querySelectorAll("[data-record]")];
  let chosen = [];
  const isSame = (mark) => (other) => other.dataset.record === mark.dataset.record;
  const toggle = (mark) => { // with those that have the same values in another panel
    const others = chosen.filter((one) => !isSame(mark)(one));
    chosen = (others.length < chosen.length ? others : [...others, mark]).slice(-MOST_COMPARED);
    for (const one of marks) one.setAttribute("aria-pressed", chosen.some(isSame(one)));
    compare(figure, chosen);
  };
  marks.forEach((mark, index) => {
    mark.setAttribute("role", "button");
    mark.setAttribute("aria-pressed", "false");
    mark.setAttribute("aria-label", recordOf(mark).map((pair) => pair.join(" ")).join(", "));
    mark.setAttribute("tabindex", index ? -1 : 0); // one stop per figure; arrows go on
    for (const name of ["pointerenter", "focus"]) mark.addEventListener(name, () => showTip(mark));
    for (const name of ["pointerleave", "blur"])
      mark.addEventListener(name, () => (tip.hidden = true));
    mark.addEventListener("click", () => toggle(mark));
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) {
        const next = marks[(index + step + marks.length) % marks.length];
        mark.setAttribute("tabindex", -1);
        next.setAttribute("tabindex", 0);
        next.focus();
      } else if (event.key === "Enter" || event.key === " ") toggle(mark);
      else if (event.key === "Escape") tip.hidden = true;
      else return;
      event.preventDefault();
    });
  });
}
