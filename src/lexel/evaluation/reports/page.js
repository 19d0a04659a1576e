"use strict";
{
  // The head of the list says which item of a row each column shows, the form which one each control looks at.
  const rows = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filter");
  const body = document.querySelector(".found tbody");
  const more = document.getElementById("more");
  const columns = [...document.querySelectorAll(".found th")].map((head) =>
    ({ title: head.textContent, field: Number(head.dataset.field), kind: head.dataset.kind, searched: "searched" in head.dataset }));
  const controls = [...form.elements].filter((control) => control.dataset.how);
  const STEP = 100;
  let limit = STEP;

  for (const control of controls.filter((each) => each.dataset.how === "is")) {
    for (const value of new Set(rows.map((row) => row[control.dataset.field]))) control.append(new Option(value, value));
  }

  const textOf = (row, column) =>
    column.kind === "context" ? row.slice(column.field, column.field + 3).join("") : String(row[column.field]);

  // What is typed is found anywhere in a field; what a cell of a matrix asks for (=LABEL) is the label.
  const holds = (said, wanted) => {
    const label = wanted.slice(1);
    if (wanted[0] === "=") return said.split(" | ").some((part) => part === label || part.endsWith(" " + label));
    return said.toLowerCase().includes(wanted.toLowerCase());
  };

  const tests = {
    is: (row, value, field) => row[field] === value,
    holds: (row, value, field) => holds(row[field], value),
    most: (row, value, field) => row[field] <= Number(value),
    any: (row, value) => columns.some((column) =>
      column.searched && textOf(row, column).toLowerCase().includes(value.toLowerCase())),
  };

  const matching = () => {
    const asked = controls.filter((control) => control.value);
    return rows.filter((row) => asked.every((control) => tests[control.dataset.how](row, control.value, control.dataset.field)));
  };

  const cell = (row, column) => {
    const made = document.createElement("td");
    if (column.kind) made.className = column.kind;
    made.dataset.title = column.title;
    if (column.kind !== "context") {
      made.textContent = row[column.field];
      made.title = row[column.field];
      return made;
    }
    const [before, text, after] = row.slice(column.field, column.field + 3);
    const mark = document.createElement("mark");
    mark.textContent = text;
    made.append(before, mark, after);
    return made;
  };

  const draw = () => {
    const found = matching();
    body.replaceChildren(...found.slice(0, limit).map((row) => {
      const line = document.createElement("tr");
      line.append(...columns.map((column) => cell(row, column)));
      return line;
    }));
    form.querySelector("output").textContent = `${found.length.toLocaleString("en")} found`;
    more.hidden = found.length <= limit;
  };

  const again = () => { limit = STEP; draw(); };
  const show = (asked) => {
    form.reset();
    for (const [name, value] of Object.entries(asked.dataset)) if (form.elements[name]) form.elements[name].value = value;
    document.querySelector("section:has(#filter)").scrollIntoView();
    setTimeout(again);
  };
  form.addEventListener("input", again);
  form.addEventListener("reset", () => setTimeout(again));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { limit += STEP; draw(); });
  document.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-layer]");
    if (asked) show(asked);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("[data-layer]")) show(event.target);
    if (event.key === "/" && !event.target.matches("input, select")) {
      event.preventDefault();
      form.querySelector("[type=search]").focus();
    }
  });
  draw();
}
