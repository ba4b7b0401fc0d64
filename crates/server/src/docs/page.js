// Shows /api/openapi.json, and makes the calls that it describes. Texts of the API become text nodes, never markup.
"use strict";

const METHODS = ["get", "post", "put", "delete"];
const $ = (id) => document.getElementById(id);
let doc = null;

/** An element: attributes, then children; functions are listeners, `null` is left out. */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

/** The little Markdown of the descriptions: paragraphs, lists, `code` and **bold**. */
function prose(text) {
  const inline = (line) =>
    line.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`") && part.length > 1) return h("code", {}, part.slice(1, -1));
      if (part.startsWith("**")) return h("strong", {}, ...inline(part.slice(2, -2)));
      return part;
    });
  const blocks = [];
  for (const block of (text || "").split(/\n\n+/)) {
    let list = null;
    for (const line of block.split("\n")) {
      if (line.startsWith("- ")) {
        if (!list) blocks.push((list = h("ul")));
        list.append(h("li", {}, ...inline(line.slice(2))));
      } else if (line) {
        list = null;
        blocks.push(h("p", {}, ...inline(line)));
      }
    }
  }
  return blocks;
}

const follow = (value) =>
  value && value.$ref ? value.$ref.slice(2).split("/").reduce((at, key) => at[key], doc) : value;
const nameOf = (schema) => (schema.$ref ? schema.$ref.split("/").pop() : null);

/** A schema without its "or null", and whether it had one. */
function bare(schema) {
  const choices = schema.anyOf || [];
  if (choices.length === 2 && choices[1].type === "null") {
    return [{ ...choices[0], ...(schema.description ? { description: schema.description } : {}) }, true];
  }
  if (Array.isArray(schema.type)) {
    const kinds = schema.type.filter((kind) => kind !== "null");
    const words = schema.enum ? { enum: schema.enum.filter((word) => word !== null) } : {};
    return [{ ...schema, ...words, type: kinds[0] }, true];
  }
  return [schema, false];
}

/** What a value is, in a few words. */
function kindOf(schema) {
  const [plain, orNull] = bare(schema);
  const end = orNull ? " or null" : "";
  if (plain.$ref) return nameOf(plain) + end;
  if (plain.const !== undefined) return JSON.stringify(plain.const) + end;
  const choices = plain.oneOf || plain.anyOf;
  if (choices && !plain.properties) return choices.map(kindOf).filter((kind, i, all) => all.indexOf(kind) === i).slice(0, 4).join(" or ") + end;
  if (plain.type === "array") return `list of ${plain.items ? kindOf(plain.items) : "anything"}` + bounds(plain) + end;
  if (!plain.type) return "anything";
  const format = plain.format ? ` (${plain.format})` : "";
  return plain.type + format + bounds(plain) + end;
}

function bounds(schema) {
  const range = (least, most, unit) => {
    if (least === undefined && most === undefined) return "";
    if (least === most) return `, ${least}${unit}`;
    if (most === undefined) return least > (unit ? 1 : 0) || !unit ? `, at least ${least}${unit}` : "";
    return least === undefined ? `, at most ${most}${unit}` : `, ${least} to ${most}${unit}`;
  };
  if (schema.type === "string") return range(schema.minLength, schema.maxLength, " characters");
  if (schema.type === "array") return range(schema.minItems, schema.maxItems, " items");
  return range(schema.minimum, schema.maximum, "");
}

/** One member: its name, kind, limits and words, and what is inside of it. */
function row(name, schema, isRequired) {
  const [plain] = bare(schema);
  const target = follow(plain);
  const about = plain.description || (plain.$ref ? target.description : "");
  const inner = deeper(plain);
  const words = plain.enum || (plain.type === "array" && plain.items && plain.items.enum);
  return h("div", { class: "row" },
    h("div", { class: "what" },
      h("span", { class: "name" }, name),
      h("span", { class: "kind" }, kindOf(schema)),
      isRequired ? h("span", { class: "must" }, "required") : null,
      plain.default !== undefined ? h("span", { class: "kind" }, `default ${JSON.stringify(plain.default)}`) : null),
    about ? prose(about) : null,
    words ? h("p", { class: "words" }, ...words.map((word) => h("code", {}, String(word)))) : null,
    plain.pattern && plain.pattern.length < 60 && !plain.format ? h("p", { class: "words" }, "matches ", h("code", {}, plain.pattern)) : null,
    inner);
}

/** What is inside of a schema, opened on demand. */
function deeper(schema) {
  const target = follow(schema);
  const items = target.type === "array" ? target.items : null;
  const inside = items || target;
  const real = follow(bare(inside)[0]);
  const hasMore = real.properties || (real.oneOf && !real.properties) || (real.anyOf && real.anyOf.some((one) => follow(one).properties));
  if (!hasMore) return null;
  const name = nameOf(inside) || nameOf(schema);
  const deep = h("div", { class: "deep" });
  const details = h("details", { class: "inner", toggle: () => { if (!deep.firstChild) deep.append(tree(real)); } },
    h("summary", {}, name || (items ? "of its items" : "its fields")), deep);
  return details;
}

/** The members of a schema; of several shapes, one at a time. */
function tree(schema) {
  const target = follow(schema);
  if (target.allOf) return h("div", {}, ...target.allOf.map(tree));
  const choices = (target.oneOf || target.anyOf || []).filter((one) => follow(one).type !== "null");
  if (choices.length > 1 && !target.properties) return shapes(choices);
  if (target.type === "array" && target.items) return tree(target.items);
  const required = new Set(target.required || []);
  const rows = Object.entries(target.properties || {}).map(([name, one]) => row(name, one, required.has(name)));
  if (target.properties && target.oneOf) {
    const names = target.oneOf.map((one) => (one.required || []).join()).filter(Boolean);
    rows.unshift(h("div", { class: "row" }, prose(`Exactly one of ${names.map((name) => `\`${name}\``).join(", ")}.`)));
  }
  if (!rows.length) return h("p", { class: "quiet" }, target.type ? kindOf(target) : "Anything.");
  return h("div", { class: "rows" }, ...rows);
}

function shapes(choices) {
  const label = (one, index) => {
    const target = follow(one);
    const kind = target.properties && target.properties.type;
    return nameOf(one) || target.title || (kind && kind.const) || (target.properties ? `shape ${index + 1}` : kindOf(one));
  };
  const place = h("div");
  const show = (index) => place.replaceChildren(tree(choices[index]));
  const select = h("select", { class: "choose", "aria-label": "Shape", change: (event) => show(Number(event.target.value)) },
    ...choices.map((one, index) => h("option", { value: index }, label(one, index))));
  show(0);
  return h("div", {}, select, place);
}

/** JSON, coloured. */
function coloured(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const parts = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)/);
  return parts.map((part, index) => {
    if (index % 2 === 0 || part === undefined) return part || null;
    const kind = part.startsWith('"') ? (/:$/.test(part) ? "k" : "s") : "n";
    return h("span", { class: kind }, part);
  });
}

function copyable(pre) {
  const copy = h("button", { type: "button", click: async () => {
    await navigator.clipboard.writeText(pre.textContent);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1200);
  } }, "Copy");
  return h("div", { class: "copied" }, pre, copy);
}

const tone = (status) => (status < 400 ? "good" : status < 500 ? "warn" : "bad");

/** Tabs: labels and what they show. Arrow keys move between them. */
function tabs(label, entries) {
  const place = h("div", { role: "tabpanel" });
  const buttons = entries.map(([name, kind, make], index) =>
    h("button", { type: "button", role: "tab", class: kind, click: () => choose(index), keydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) { choose((index + step + entries.length) % entries.length, true); event.preventDefault(); }
    } }, name));
  function choose(index, isByKey) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
    if (isByKey) buttons[index].focus();
    place.replaceChildren(...[entries[index][2]()].flat());
  }
  choose(0);
  return h("div", {}, h("div", { class: "tabs", role: "tablist", "aria-label": label }, ...buttons), place);
}

function operations() {
  return Object.entries(doc.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({ path, method, ...methods[method] })));
}

// --- The menu.

function link(operation) {
  return h("a", { href: `#/${operation.operationId}` },
    h("span", { class: `verb ${operation.method}` }, operation.method === "delete" ? "DEL" : operation.method.toUpperCase()),
    h("span", {}, operation.summary));
}

