"use strict";
// The section of the page where a file is chosen, looked at, classified and given back. Needs files.js and xlsx.js.

const BATCH = 64;
const PREVIEW_ROWS = 5, SHOWN_RESULTS = 20;
const DELIMITER_WORDS = { ",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe" };
const FORMATS = ".csv,.tsv,.txt,.json,.jsonl,.ndjson,.xlsx";

// What the section shows; `phase` is reading, refused, preview, busy or done. A new file takes the place of the old one,
// and whatever still runs for that sees that it is no longer `upload`, and ends.
let upload = null;

async function openFile(file) {
  const mine = showUpload({ phase: "reading", name: file.name });
  try {
    if (file.size > MOST_BYTES) throw new FileProblem("tooLarge");
    const table = await readTable(new Uint8Array(await file.arrayBuffer()));
    if (upload !== mine) return;
    const header = table.keyed || guessHeader(table.records);
    showUpload({ ...mine, phase: "preview", table, ...arranged(table, header) });
  } catch (error) {
    const problem = error instanceof FileProblem ? error : new FileProblem("unreadableFile");
    if (upload === mine) showUpload({ ...mine, phase: "refused", problem });
  }
}

// The table with a choice of header and column: what would be classified, and why the rest would not.
function arranged(table, header, chosen) {
  const { records, delimiter } = table;
  const width = guessWidth(records, header);
  const column = chosen ?? guessColumn(records, header, width);
  const rows = records.slice(header ? 1 : 0).map((record) => fitted(record, width, column, delimiter));
  const ragged = records.filter((record) => record.length > width && !record.slice(width).every(isEmpty)).length;
  const reasons = rows.map((row) => (isEmpty(row[column]) ? "emptyText" : isMissing(row[column]) ? "missingText" : [...row[column]].length > limits.max_text_chars ? "longText" : ""));
  return { header, column, names: Array.from({ length: width }, (_, at) => (header ? records[0][at] ?? "" : null)), rows, ragged, reasons };
}

async function classify() {
  const mine = showUpload({ ...upload, phase: "busy", reasons: [...upload.reasons], answers: [], read: 0, stopped: false, problem: null });
  const todo = mine.rows.flatMap((_, at) => (mine.reasons[at] ? [] : [at]));
  try {
    const size = Math.min(limits.max_batch, BATCH);
    for (let start = 0; start < todo.length && !mine.stopped; start += size) {
      await classifyRows(mine, todo.slice(start, start + size));
      if (upload !== mine) return;
      mine.read = Math.min(start + size, todo.length);
      drawProgress();
    }
  } catch (error) { mine.problem = error; }
  if (upload !== mine) return;
  for (const at of todo) if (!mine.answers[at] && !mine.reasons[at]) mine.reasons[at] = "notReached";
  mine.phase = "done";
  drawUpload();
  recent();
}

// One text that the server refuses does not take the others of its batch along.
async function classifyRows(mine, part) {
  try {
    const texts = part.map((at) => mine.rows[at][mine.column].replace(/\p{Cs}/gu, "\ufffd"));
    for (const [place, prediction] of (await batch(texts)).entries()) mine.answers[part[place]] = prediction;
  } catch (error) {
    if (error.status !== 413 && error.status !== 422) throw error;
    if (part.length === 1) { mine.reasons[part[0]] = error.message; return; }
    await classifyRows(mine, part.slice(0, part.length / 2));
    await classifyRows(mine, part.slice(part.length / 2));
  }
}

async function batch(texts) {
  for (let tries = 0; ; tries++) {
    try { return (await call("/predict_batch", { texts }, TRY_OUT)).predictions; }
    catch (error) {
      if (error.status !== 503 || tries >= 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.wait || 1)));
    }
  }
}

// ---- What is seen

function showUpload(next) {
  upload = next;
  drawUpload();
  return next;
}

function drawUpload() {
  if (!upload) return;
  const focused = $("sheet").contains(document.activeElement) ? document.activeElement.id : "";
  const draw = { reading: () => [], refused: () => [], preview: drawPreview, busy: drawBusy, done: drawDone }[upload.phase];
  $("csv").ariaBusy = String(upload.phase === "busy" || upload.phase === "reading");
  $("said").className = upload.phase === "refused" || upload.problem ? "error" : "soft";
  $("said").textContent = `${upload.name}: ${saidOf(upload)}`;
  $("sheet").replaceChildren(...draw(upload));
  const picked = document.querySelector("#preview th.picked");
  if (picked) picked.closest(".scroll").scrollLeft = picked.offsetLeft - 100; // on a phone it may be far to the right
  if (focused) ($(focused) ?? $("stop") ?? $("download") ?? $("classify"))?.focus();
}

function saidOf({ phase, problem, table, answers, reasons, rows }) {
  if (phase === "reading") return t("readingFile");
  if (phase === "refused") return t(problem.message).replace("#", problem.detail);
  if (phase === "busy") return t("reading");
  if (phase === "done") {
    const skipped = reasons.filter((reason) => ["emptyText", "missingText", "longText"].includes(reason)).length;
    const others = reasons.filter(Boolean).length - skipped;
    const parts = [["done", rows.length - skipped - others], skipped && ["skipped", skipped], others && ["notDone", others]];
    return [...parts.filter(Boolean).map(([word, number]) => numbered(word, number)), problem ? t(problem.message) : ""].join(" ").trim();
  }
  const facts = [table.format === "text" ? t("plainText") : table.format === "xlsx" ? "Excel" : table.format];
  if (table.encoding) facts.push(`${t("encoding")} ${table.encoding}`);
  if (table.delimiter) facts.push(`${t("delimiter")} ${t(DELIMITER_WORDS[table.delimiter])}`);
  return facts.join(" · ");
}

