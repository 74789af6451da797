// Predictions of many images: they fill while the server computes, are filtered, opened, and corrected.
// All content is set as text, because names of files and classes are untrusted.
import { Scroller } from "../review/static/scroller.js";
import { Selection } from "../review/static/selection.js";
import { read } from "./answer.js";
import { begun, make, percent, some } from "./tools.js";
import { dropped, lost, picker, upload } from "./uploads.js";

const THRESHOLD = " It calls no answer sure: that takes more labelled images, or a lower target accuracy in the project's settings.";
const KINDS = { sure: "sure", unsure: "not sure", unlike: "unlike the training images", unreadable: "unreadable" };
const NONE = "none of these, or not sure which";
const MAX_BUTTONS = 9; // classes with a button and a key
const POLL = 700; // milliseconds between questions for answers
const SENT = 50; // corrections in one request

const kindOf = ({ predicted, sure, unlike }) => {
  if (predicted === null) return "unreadable";
  if (unlike) return "unlike";
  return sure === null ? "" : sure ? "sure" : "unsure"; // "": the model has no threshold
};

// Return what people said of an image; of several labels, by label.
const rightOf = ({ corrected }) => (corrected && typeof corrected === "object" ? Object.entries(corrected).map(([label, has]) => (has ? label : `not ${label}`)).join(", ") : corrected || "none of these");

// The answers about an image: its class, or of several labels those that it has.
const answers = ({ predicted, labels }) => labels ?? (predicted === null ? [] : [predicted]);

const minutes = (seconds) => (seconds < 60 ? some(Math.max(1, Math.round(seconds)), "second") : some(Math.round(seconds / 60), "minute"));

const send = (address, content) => read(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });

export class Gallery {
  // place: the element to fill; root: address of the project's page; close: leads back to it.
  constructor(place, root, name, close) {
    Object.assign(this, { place, root, name, address: `${root}predictions/${name}`, rows: [], shown: [], labels: [], kind: "", label: "", sent: [], expected: Number(name.split("-")[1]), copying: null, fault: null, ordered: 0, isBusy: false });
    this.alert = make("p", { className: "alert", hidden: true, attributes: { role: "alert" } });
    this.title = make("h1", { textContent: "Predictions" });
    this.by = make("span", { className: "faint" });
    this.bar = make("progress", { hidden: true, attributes: { "aria-label": "Images answered" } });
    this.text = make("span", { textContent: "Reading …" });
    this.done = make("span", { className: "unseen", attributes: { role: "status" } });
    this.table = make("a", { className: "button", href: `${this.address}/table.csv`, textContent: "Download CSV", attributes: { download: "" } });
    this.filters = make("nav", { className: "filters", attributes: { "aria-label": "Filters" } });
    this.canvas = make("div", { className: "canvas", attributes: { role: "presentation" } });
    this.tiles = make("div", { className: "scroller", tabIndex: 0, attributes: { role: "listbox", "aria-multiselectable": "true", "aria-label": "Images" } }, this.canvas);
    this.status = make("p", { attributes: { role: "status" } });
    this.choices = make("p", { className: "labels" });
    const back = make("a", { className: "button", href: root || "./", textContent: "Back to the project" });
    if (close) back.addEventListener("click", (event) => { event.preventDefault(); close(); });
    const more = [...picker("Add images …", {}, (source) => this.add(source)), ...picker("Add a folder …", { webkitdirectory: "" }, (source) => this.add(source))];
    place.replaceChildren(this.alert,
      make("div", { className: "top" }, make("div", { className: "far" }, this.title, this.by), make("div", { className: "far" }, this.bar, this.text, this.done), make("p", { className: "actions" }, this.table, ...more, ...(close ? [back] : []))),
      this.filters, this.tiles, make("div", { className: "act" }, this.status, this.choices));
    this.scroller = new Scroller(this.tiles, this.canvas, (cell, index, section) => this.fill(cell, index, section));
    this.scroller.side = parseInt(getComputedStyle(place).getPropertyValue("--side"), 10);
    this.selection = new Selection(this.scroller, { rowAt: (index) => this.shown[index], count: () => this.shown.length, changed: () => this.changed() });
    this.tiles.addEventListener("keydown", (event) => this.key(event));
    this.tiles.addEventListener("dblclick", () => this.open());
    for (const kind of ["dragover", "drop"]) place.addEventListener(kind, (event) => { event.preventDefault(); if (kind === "drop") this.add(dropped(event)); });
    addEventListener("beforeunload", (event) => this.copying && event.preventDefault());
    this.poll();
  }