function menu(filter = "") {
  const wanted = filter.trim().toLowerCase();
  const all = operations().filter((one) => `${one.method} ${one.path} ${one.summary} ${one.operationId}`.toLowerCase().includes(wanted));
  const parts = doc.tags.map((tag) => [tag, all.filter((one) => one.tags[0] === tag.name)]);
  const more = wanted ? [] : [h("h2", {}, "More"), h("ul", {},
    h("li", {}, h("a", { href: "#/event" }, h("span", {}, "What is posted to you"))),
    h("li", {}, h("a", { href: "#/errors" }, h("span", {}, "Errors"))))];
  $("routes").replaceChildren(
    ...parts.filter(([, list]) => list.length).flatMap(([tag, list]) =>
      [h("h2", {}, tag.name), h("ul", {}, ...list.map((one) => h("li", {}, link(one))))]),
    ...more, all.length ? "" : h("p", { class: "quiet" }, "There is no such route."));
  mark();
}

function mark() {
  for (const anchor of $("routes").querySelectorAll("a")) {
    if (anchor.getAttribute("href") === location.hash) {
      anchor.setAttribute("aria-current", "page");
      anchor.scrollIntoView({ block: "nearest" });
    } else anchor.removeAttribute("aria-current");
  }
}

// --- The pages.

