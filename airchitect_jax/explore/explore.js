// The page: its link is the question; answers follow the controls.

import * as answer from "./answer.js";
import * as controls from "./controls.js";
import { byId } from "./text.js";

const DEFAULTS = {
  workload: "resnet50",
  mac_budget: "16384",
  sram_budget: "3000",
  bandwidth: "64",
  clock_ghz: "1",
  objective: "cycles",
};
const PAUSE = 60; // milliseconds without a move before a question is asked

let question = new URLSearchParams();
let isMoving = false; // a slider: its moves are one entry of the history
let request = new AbortController();
let timer = 0;
let limits = {};

/** Takes the question from the link. */
function read() {
  question = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (!question.get(name)) question.set(name, value);
  }
  controls.show(question);
  ask();
}

function change(update, settled) {
  const before = String(question);
  update(question);
  if (String(question) !== before) {
    const link = `?${question}`;
    if (isMoving) history.replaceState(null, "", link);
    else history.pushState(null, "", link);
    controls.show(question);
    clearTimeout(timer);
    timer = setTimeout(ask, settled ? 0 : PAUSE);
  }
  isMoving = !settled;
}

/** The JSON of a response; its error is thrown. */
async function json(response) {
  const value = await response.json();
  if (!response.ok) throw Object.assign(new Error(value.error), value);
  return value;
}

/** Asks the server; an earlier question that is still open is dropped. */
async function ask() {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  const asked = new URLSearchParams(question);
  answer.wait();
  try {
    const found = await json(await fetch(`/answer?${asked}`, { signal }));
    if (!signal.aborted) answer.show(found, asked);
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
}

function fail(error) {
  answer.refuse(error instanceof TypeError ? "the server does not answer" : error.message);
  if (error.dims) controls.showDims(question, error.dims);
}

/** Sends a file, and asks about it. */
async function send(file) {
  if (file.size > limits.most_file_bytes) {
    answer.refuse(
      `${file.name} is larger than ${limits.most_file_bytes >> 20} MB; start the page with it: ` +
        `airchitect explore --workload=${file.name}`,
    );
    return;
  }
  answer.wait();
  try {
    const body = { method: "POST", body: file };
    const sent = await json(await fetch(`/files?${new URLSearchParams({ name: file.name })}`, body));
    change((asked) => {
      asked.delete("dim");
      asked.set("workload", sent.workload);
      asked.set("file", sent.file);
    }, true);
  } catch (error) {
    fail(error);
  }
}

function listen() {
  controls.listen(change, () => question);
  answer.listen();
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) send(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", kind.startsWith("dragen") || kind === "dragover");
    });
  }
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
  window.addEventListener("popstate", read);
}

limits = await json(await fetch("/limits"));
controls.offer(limits);
listen();
read();
