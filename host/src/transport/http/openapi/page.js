// Shows openapi.json: each operation with what it takes and what it answers.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

// Describes the values that a schema allows; `seen` stops the recursion at schemas that contain themselves.
function shape(schema, all, seen = []) {
  if (!schema) return "anything";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return seen.includes(name) ? name : shape(all[name], all, [...seen, name]);
  }
  for (const choice of ["oneOf", "anyOf"]) {
    if (schema[choice]) return schema[choice].map((one) => (one.type === "null" ? "null" : shape(one, all, seen)))
      .reduce((left, right) => (typeof left === "string" && typeof right === "string" ? `${left} | ${right}` : typeof left === "string" ? right : left));
  }
  if (schema.enum) return schema.enum.join(" | ");
  const type = [].concat(schema.type || "anything");
  if (type.includes("object") && schema.properties) {
    const required = schema.required || [];
    return Object.fromEntries(Object.entries(schema.properties)
      .map(([name, property]) => [required.includes(name) ? name : `${name}?`, shape(property, all, seen)]));
  }
  if (type.includes("array")) return [shape(schema.items, all, seen)];
  const bounds = ["minLength", "maxLength", "minimum", "maximum"]
    .filter((bound) => schema[bound] !== undefined).map((bound) => `${bound} ${schema[bound]}`);
  return [type.join(" | "), schema.format, ...bounds].filter(Boolean).join(", ");
}

function code(value) {
  return element("pre", typeof value === "string" ? value : JSON.stringify(value, null, 2));
}

function operationOf(method, path, operation, all) {
  const summary = element("summary", "", Object.assign(element("span", method.toUpperCase()), { className: "method" }),
    element("code", path), ` ${operation.summary || ""} `);
  if (operation.security) summary.append(Object.assign(element("span", "(needs a token)"), { className: "lock" }));
  const made = element("details", "", summary);
  const facts = element("dl");
  for (const parameter of operation.parameters || []) {
    const required = parameter.required ? ", required" : "";
    facts.append(element("dt", `${parameter.name} (${parameter.in}${required})`),
      element("dd", [parameter.description, shape(parameter.schema, all)].filter(Boolean).join(" — ")));
  }
  const body = operation.requestBody;
  if (body) facts.append(element("dt", "body"), element("dd", "", code(shape(Object.values(body.content)[0].schema, all))));
  for (const [status, response] of Object.entries(operation.responses)) {
    const content = Object.values(response.content || {})[0];
    const detail = status.startsWith("2") && content ? code(shape(content.schema, all)) : "";
    facts.append(element("dt", status), element("dd", response.description, detail));
  }
  made.append(facts);
  return made;
}

async function show() {
  const main = document.getElementById("operations");
  const api = await (await fetch("/api/openapi.json")).json();
  const all = api.components.schemas;
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, element("section", "", element("h2", tag)));
      groups.get(tag).append(operationOf(method, path, item[method], all));
    }
  }
  main.replaceChildren(...groups.values(), element("section", "", element("h2", "errors"), code(shape(all.Problem, all))));
}

show();