function overview() {
  const all = operations();
  return h("div", { class: "wide" },
    h("h1", {}, `${doc.info.title} API`), prose(doc.info.description),
    h("div", { class: "cards" }, ...doc.tags.map((tag) => h("section", { class: "card" },
      h("h3", {}, tag.name), h("p", {}, tag.description),
      h("ul", {}, ...all.filter((one) => one.tags[0] === tag.name).map((one) => h("li", {}, link(one))))))));
}

function errors() {
  const rows = Object.entries(doc.components.examples).map(([code, example]) => h("div", { class: "row" },
    h("div", { class: "what" }, h("span", { class: "name" }, code)), prose(example.summary),
    h("details", { class: "inner" }, h("summary", {}, "an answer"), h("pre", {}, ...coloured(example.value)))));
  return h("div", { class: "columns" }, h("div", {}, h("h1", {}, "Errors"),
    prose("`code` is for programs and stays the same; `message` is for people."), h("div", { class: "rows" }, ...rows)));
}

function posted() {
  const post = doc.webhooks.event.post;
  return h("div", { class: "columns" }, h("div", {},
    h("h1", {}, post.summary), prose(post.description),
    h("h2", { class: "part" }, "Headers"), parameters(post.parameters),
    h("h2", { class: "part" }, "Body"), tree(post.requestBody.content["application/json"].schema)));
}

function parameters(list) {
  return h("div", { class: "rows" }, ...list.map((one) =>
    row(one.name, { ...one.schema, description: one.description }, one.required)));
}

function answers(operation) {
  return tabs("Answers", Object.entries(operation.responses).map(([status, given]) => {
    const response = follow(given);
    return [status, tone(Number(status)), () => {
      const content = Object.entries(response.content || {})[0];
      const parts = [...prose(response.description)];
      const headers = Object.entries(response.headers || {}).map(([name, one]) => [name, follow(one)]);
      if (content) {
        const [kind, { schema, example, examples }] = content;
        const shown = example !== undefined ? { example: { value: example } } : examples || {};
        if (Number(status) < 400 && schema) {
          const data = follow(schema).properties && follow(schema).properties.data;
          parts.push(h("h3", {}, data ? "data" : kind), tree(data || schema));
        }
        for (const [name, one] of Object.entries(shown)) {
          const summary = name === "example" ? "Example" : name;
          parts.push(h("h3", {}, summary), copyable(h("pre", {}, ...coloured(follow(one).value))));
        }
      }
      if (headers.length) {
        parts.push(h("details", { class: "inner" }, h("summary", {}, "headers"),
          h("div", { class: "deep" }, h("div", { class: "rows" },
            ...headers.map(([name, one]) => row(name, { ...one.schema, description: one.description }, one.required))))));
      }
      return parts;
    }];
  }));
}

function body(operation) {
  if (!operation.requestBody) return [];
  const [{ schema, examples }] = Object.values(operation.requestBody.content);
  const heading = operation.requestBody.required ? "Body" : "Body (may be left out)";
  const fields = follow(schema).properties && !Object.keys(follow(schema).properties).length;
  const kinds = Object.keys(operation.requestBody.content).join(" or ");
  return [h("h2", { class: "part" }, heading), h("p", { class: "quiet" }, kinds),
    fields ? h("p", { class: "quiet" }, "Nothing, or an empty object.") : tree(schema),
    examples && !fields ? [h("h3", {}, "Examples"), tabs("Examples", Object.entries(examples).map(([name, one]) =>
      [name.replaceAll("_", " "), "", () => copyable(h("pre", {}, ...coloured(one.value)))]))] : []];
}