  // ---- files and answers

  async add(source) {
    this.warn("");
    this.copying ??= { found: 0, stored: 0 };
    const before = this.copying.stored;
    const { faults } = await upload(source, (path) => `${this.address}/images?path=${path}`, (found, stored) => Object.assign(this.copying, { found: Math.max(this.copying.found, found), stored: before + stored }));
    this.copying = null;
    if (faults.length) this.warn(`${lost(faults)}\nAdd them again: those that are here are kept once.`);
    this.poll();
  }

  async poll() {
    clearTimeout(this.timer);
    let state;
    try {
      state = await read(`${this.address}/state?since=${this.rows.length}`);
    } catch (error) {
      this.warn(error.message);
      this.timer = setTimeout(() => this.poll(), 5 * POLL);
      return;
    }
    this.state = state;
    this.labels = state.model?.labels ?? [];
    const digest = state.model?.digest;
    if (this.rows.length && digest !== this.digest) this.rows = []; // Another model answers again.
    else this.take(state.answers);
    this.digest = digest;
    this.around();
    if (this.rows.length < state.answered) this.poll();
    else if (this.copying || state.answered < state.files) this.timer = setTimeout(() => this.poll(), POLL);
    else if (state.files < this.expected) this.timer = setTimeout(() => this.poll(), 5 * POLL);
  }

  take(answers) {
    for (const answer of answers) this.rows.push({ ...answer, kind: kindOf(answer) });
    if (answers.length) this.isDue = true;
    // The more there are, the rarer images move and load again.
    const isCalm = Date.now() > this.ordered + Math.min(5000, 5 * this.rows.length) || this.state.answered === this.state.files;
    if (this.isDue && isCalm && !this.selection.rows.size) this.order();
  }

  // Show the rows that pass the filters, by class and confidence. The first one in view stays there.
  order() {
    const { scrollTop } = this.tiles;
    const first = scrollTop > 0 ? this.scroller.within(0, scrollTop, Infinity, scrollTop + 1)[0] : undefined;
    const top = this.shown[first];
    const offset = top ? scrollTop - this.scroller.position(first).y : 0;
    const focus = this.shown[this.selection.focus];
    const place = new Map(this.labels.map((label, at) => [label, at]));
    this.shown = this.rows.filter((row) => (!this.kind || row.kind === this.kind) && (!this.label || answers(row).includes(this.label)));
    this.shown.sort((a, b) => (place.get(a.predicted) ?? place.size) - (place.get(b.predicted) ?? place.size) || (a.labels && b.labels ? a.predicted.localeCompare(b.predicted) : 0) || b.confidence - a.confidence || (a.path < b.path ? -1 : 1));
    const sections = [];
    for (const [at, { predicted }] of this.shown.entries()) {
      if (!sections.length || sections.at(-1).label !== predicted) sections.push({ label: predicted, start: at, count: 0 });
      sections.at(-1).count += 1;
    }
    for (const section of sections) section.title = `${section.label ?? "Unreadable"} · ${section.count.toLocaleString("en")}`;
    this.isDue = false;
    this.ordered = Date.now();
    this.scroller.show(sections);
    const moved = top ? this.shown.indexOf(top) : -1;
    if (moved >= 0) this.tiles.scrollTop = this.scroller.position(moved).y + offset;
    this.selection.focus = Math.max(0, this.shown.indexOf(focus));
    this.changed();
  }

