"use strict";
// The page: what is typed goes to the server's own routes, and what comes back is drawn. No library, no other server.

const TASKS = ["tag", "segment", "classify", "fill", "answer", "embed", "similarity"];
const NEEDS = { segment: "tag", similarity: "embed" };
const TEXT_OF = { similarity: "embed" };
const $ = (id) => document.getElementById(id);
const state = { task: "tag", language: navigator.language.startsWith("zh") ? "zh" : "en", models: [], last: null, examples: {} };

const word = (key, ...values) => {
  const found = WORDS[state.language][key];
  return typeof found === "function" ? found(...values) : found;
};

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// A hue that always belongs to the same label.
function hueOf(label) {
  let hash = 7;
  for (const char of label) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

// What is asked ---------------------------------------------------------------------------------------------------

function request() {
  const model = $("model").value || undefined;
  const text = $("text").value;
  const lexicon = $("lexicon").value.split(/\s+/).filter(Boolean);
  const topK = Number($("top-k").value) || 5;
  const options = {};
  if (["tag", "segment"].includes(state.task)) {
    if (lexicon.length) options.lexicon = lexicon;
    if ($("script").value && readsChinese()) options.script = $("script").value;
    options.offsets = "utf16"; // what JavaScript counts in
    if (state.task === "tag" && Number($("threshold").value) > 0) options.min_score = Number($("threshold").value);
  }
  if (state.task === "classify") {
    const labels = $("labels").value.split(/[,，]/).map((label) => label.trim()).filter(Boolean);
    if (labels.length) options.labels = labels;
  }
  if (state.task === "fill" || state.task === "answer") options.top_k = topK;
  if (state.task === "answer") options.offsets = "utf16";
  if (state.task === "answer") return { question: $("question").value, context: text, model, options };
  if (state.task === "similarity") return { text, texts: $("others").value.split("\n").filter((line) => line.trim()), model };
  return Object.keys(options).length ? { text, model, options } : { text, model };
}

async function run() {
  const [path, body, started] = [`/v1/${state.task}`, request(), performance.now()];
  say(word("reading"));
  $("run").disabled = true;
  try {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error || response.statusText);
    state.last = { path, body, answer };
    say(word("took", Math.round(performance.now() - started)));
    draw(answer, body);
  } catch (error) {
    say(error instanceof TypeError ? word("failed") : error.message, true);
  } finally {
    $("run").disabled = false;
  }
}

function say(text, isBad) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", Boolean(isBad));
}

// What comes back -------------------------------------------------------------------------------------------------

const DRAW = {
  tag: ({ results: [found] }) => [drawReading(found), drawEntities(found)],
  segment: ({ results: [found] }) => [drawReading(found)],
  classify: ({ results: [found] }) => [drawScores(found.scores)],
  fill: ({ results: [found] }) => found.blanks.map((blank) => drawScores(blank.candidates.map((one) => [one.filled, one.prob]))),
  answer: ({ results: [found] }, body) => [drawAnswer(found, body.context), drawScores(found.answers.map((one) => [one.text, one.score]))],
  embed: ({ results: [found] }) => [drawVector(found.vector)],
  similarity: (answer, body) => [drawScores(body.texts.map((text, i) => [text, answer.similarities[i]]))],
};

function draw(answer, body) {
  $("result").replaceChildren(...DRAW[state.task](answer, body).filter(Boolean));
  document.querySelector(".copies").hidden = false;
}

