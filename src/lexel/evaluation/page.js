"use strict";
{
  // A row: layer, kind, document, before, text, after, gold, predicted, length of the document.
  const rows = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filter");
  const body = document.querySelector(".mistakes tbody");
  const more = document.getElementById("more");
  const STEP = 100;
  let limit = STEP;

  const fill = (name, values) => {
    for (const value of new Set(values)) form.elements[name].append(new Option(value, value));
  };
  fill("layer", rows.map((row) => row[0]));
  fill("kind", rows.map((row) => row[1]).sort());

  // What is typed under gold and predicted is found anywhere in it; what a cell of a matrix asks for (=LABEL) is the label.
  const holds = (said, wanted) => {
    if (!wanted) return true;
    const label = wanted.slice(1);
    if (wanted[0] === "=") return said.split(" | ").some((part) => part === label || part.endsWith(" " + label));
    return said.toLowerCase().includes(wanted.toLowerCase());
  };

  const matching = () => {
    const of = (name) => form.elements[name].value;
    const [layer, kind, gold, predicted] = ["layer", "kind", "gold", "predicted"].map(of);
    const text = of("text").toLowerCase();
    const longest = Number(of("longest")) || Infinity;
    return rows.filter((row) =>
      (!layer || row[0] === layer) && (!kind || row[1] === kind) && row[8] <= longest &&
      holds(row[6], gold) && holds(row[7], predicted) &&
      (!text || (row.slice(3, 6).join("") + "\n" + row[2] + "\n" + row[6] + "\n" + row[7]).toLowerCase().includes(text)));
  };

  const cell = (text, name) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const draw = () => {
    const found = matching();
    body.replaceChildren(...found.slice(0, limit).map((row) => {
      const line = document.createElement("tr");
      const mark = document.createElement("mark");
      mark.textContent = row[4];
      const context = document.createElement("td");
      context.append(row[3], mark, row[5]);
      const name = cell(row[2]);
      name.title = row[2];
      line.append(name, cell(row[0]), cell(row[1]), context, cell(row[6], "gold"), cell(row[7], "predicted"));
      return line;
    }));
    form.querySelector("output").textContent = `${found.length.toLocaleString("en")} found`;
    more.hidden = found.length <= limit;
  };

  const again = () => { limit = STEP; draw(); };
  form.addEventListener("input", again);
  form.addEventListener("reset", () => setTimeout(again));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { limit += STEP; draw(); });
  document.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-layer]");
    if (!asked) return;
    form.reset();
    form.elements.layer.value = asked.dataset.layer;
    form.elements.gold.value = "=" + asked.dataset.gold;
    form.elements.predicted.value = "=" + asked.dataset.predicted;
    document.getElementById("mistakes").scrollIntoView();
    setTimeout(again);
  });
  draw();
}