function page(operation) {
  const listed = (operation.parameters || []);
  return h("div", { class: "columns" },
    h("article", {},
      h("h1", {}, operation.summary),
      h("div", { class: "route" },
        h("span", { class: `verb ${operation.method}` }, operation.method.toUpperCase()),
        h("span", { class: "path" }, operation.path),
        operation["x-permission"] ? h("span", { class: "needs" }, operation["x-permission"]) : null),
      h("button", { class: "jump", type: "button", click: () => document.querySelector(".try").scrollIntoView() }, "Try it"),
      prose(operation.description),
      listed.length ? [h("h2", { class: "part" }, "Parameters"), parameters(listed)] : [],
      body(operation),
      h("h2", { class: "part" }, "Answers"), answers(operation)),
    tryOut(operation));
}

// --- Trying it.

const takesKey = (operation) => operation.security.some((one) => one.key);
const isOpen = (operation) => !operation.security.length || operation.security.some((one) => !Object.keys(one).length);
const whoCalls = (operation) => (takesKey(operation) ? "with the key above" : isOpen(operation) ? "needs no key" : "not with a key");
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function tryOut(operation) {
  const inputs = (operation.parameters || []).map((one) => {
    const [schema] = bare(one.schema);
    const input = schema.enum && one.in !== "path"
      ? h("select", {}, h("option", { value: "" }, ""), ...schema.enum.map((word) => h("option", {}, String(word))))
      : h("input", { placeholder: one.example || (schema.examples || [])[0] || schema.default || null, spellcheck: "false", autocomplete: "off" });
    const field = h("label", { class: "field" },
      h("span", {}, h("span", { class: "name" }, one.name), one.required ? h("span", { class: "must" }, "required") : h("span", { class: "kind" }, one.in)), input);
    return { one, input, field };
  });
  const content = operation.requestBody && Object.entries(operation.requestBody.content)[0];
  const isForm = content && content[0] === "multipart/form-data";
  const examples = content && Object.entries(content[1].examples || {});
  const text = content && !isForm ? h("textarea", { spellcheck: "false", "aria-label": "Body" }) : null;
  const fill = (index) => { text.value = JSON.stringify(examples[index][1].value, null, 2); curl(); };
  const parts = isForm ? Object.entries(follow(content[1].schema).properties).map(([name, schema]) => {
    const input = h("input", { type: bare(schema)[0].format === "binary" ? "file" : "text" });
    return { name, input, field: h("label", { class: "field" }, h("span", {}, h("span", { class: "name" }, name)), input) };
  }) : [];
  const line = h("pre", { class: "wrap" });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const send = h("button", { class: "send", type: "submit" }, "Send");

  function address() {
    let path = operation.path;
    const query = new URLSearchParams();
    for (const { one, input } of inputs) {
      if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(input.value) || `{${one.name}}`);
      if (one.in === "query" && input.value) query.set(one.name, input.value);
    }
    return path + (query.size ? `?${query}` : "");
  }
  function headers() {
    const set = {};
    if ($("key").value && takesKey(operation)) set["X-API-Key"] = $("key").value;
    for (const { one, input } of inputs) if (one.in === "header" && input.value) set[one.name] = input.value;
    if (text && text.value) set["Content-Type"] = "application/json";
    return set;
  }
  function curl() {
    const words = ["curl"];
    if (!["get", "post"].includes(operation.method) || (operation.method === "post" && !(text && text.value) && !isForm)) {
      words.push("-X", operation.method.toUpperCase());
    }
    words.push(quoted(location.origin + address()));
    const shown = headers();
    if (takesKey(operation)) shown["X-API-Key"] = "$KEY";
    for (const [name, value] of Object.entries(shown)) {
      words.push(value === "$KEY" ? `-H "${name}: $KEY"` : `-H ${quoted(`${name}: ${value}`)}`);
    }
    if (isForm) for (const { name, input } of parts) {
      if (input.type === "file") words.push(`-F ${name}=@${input.files[0] ? quoted(input.files[0].name) : "FILE"}`);
      else if (input.value) words.push(`-F ${quoted(`${name}=${input.value}`)}`);
    }
    if (text && text.value) {
      let body = text.value;
      try { body = JSON.stringify(JSON.parse(body)); } catch { /* It goes out as it is. */ }
      words.push(`-d ${quoted(body)}`);
    }
    line.textContent = words.join(" ");
  }
  async function call(event) {
    event.preventDefault();
    const missing = inputs.find(({ one, input }) => one.required && !input.value);
    if (missing) { missing.input.focus(); return; }
    send.disabled = true;
    const begun = performance.now();
    try {
      let body;
      if (isForm) {
        body = new FormData();
        for (const { name, input } of parts) {
          if (input.type === "file") { if (input.files[0]) body.append(name, input.files[0]); }
          else if (input.value) body.append(name, input.value);
        }
      } else if (text && text.value) body = text.value;
      const response = await fetch(address(), { method: operation.method.toUpperCase(), headers: headers(), body });
      await show(response, Math.round(performance.now() - begun));
    } catch (error) {
      answer.replaceChildren(h("p", { class: "outcome bad" }, `The call did not get through: ${error.message}`));
    }
    send.disabled = false;
  }
  async function show(response, ms) {
    const kind = response.headers.get("content-type") || "";
    const head = [h("p", { class: "outcome" },
      h("span", { class: tone(response.status) }, `${response.status} ${response.statusText}`), h("span", { class: "quiet" }, `${ms} ms`))];
    const list = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const tail = h("details", { class: "inner", open: true }, h("summary", {}, "headers"), h("pre", { class: "wrap" }, list));
    if (kind.startsWith("text/event-stream")) return stream(response, head, tail);
    let shown = null;
    if (kind.startsWith("image/")) shown = h("img", { src: URL.createObjectURL(await response.blob()), alt: "The file" });
    else {
      const words = await response.text();
      let pretty = words;
      try { pretty = JSON.stringify(JSON.parse(words), null, 2); } catch { /* It is no JSON. */ }
      if (words) shown = copyable(h("pre", {}, ...(pretty.length < 200000 ? coloured(pretty) : [pretty])));
    }
    answer.replaceChildren(...head, shown || "", tail);
  }
  async function stream(response, head, tail) {
    const place = h("pre", { class: "wrap" });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const stop = h("button", { type: "button", click: () => reader.cancel() }, "Stop");
    answer.replaceChildren(...head, stop, place, tail);
    addEventListener("hashchange", () => reader.cancel(), { once: true });
    (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        place.append(value);
      }
      stop.disabled = true;
    })().catch(() => { stop.disabled = true; });
  }

  const often = inputs.filter(({ one }) => one.required).map(({ field }) => field);
  const seldom = inputs.filter(({ one }) => !one.required).map(({ field }) => field);
  const form = h("form", { submit: call, input: curl, change: curl },
    ...often,
    seldom.length ? h("details", { open: seldom.length < 4 }, h("summary", {}, "Parameters"), ...seldom) : null,
    ...parts.map(({ field }) => field),
    text ? h("div", { class: "field" },
      h("span", {}, h("span", { class: "name" }, "body")),
      examples.length > 1 ? h("select", { class: "choose", "aria-label": "Example", change: (event) => fill(event.target.value) },
        ...examples.map(([name], index) => h("option", { value: index }, name.replaceAll("_", " ")))) : null,
      text) : null,
    h("div", { class: "act" }, send, h("span", { class: "quiet" }, whoCalls(operation))),
    copyable(line), answer);
  if (text && examples.length) fill(0);
  curl();
  $("key").oninput = () => { sessionStorage.setItem("key", $("key").value); curl(); };
  return h("aside", { class: "try", "aria-label": "Try it" }, h("h2", {}, "Try it"), form);
}