  filter(changes) {
    Object.assign(this, changes);
    this.selection.forget();
    this.tiles.scrollTop = 0;
    this.order();
    this.around();
  }

  // ---- display

  fill(cell, index, section) {
    const row = this.shown[index];
    const { path, predicted, confidence, kind, why } = row;
    if (predicted === null) {
      cell.img.removeAttribute("src");
      cell.address = cell.source = null;
      cell.box.classList.add("broken");
      cell.box.dataset.why = why;
    } else this.scroller.want(cell, `${this.root}thumbnail/${row.id}`);
    const right = row.corrected === null ? "" : `→ ${rightOf(row)}`;
    const name = path.split("/").at(-1).replace(/\.\w{3,4}$/, "");
    const most = Math.floor(this.scroller.side / 7) - 5; // The ends of names differ more than their beginnings.
    cell.text.textContent = right || `${predicted === null ? "" : `${percent(confidence)} `}${name.length > most ? `…${name.slice(1 - most)}` : name}`;
    cell.box.title = [path, why ?? `${predicted} ${percent(confidence)}`, KINDS[kind] ?? "", right].filter(Boolean).join("\n");
    cell.box.setAttribute("aria-label", `Image ${index + 1}, ${section.title.split(" · ")[0]}: ${cell.box.title.replaceAll("\n", ", ")}`);
    cell.box.dataset.kind = kind;
    cell.box.setAttribute("aria-selected", String(this.selection.rows.has(row)));
    cell.box.classList.toggle("focused", index === this.selection.focus);
    cell.box.classList.toggle("given", Boolean(right));
    if (index === this.selection.focus) this.tiles.setAttribute("aria-activedescendant", cell.box.id);
  }

  warn(text) {
    this.alert.textContent = text;
    this.alert.hidden = !text;
  }

  // Show all that is around the images.
  around() {
    const { answered, files, fault, model } = this.state;
    const total = Math.max(files, this.copying?.found ?? 0, this.expected);
    this.title.textContent = `${some(total, "image")}, ${begun(this.name)}`;
    if (this.root) document.title = `${this.title.textContent} · Pixmill`;
    this.by.textContent = model ? `Answered by ${model.title}.${model.threshold === null && !model.is_ever_sure ? THRESHOLD : ""}` : "";
    this.bar.hidden = answered === total;
    Object.assign(this.bar, { max: total, value: answered });
    this.text.textContent = this.far(total);
    this.done.textContent = answered === total ? `All ${some(total, "image")} answered.` : "";
    this.table.textContent = answered < total ? "Download CSV so far" : "Download CSV";
    if (fault !== this.fault) this.warn(fault ?? "");
    this.fault = fault;
    this.drawFilters();
    const labels = JSON.stringify([this.labels, this.ofLabels()]);
    if (labels !== this.drawn) this.drawChoices();
    this.drawn = labels;
  }

  far(total) {
    const { answered, files } = this.state;
    const now = Date.now() / 1000;
    this.first ??= answered ? { answered, now } : undefined;
    if (answered === total) return `All ${some(total, "image")} answered.`;
    if (answered === files && !this.copying) return `${files.toLocaleString("en")} of ${some(total, "file")} have arrived, and are answered. If the copying was interrupted, add the images again: those that are here are kept once.`;
    const rate = this.first && (answered - this.first.answered) / (now - this.first.now);
    return `${answered.toLocaleString("en")} of ${total.toLocaleString("en")} answered${rate > 0 ? `, about ${minutes((total - answered) / rate)} left` : answered ? "" : ": starting the model"}${this.copying ? ` (${files.toLocaleString("en")} copied: keep this page open)` : ""}`;
  }