// Words over their tags, inside their entities; characters between words stay as they are.
function drawReading(found) {
  const root = make("div", "reading");
  root.dir = "auto";
  const words = found.words || [];
  const entities = found.entities || [];
  let [at, next, parent, end] = [0, 0, root, Infinity];
  const plain = (until) => {
    if (until > at) parent.append(found.text.slice(at, until));
    at = Math.max(at, until);
  };
  const leave = () => {
    plain(end);
    [parent, end] = [root, Infinity];
  };
  const enter = (start) => {
    if (at >= end && parent !== root) leave();
    while (next < entities.length && entities[next].start <= start) {
      const entity = entities[next++];
      if (parent !== root) leave();
      plain(entity.start);
      parent = root.appendChild(make("span", "entity"));
      parent.dataset.label = entity.label;
      parent.style.setProperty("--hue", hueOf(entity.label));
      tip(parent, `${entity.text}  ${entity.label}  ${word("score")} ${entity.score.toFixed(3)}`);
      end = entity.end;
    }
    if (start >= end) leave();
  };
  for (const one of words) {
    enter(one.start);
    plain(one.start);
    const node = parent.appendChild(make("span", "word", found.text.slice(one.start, one.end)));
    if (one.pos) node.dataset.pos = one.pos;
    node.style.setProperty("--hue", hueOf(one.pos || "word"));
    tip(node, [one.text, one.pos, one.score !== undefined && `${word("score")} ${one.score.toFixed(3)}`].filter(Boolean).join("  "));
    at = Math.max(at, one.end);
  }
  for (; next < entities.length; ) enter(entities[next].start);
  if (parent !== root) leave();
  plain(found.text.length);
  return root;
}

function drawEntities(found) {
  if (!found.entities) return null;
  if (!found.entities.length) return make("p", "", word("none"));
  return drawTable(
    [word("entity"), word("type"), word("place"), word("score-head")],
    found.entities.map((one) => [one.text, one.label, `${one.start}–${one.end}`, one.score.toFixed(3)]),
  );
}

function drawScores(rows) {
  if (!rows.length) return make("p", "", word("none"));
  const table = drawTable(["", word("score-head"), ""], rows.map(([label, score]) => [label, score.toFixed(3), ""]));
  rows.forEach(([, score], i) => {
    const bar = make("span", "bar");
    bar.style.width = `${Math.max(0, Math.min(1, score)) * 10}rem`;
    table.querySelectorAll("tbody tr")[i].lastChild.append(bar);
  });
  return table;
}

function drawAnswer(found, context) {
  const best = found.answers[0];
  const root = make("p", "reading");
  root.dir = "auto";
  if (!best || found.best === null) root.append(context);
  else root.append(context.slice(0, best.start), make("mark", "", context.slice(best.start, best.end)), context.slice(best.end));
  return root;
}

function drawVector(vector) {
  const root = make("div");
  const shown = vector.slice(0, 8).map((one) => one.toFixed(4)).join(", ");
  const more = vector.length > 8 ? ", …" : "";
  root.append(make("p", "", word("numbers", vector.length)), make("code", "", `[${shown}${more}]`));
  return root;
}

function drawTable(head, rows) {
  const scroll = make("div", "scroll");
  const table = scroll.appendChild(make("table"));
  const top = table.appendChild(make("thead")).appendChild(make("tr"));
  for (const cell of head) top.append(make("th", "", cell));
  const body = table.appendChild(make("tbody"));
  for (const row of rows) {
    const line = body.appendChild(make("tr"));
    row.forEach((cell, i) => {
      const node = line.appendChild(make("td", i ? "number" : "", cell));
      if (!i) node.dir = "auto";
    });
  }
  return scroll;
}

// A tip on hover and on keyboard focus.
function tip(node, text) {
  node.tabIndex = 0;
  node.setAttribute("aria-label", text);
  const hide = () => document.querySelectorAll(".tip").forEach((one) => one.remove());
  const show = (event) => {
    hide();
    event.stopPropagation();
    const box = document.body.appendChild(make("div", "tip", text));
    const place = node.getBoundingClientRect();
    box.style.left = `${Math.max(4, Math.min(place.left, innerWidth - box.offsetWidth - 4))}px`;
    box.style.top = `${Math.max(4, place.top - box.offsetHeight - 6)}px`;
  };
  node.addEventListener("mouseover", show);
  node.addEventListener("focus", show);
  node.addEventListener("mouseleave", hide);
  node.addEventListener("blur", hide);
}

// Copies ----------------------------------------------------------------------------------------------------------