// --- The page as a whole.

function show() {
  const name = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  // The link to the content is no page.
  if (name === "main") return;
  const operation = operations().find((one) => one.operationId === name);
  const made = operation ? page(operation) : name === "errors" ? errors() : name === "event" ? posted() : overview();
  $("main").replaceChildren(made);
  document.title = operation ? `${operation.summary} · Waypost API` : "Waypost API";
  open(false);
  mark();
  scrollTo(0, 0);
}

function open(isOpen) {
  $("side").classList.toggle("open", isOpen);
  $("menu").setAttribute("aria-expanded", String(isOpen));
}

async function begin() {
  $("key").value = sessionStorage.getItem("key") || "";
  $("key").oninput = () => sessionStorage.setItem("key", $("key").value);
  $("menu").addEventListener("click", () => open(!$("side").classList.contains("open")));
  $("find").addEventListener("input", (event) => menu(event.target.value));
  addEventListener("hashchange", () => { show(); $("main").focus({ preventScroll: true }); });
  addEventListener("keydown", (event) => {
    const isTyping = ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
    if (event.key === "/" && !isTyping) { event.preventDefault(); open(true); $("find").focus(); }
    if (event.key === "Escape") open(false);
  });
  try {
    const response = await fetch("/api/openapi.json");
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    doc = await response.json();
  } catch (error) {
    $("main").replaceChildren(h("p", { class: "bad" }, `The description of the API could not be read: ${error.message}`));
    return;
  }
  $("version").textContent = doc.info.version;
  menu();
  show();
}

begin();
