"use strict";
// The routes of /openapi.json, each with its request's fields.

const make = (tag, text, className) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
};

const named = (schemas, schema) => (schema && schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema) || {};

function typeOf(schemas, field) {
  if (field.$ref) return named(schemas, field).enum ? named(schemas, field).enum.join(" | ") : "object";
  if (field.anyOf) return field.anyOf.map((one) => typeOf(schemas, one)).filter((one) => one !== "null").join(" | ");
  if (field.enum) return field.enum.join(" | ");
  if (field.type === "array") return `[${typeOf(schemas, field.items || {})}]`;
  return field.type || "any";
}

function fieldsOf(schemas, schema, table, indent) {
  for (const [name, field] of Object.entries(schema.properties || {})) {
    const row = table.appendChild(make("tr"));
    row.append(make("td", indent + name, "code"), make("td", typeOf(schemas, field)), make("td", field.description || ""));
    if (field.$ref) fieldsOf(schemas, named(schemas, field), table, indent + name + ".");
  }
}

async function show() {
  const api = await (await fetch("/openapi.json")).json();
  const schemas = (api.components || {}).schemas || {};
  const main = document.getElementById("routes");
  let group;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      const tag = (route.tags || [""])[0];
      if (tag !== group) main.appendChild(make("h2", (group = tag)));
      const details = main.appendChild(make("details"));
      const summary = details.appendChild(make("summary"));
      summary.append(make("code", `${method.toUpperCase()} ${path}`), ` ${route.summary || ""}`);
      const body = (((route.requestBody || {}).content || {})["application/json"] || {}).schema;
      if (body) fieldsOf(schemas, named(schemas, body), details.appendChild(make("div", undefined, "scroll")).appendChild(make("table")), "");
    }
  }
}

show();