const COPY = {
  json: ({ answer }) => JSON.stringify(answer, null, 2),
  curl: ({ path, body }) =>
    `curl -s ${location.origin}${path} -H 'Content-Type: application/json' -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`,
  python: ({ path, body }) =>
    `import json, urllib.request\n\nbody = json.loads(r'''${JSON.stringify(body).replaceAll("'", "\\u0027")}''')\n` +
    `request = urllib.request.Request(${JSON.stringify(location.origin + path)}, json.dumps(body).encode(), {"Content-Type": "application/json"})\n` +
    "print(json.load(urllib.request.urlopen(request)))\n",
};

async function copy(kind) {
  await navigator.clipboard.writeText(COPY[kind](state.last));
  say(word("copied"));
}

// The frame -------------------------------------------------------------------------------------------------------

function choose(task, focus) {
  state.task = task;
  showExamples();
  for (const tab of $("tasks").children) {
    const isChosen = tab.dataset.task === task;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen && focus) tab.focus();
  }
  for (const node of document.querySelectorAll("[data-for]")) node.hidden = !node.dataset.for.split(" ").includes(task);
  if (!readsChinese()) $("script").parentElement.hidden = true;
  $("result").replaceChildren();
  document.querySelector(".copies").hidden = true;
  say("");
}

// Puts an example into each field that is empty, or still has the example that was put there before.
function showExamples() {
  const examples = EXAMPLES[exampleLanguage()];
  const text = examples[TEXT_OF[state.task] || state.task].replace("[MASK]", chosenModel()?.mask || "[MASK]");
  for (const [id, example] of [["text", text], ["question", examples.question], ["others", examples.others]]) {
    if ($(id).value && $(id).value !== state.examples[id]) continue;
    $(id).value = state.examples[id] = example;
  }
}

// A language that the model reads, by its card, else by its vocabulary: the page's own, else English, else its first.
function exampleLanguage() {
  const { languages = [], script } = chosenModel() || {};
  const named = languages.map((code) => code.toLowerCase().split(/[-_]/)[0]).filter((code) => code in EXAMPLES);
  return [state.language, "en"].find((code) => named.includes(code)) || named[0] || LANGUAGE_OF_SCRIPT[script] || "en";
}

// Whether converting between simplified and traditional characters means anything to the model.
function readsChinese() {
  const { languages = [], script } = chosenModel() || {};
  return script === "Hani" || languages.some((code) => /^(zh|yue|lzh)\b/i.test(code));
}

function chosenModel() {
  return state.models.find((one) => one.name === $("model").value) || state.models[0];
}

// What the model was made for; /v1/embed gives vectors of any model.
function able() {
  const model = chosenModel();
  return TASKS.filter((task) => model && model.made_for.includes(NEEDS[task] || task));
}

function showTasks() {
  $("tasks").replaceChildren(
    ...able().map((task) => {
      const tab = make("button", "", word(task));
      tab.type = "button";
      tab.role = "tab";
      tab.dataset.task = task;
      tab.addEventListener("click", () => choose(task));
      return tab;
    }),
  );
  choose(able().includes(state.task) ? state.task : able()[0]);
}

function speak() {
  document.documentElement.lang = state.language;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  $("language").textContent = state.language === "en" ? "中文" : "English";
  showTasks();
}

async function start() {
  const { models } = await (await fetch("/info")).json();
  state.models = models;
  $("model").replaceChildren(...models.map((one) => new Option(one.name, one.name)));
  document.querySelector(".model").hidden = models.length < 2;
  speak();
}

$("form").addEventListener("submit", (event) => (event.preventDefault(), run()));
$("form").addEventListener("keydown", (event) => (event.ctrlKey || event.metaKey) && event.key === "Enter" && run());
$("model").addEventListener("change", showTasks);
$("threshold").addEventListener("input", () => ($("threshold-value").textContent = Number($("threshold").value).toFixed(2)));
$("language").addEventListener("click", () => ((state.language = state.language === "en" ? "zh" : "en"), speak()));
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
});
$("tasks").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tasks = able();
  choose(tasks[(tasks.indexOf(state.task) + step + tasks.length) % tasks.length], true);
});
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy));
start();