const numbered = (word, number) => (typeof t(word) === "function" ? t(word)(number) : t(word).replace("#", number.toLocaleString(language)));
const nameOf = ({ names }, at) => names[at] || `${t("column")} ${at + 1}`;
const shortened = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);

function drawPreview(mine) {
  const { table, header, column, rows, reasons } = mine;
  const again = (...choice) => showUpload({ ...mine, ...arranged(table, ...choice) });
  const options = mine.names.map((_, at) => el("option", { value: at, textContent: shortened(nameOf(mine, at), 40), selected: at === column }));
  const select = el("select", { id: "column", onchange: () => again(header, Number(select.value)) }, ...options);
  const box = el("input", { id: "header", type: "checkbox", checked: header, disabled: table.keyed, onchange: () => again(box.checked) });
  const ready = reasons.filter((reason) => !reason).length;
  const button = el("button", { className: "main", id: "classify", type: "button", textContent: numbered("classify", ready), disabled: !ready, onclick: classify });
  const left = reasons.length - ready;
  return [
    ...[...table.notes, ...(mine.ragged ? [["ragged", mine.ragged]] : [])].map(([word, detail]) => el("p", { className: "soft", textContent: t(word).replace("#", detail.toLocaleString()) })),
    el("div", { className: "row choices" }, el("label", { htmlFor: "column", textContent: t("whichColumn") }), select,
      el("label", { className: "check" }, box, t("firstIsHeader"))),
    previewTable(mine),
    el("div", { className: "row" }, button, el("span", { className: "soft", textContent: ready ? (left ? numbered("willSkip", left) : "") : t("noRows") })),
  ];
}

function previewTable(mine) {
  const mark = (at) => (at === mine.column ? "picked" : "");
  const head = el("tr", {}, ...mine.names.map((_, at) => el("th", { scope: "col", className: mark(at), textContent: shortened(nameOf(mine, at), 40) })));
  const body = mine.rows.slice(0, PREVIEW_ROWS).map((row) => el("tr", {}, ...row.map((cell, at) => el("td", { className: mark(at), textContent: shortened(cell, 80) }))));
  return scrolled(el("table", { id: "preview" }, el("thead", {}, head), el("tbody", {}, ...body)), t("preview"));
}

// A table wider than the page scrolls by itself, also by keyboard.
function scrolled(table, name) {
  const box = el("div", { className: "scroll", tabIndex: 0, ariaLabel: name }, table);
  box.setAttribute("role", "region");
  return box;
}

function drawBusy(mine) {
  const stop = el("button", { type: "button", id: "stop", textContent: t("stop"), disabled: mine.stopped, onclick: () => { mine.stopped = stop.disabled = true; } });
  const bar = el("progress", { id: "progress", max: mine.reasons.filter((reason) => !reason).length || 1, value: mine.read, ariaLabel: t("reading") });
  return [bar, el("div", { className: "row" }, el("span", { id: "progress-count", className: "grow soft", textContent: progressOf(mine, bar) }), stop)];
}

const progressOf = ({ read }, bar) => `${read.toLocaleString(language)} / ${bar.max.toLocaleString(language)}`;

function drawProgress() {
  $("progress").value = upload.read;
  $("progress-count").textContent = progressOf(upload, $("progress"));
}

function drawDone(mine) {
  const done = mine.rows.flatMap((row, at) => (mine.answers[at] ? [{ text: row[mine.column], ...mine.answers[at] }] : []));
  const unsure = done.filter(isUnsure).length;
  const shares = Object.fromEntries(labels.map((label) => [label, done.filter((each) => each.prediction === label).length / (done.length || 1)]));
  const back = el("button", { type: "button", id: "back", textContent: t("backToPreview"), onclick: () => showUpload({ ...mine, phase: "preview", problem: null, ...arranged(mine.table, mine.header, mine.column) }) });
  const buttons = el("div", { className: "row" }, downloadOf(mine), back);
  if (!done.length) return [buttons];
  const more = done.length > SHOWN_RESULTS ? [el("p", { className: "soft", textContent: numbered("firstRows", SHOWN_RESULTS) })] : [];
  return [buttons, bars(shares), ...(unsure ? [el("p", { className: "soft", textContent: numbered("unsureRows", unsure) })] : []),
    scrolled(el("table", { id: "results" }, ...rowsOf(done.slice(0, SHOWN_RESULTS))), t("results")), ...more];
}

function downloadOf(mine) {
  const names = mine.names.map((name, at) => name ?? `column_${at + 1}`);
  const reasonOf = (reason) => (reason === "longText" ? numbered("longText", limits.max_text_chars) : t(reason));
  const added = mine.rows.map((_, at) => [mine.answers[at]?.prediction ?? "", mine.answers[at]?.confidence ?? "", mine.reasons[at] ? reasonOf(mine.reasons[at]) : ""]);
  const csv = toCsv(names, mine.rows, ["label", "confidence", "reason"], added);
  if (mine.url) URL.revokeObjectURL(mine.url);
  mine.url = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
  return el("a", { className: "button main", id: "download", textContent: t("download"), href: mine.url, download: mine.name.replace(/\.[^.]*$/, "") + "-predictions.csv" });
}

function listenForFiles() {
  const open = (file) => file && openFile(file);
  $("file").accept = FORMATS;
  $("file").addEventListener("change", () => { open($("file").files[0]); $("file").value = ""; }); // the same file may come again
  for (const kind of ["dragover", "dragleave", "drop"]) document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") open(event.dataTransfer.files[0]);
  });
}
