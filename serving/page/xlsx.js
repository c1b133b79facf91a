"use strict";
// The first sheet of an Excel workbook: a ZIP of XML files (ECMA-376), read with what a browser has.

const MOST_INFLATED = 64 * 2 ** 20; // of one file in the ZIP; a small ZIP can hold a huge one
const MOST_ROWS = 10_000;
const MOST_COLUMNS = 500;
const RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

async function readXlsx(bytes) {
  const files = filesOfZip(bytes);
  if (!files.has("xl/workbook.xml")) throw new FileProblem("binary", "ZIP");
  const xml = async (name) => (files.has(name) ? xmlOf(await inflated(bytes, files.get(name))) : null);
  const workbook = await xml("xl/workbook.xml");
  const sheets = all(workbook, "sheet");
  const path = sheetPath(sheets[0], await xml("xl/_rels/workbook.xml.rels"));
  const sheet = await xml(path);
  if (!sheet) throw new FileProblem("brokenExcel");
  const shared = all(await xml("xl/sharedStrings.xml"), "si").map(stringOf);
  const dates = dateStyles(await xml("xl/styles.xml"));
  const since1904 = ["1", "true"].includes(all(workbook, "workbookPr")[0]?.getAttribute("date1904") ?? "");
  const records = recordsOf(sheet, (cell) => valueOf(cell, shared, dates, since1904 ? 24107 : 25569));
  if (!records.length) throw new FileProblem("noRows");
  return { records, notes: sheets.length > 1 ? [["sheets", sheets[0].getAttribute("name")]] : [] };
}

const all = (node, name) => [...(node?.getElementsByTagNameNS("*", name) ?? [])];

function xmlOf(bytes) {
  const text = new TextDecoder().decode(bytes);
  if (text.includes("<!DOCTYPE")) throw new FileProblem("brokenExcel"); // no spreadsheet writes one; it could define entities without end
  const document = new DOMParser().parseFromString(text, "application/xml");
  if (all(document, "parsererror").length) throw new FileProblem("brokenExcel");
  return document;
}

// ---- ZIP

// The ZIP's list of files stands at its end: name -> { start, size, method }.
function filesOfZip(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    let end = bytes.length - 22;
    while (view.getUint32(end, true) !== 0x06054b50) end--;
    const files = new Map();
    let at = view.getUint32(end + 16, true);
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (view.getUint32(at, true) !== 0x02014b50) throw new FileProblem("brokenExcel");
      const [length, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
      const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + length));
      files.set(name, { header: view.getUint32(at + 42, true), size: view.getUint32(at + 20, true), method: view.getUint16(at + 10, true) });
      at += 46 + length + extra + comment;
    }
    for (const file of files.values()) file.start = file.header + 30 + view.getUint16(file.header + 26, true) + view.getUint16(file.header + 28, true);
    return files;
  } catch { throw new FileProblem("brokenExcel"); } // an address beyond the end
}

async function inflated(bytes, { start, size, method }) {
  const packed = bytes.subarray(start, start + size);
  if (method === 0) return packed;
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks = [];
  let total = 0;
  for (;;) {
    let step;
    try { step = await reader.read(); }
    catch { throw new FileProblem("brokenExcel"); }
    if (step.done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
    chunks.push(step.value);
    total += step.value.length;
    if (total > MOST_INFLATED) { reader.cancel(); throw new FileProblem("tooLarge"); }
  }
}

// ---- The sheet

function sheetPath(sheet, relationships) {
  const id = sheet?.getAttributeNS(RELATIONSHIPS, "id") ?? sheet?.getAttribute("r:id");
  const target = all(relationships, "Relationship").find((each) => each.getAttribute("Id") === id)?.getAttribute("Target");
  if (!target) return "xl/worksheets/sheet1.xml";
  return target.startsWith("/") ? target.slice(1) : "xl/" + target.replace(/^\.\//, "");
}

// A string may be in pieces with formats of their own; how it is pronounced (rPh) is no part of it.
function stringOf(node) {
  const pieces = all(node, "t").filter((piece) => piece.parentNode.localName !== "rPh");
  return pieces.map((piece) => piece.textContent).join("").replace(/_x([0-9A-Fa-f]{4})_/g, (_, code) => String.fromCharCode(parseInt(code, 16))).replace(/\r\n?/g, "\n");
}

function recordsOf(sheet, value) {
  const records = [];
  for (const row of all(sheet, "row")) {
    const record = [];
    for (const cell of all(row, "c")) {
      const column = columnOf(cell.getAttribute("r")) ?? record.length;
      const text = value(cell);
      if (isEmpty(text)) continue;
      if (column >= MOST_COLUMNS) throw new FileProblem("tooWide");
      while (record.length < column) record.push("");
      record[column] = text;
    }
    if (record.length) records.push(record);
    if (records.length > MOST_ROWS + 1) throw new FileProblem("tooManyRows");
  }
  return records;
}

// "C7" is in column 2.
function columnOf(reference) {
  const letters = /^[A-Z]+/.exec(reference ?? "")?.[0];
  return letters && [...letters].reduce((sum, letter) => 26 * sum + letter.charCodeAt(0) - 64, 0) - 1;
}

function valueOf(cell, shared, dates, epoch) {
  const kind = cell.getAttribute("t");
  if (kind === "inlineStr") return stringOf(cell);
  const value = all(cell, "v")[0]?.textContent ?? "";
  if (kind === "s") return shared[Number(value)] ?? "";
  if (kind === "b") return value === "1" ? "TRUE" : "FALSE";
  if (kind === "str" || kind === "e" || kind === "d") return value;
  return value && dates.has(Number(cell.getAttribute("s") ?? 0)) ? dateOf(Number(value), epoch) : value;
}

// Which styles show a number as a date: built in, or a format of letters that only dates have.
function dateStyles(styles) {
  const own = all(styles, "numFmt").filter((each) => /[ymdhs]/i.test(each.getAttribute("formatCode").replace(/"[^"]*"|\[[^\]]*\]|\\./g, "")));
  const formats = new Set([14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 45, 46, 47, ...own.map((each) => Number(each.getAttribute("numFmtId")))]);
  const cells = all(all(styles, "cellXfs")[0], "xf");
  return new Set(cells.flatMap((each, at) => (formats.has(Number(each.getAttribute("numFmtId"))) ? [at] : [])));
}

// Excel counts days; `epoch` is 1970 in its count.
function dateOf(days, epoch) {
  const time = new Date(Math.round((days - epoch) * 86_400) * 1000);
  if (Number.isNaN(time.getTime())) return String(days);
  const [date, clock] = time.toISOString().split(/[T.]/);
  return days < 1 ? clock : days % 1 ? `${date} ${clock}` : date;
}