  drawFilters() {
    const count = (rows, keys) => rows.reduce((counts, row) => keys(row).reduce((all, key) => all.set(key, (all.get(key) ?? 0) + 1), counts), new Map());
    const kinds = count(this.rows.filter((row) => !this.label || answers(row).includes(this.label)), (row) => [row.kind]);
    const classes = count(this.rows.filter((row) => !this.kind || row.kind === this.kind), answers);
    const doubtful = count(this.rows.filter((row) => ["unsure", "unlike"].includes(row.kind) && (!this.kind || row.kind === this.kind)), answers);
    const most = Math.max(1, ...classes.values());
    const button = (text, number, changes, isOn, bars = []) => {
      const made = make("button", { type: "button", attributes: { "aria-pressed": String(isOn) } }, make("span", { textContent: text }), make("span", { className: "faint", textContent: number.toLocaleString("en") }), ...bars);
      made.dataset.key = JSON.stringify(changes);
      made.disabled = !number && !isOn;
      made.addEventListener("click", () => this.filter(changes));
      return made;
    };
    const bars = (name) => {
      const [sure, rest] = [make("i"), make("i", { className: "second" })];
      sure.style.width = `${(100 * (classes.get(name) - (doubtful.get(name) ?? 0))) / most}%`;
      rest.style.width = `${(100 * (doubtful.get(name) ?? 0)) / most}%`;
      return [make("span", { className: "share", attributes: { "aria-hidden": "true" } }, sure, rest)];
    };
    const focused = document.activeElement?.dataset.key;
    this.filters.replaceChildren(
      button("all", this.rows.length, { kind: "", label: "" }, !this.kind && !this.label),
      ...Object.entries(KINDS).map(([kind, text]) => button(text, kinds.get(kind) ?? 0, { kind: this.kind === kind ? "" : kind }, this.kind === kind)),
      make("h2", { textContent: this.ofLabels() ? "Labels" : "Classes" }),
      ...this.labels.filter((name) => classes.get(name) || this.label === name).slice(0, 200).map((name) => button(name, classes.get(name) ?? 0, { label: this.label === name ? "" : name }, this.label === name, classes.get(name) ? bars(name) : [])));
    if (focused) [...this.filters.children].find(({ dataset }) => dataset.key === focused)?.focus();
  }

  ofLabels() {
    return Boolean(this.state?.model?.flags?.length);
  }

  drawChoices() {
    const button = (text, key, label, isNo = false) => {
      const made = make("button", { type: "button", attributes: isNo ? { "aria-label": `${label}: no` } : {} }, text, ...(key ? [" ", make("kbd", { textContent: key })] : []));
      made.addEventListener("click", () => this.correct(label, isNo));
      return made;
    };
    const hint = (text) => make("span", { className: "hint", textContent: text });
    const rest = make("select", { attributes: { "aria-label": "Another class" } }, make("option", { value: "", textContent: "another class …" }), ...this.labels.slice(MAX_BUTTONS).map((label) => make("option", { value: label, textContent: label })));
    rest.addEventListener("change", () => { if (rest.value) this.correct(rest.value); rest.value = ""; });
    const open = make("button", { type: "button" }, "Open ", make("kbd", { textContent: "Enter" }));
    open.addEventListener("click", () => this.open());
    if (this.ofLabels()) this.choices.replaceChildren(hint("Wrong? Select them, then say which labels they have, with Shift which not:"), ...this.labels.map((label, at) => make("span", {}, button(label, at < MAX_BUTTONS ? String(at + 1) : "", label), button("no", "", label, true))), open);
    else this.choices.replaceChildren(hint("Wrong? Select them, then choose the right class:"), ...this.labels.slice(0, MAX_BUTTONS).map((label, at) => button(label, String(at + 1), label)),
      ...(this.labels.length > MAX_BUTTONS ? [rest] : []), button(NONE, "0", ""), open);
    this.changed();
  }

  // The selection has changed.
  changed() {
    const { size } = this.selection.rows;
    if (!size && this.isDue) return this.order();
    this.scroller.refresh();
    for (const each of this.choices.querySelectorAll("button, select")) each.disabled = !size && !each.textContent.startsWith("Open");
    const row = this.shown[this.selection.focus];
    if (!this.isBusy) this.status.textContent = size ? `${some(size, "image")} selected. Esc selects none.` : row ? `None of ${some(this.shown.length, "image")} selected. At the focus: ${row.path}, ${row.why ?? `${row.predicted} ${percent(row.confidence)}`}` : this.rows.length ? "No image is here." : "";
  }

  // ---- actions

  open() {
    const row = this.selection.rows.size === 1 ? [...this.selection.rows][0] : this.shown[this.selection.focus];
    if (row) open(`${this.root}image/${row.id}`, "_blank", "noopener");
  }

  // Send the right class, or of several labels one that they have or, if `isNo`, lack.
  async correct(label, isNo = false) {
    const rows = [...this.selection.rows].filter(({ predicted }) => predicted !== null);
    if (!rows.length || this.isBusy) return;
    this.isBusy = true;
    this.warn("");
    try {
      for (let at = 0; at < rows.length; at += SENT) {
        this.status.textContent = `Sending ${at.toLocaleString("en")} of ${some(rows.length, "image")} …`;
        const part = rows.slice(at, at + SENT);
        const labels = this.ofLabels() ? { [label]: !isNo } : null;
        await send(`${this.address}/correct`, { paths: part.map(({ path }) => path), label: labels ? null : label, labels });
        for (const row of part) row.corrected = labels ? { ...row.corrected, ...labels } : label;
      }
      this.sent = rows;
      const undo = make("button", { type: "button" }, "Undo ", make("kbd", { textContent: "z" }));
      undo.addEventListener("click", () => this.takeBack());
      this.status.replaceChildren(`${some(rows.length, "image")} sent as ${isNo ? "not " : ""}${label || NONE}. They wait in `, make("a", { href: `${this.root}review/`, textContent: "Review" }), ", and the table has them in the column “corrected”. ", undo);
      if (!this.ofLabels()) this.selection.clear(); // They may have further labels.
    } catch (error) {
      this.warn(error.message);
    } finally {
      this.isBusy = false;
      this.scroller.refresh();
    }
  }

  // Of those that are selected, or else those that were sent last.
  async takeBack() {
    const rows = this.selection.rows.size ? [...this.selection.rows] : this.sent;
    if (!rows.length || this.isBusy) return;
    this.warn("");
    try {
      await send(`${this.address}/correct`, { paths: rows.map(({ path }) => path), label: null });
      for (const row of rows) row.corrected = null;
      this.sent = [];
      this.status.textContent = `${some(rows.length, "correction")} taken back.`;
      this.scroller.refresh();
    } catch (error) {
      this.warn(error.message);
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.scroller.columns, ArrowDown: this.scroller.columns, Home: -Infinity, End: Infinity }[event.key];
    const ofLabels = this.ofLabels();
    const digit = Number((ofLabels ? /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1] : /^\d$/.exec(event.key)?.[0]) ?? -1); // With Shift, `key` is no digit.
    if (step) this.selection.move(this.selection.focus + step, event.shiftKey);
    else if (event.key === " ") this.selection.toggle(this.selection.focus);
    else if (event.key === "Enter") this.open();
    else if (event.key === "Escape") this.selection.clear();
    else if (event.repeat) return;
    else if (event.key === "z") this.takeBack();
    else if (digit === 0) this.correct("");
    else if (digit > 0 && this.labels[digit - 1]) this.correct(this.labels[digit - 1], ofLabels && event.shiftKey);
    else return;
    event.preventDefault();
  }
}

const own = document.getElementById("gallery");
if (own) new Gallery(own, "../", location.pathname.split("/").at(-1), null);
