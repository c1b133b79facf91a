"use strict";
// A file that a person chose, as a table: bytes -> text -> records. Nothing in here touches the page or the network.

const MOST_BYTES = 20 * 2 ** 20;
const LONGEST_QUOTED = 2 ** 17; // characters; a quote that closes no sooner was never meant to open anything
const SAMPLE = { characters: 2 ** 18, records: 200 };
const DELIMITERS = ["\t", ";", "|", ","]; // of two that fit alike the earlier: "4,5" is often a number

// Why a file is not read: `message` is a key of the page's words, `detail` what goes into the sentence.
class FileProblem extends Error {
  constructor(word, detail = "") {
    super(word);
    this.detail = detail;
  }
}

// { format, encoding, delimiter, records, keyed, notes }: `keyed` records begin with their keys, whatever a person says.
async function readTable(bytes) {
  if (bytes.length > MOST_BYTES) throw new FileProblem("tooLarge");
  if (startsWith(bytes, [0x50, 0x4b, 3, 4])) return withoutTitle({ format: "xlsx", encoding: "", delimiter: "", keyed: false, ...(await readXlsx(bytes)) });
  const { text, encoding, unreadable } = decode(bytes);
  if (/^\s*(<!doctype|<html|<\?xml|<table|\{\\rtf)/i.test(text)) throw new FileProblem("markup"); // many a ".xls" is HTML
  const table = { encoding, delimiter: "", keyed: true, ...(readJson(text) ?? readDelimited(text)) };
  table.records = table.records.slice(0, table.records.findLastIndex((record) => !record.every(isEmpty)) + 1);
  if (unreadable) table.notes = [["unreadable", unreadable], ...(table.notes ?? [])];
  if (!table.records.length) throw new FileProblem("noRows");
  return withoutTitle({ notes: [], ...table });
}

// Reports begin with a title or two above the row that names the columns.
function withoutTitle(table) {
  const filled = (record) => record.filter((cell) => !isEmpty(cell)).length;
  const titles = table.records.slice(0, 10).findIndex((record) => filled(record) > 1 && namesColumns(record));
  if (table.keyed || titles < 1 || table.records.slice(0, titles).some((record) => filled(record) > 1)) return table;
  return { ...table, records: table.records.slice(titles), notes: [...table.notes, ["titles", titles]] };
}

// ---- Bytes to text

const BINARY = { // first bytes of what people drop by mistake
  "PDF": [0x25, 0x50, 0x44, 0x46], "PNG": [0x89, 0x50, 0x4e, 0x47], "JPEG": [0xff, 0xd8, 0xff], "GIF": [0x47, 0x49, 0x46, 0x38],
  "XLS": [0xd0, 0xcf, 0x11, 0xe0], "gzip": [0x1f, 0x8b, 8], "7z": [0x37, 0x7a, 0xbc, 0xaf], "RAR": [0x52, 0x61, 0x72, 0x21], "Parquet": [0x50, 0x41, 0x52, 0x31],
};
const BOMS = [["utf-8", [0xef, 0xbb, 0xbf]], ["utf-16le", [0xff, 0xfe]], ["utf-16be", [0xfe, 0xff]]];
const ENCODING_NAMES = { "utf-8": "UTF-8", "utf-16le": "UTF-16 LE", "utf-16be": "UTF-16 BE", "euc-kr": "EUC-KR (CP949)", "windows-1252": "Windows-1252" };

const startsWith = (bytes, prefix) => prefix.every((byte, at) => bytes[at] === byte);
const isEmpty = (cell) => !/[^\p{White_Space}\ufeff]/u.test(cell); // what the server calls empty
const MISSING = new Set(["nan", "null", "none", "n/a", "na", "#n/a", "-", "--"]); // as `missing_values` of a dataset
const isMissing = (cell) => MISSING.has(cell.trim().toLowerCase()); // a text that stands for none
const count = (text, pattern) => text.match(pattern)?.length ?? 0;

function strictly(encoding, bytes) {
  try { return new TextDecoder(encoding, { fatal: true }).decode(bytes); }
  catch { return null; }
}

function decode(bytes) {
  for (const [kind, magic] of Object.entries(BINARY)) if (startsWith(bytes, magic)) throw new FileProblem(kind === "XLS" ? "oldExcel" : "binary", kind);
  const encoding = BOMS.find(([, bom]) => startsWith(bytes, bom))?.[0] ?? encodingOf(bytes);
  const text = strictly(encoding, bytes) ?? new TextDecoder(encoding).decode(bytes);
  const controls = count(text, /[\0-\x08\x0e-\x19\x1b\x7f-\x84\x86-\x9f]/g);
  if (text.includes("\0") || controls > 0.01 * text.length) throw new FileProblem("binary", "");
  return { text: text.replace(/\r\n?/g, "\n"), encoding: ENCODING_NAMES[encoding], unreadable: count(text, /\ufffd/g) };
}

// Of bytes without a byte order mark.
function encodingOf(bytes) {
  if (bytes.includes(0)) return wideEncoding(bytes);
  if (strictly("utf-8", bytes) !== null) return "utf-8";
  if (isKorean(bytes) && strictly("euc-kr", bytes) !== null) return "euc-kr";
  // A file that was cut in the middle of a character, or has a broken one, is still what nearly all of it is.
  const text = new TextDecoder("utf-8").decode(bytes);
  if (count(text, /[^\0-\x7f\ufffd]/g) > 10 * count(text, /\ufffd/g)) return "utf-8";
  const korean = new TextDecoder("euc-kr").decode(bytes);
  if (isKorean(bytes) && count(korean, /[가-힣]/g) > 10 * count(korean, /\ufffd/g)) return "euc-kr";
  return "windows-1252";
}

// UTF-16 has a NUL in every ASCII character. Of both orders, the one that has no impossible character and more ASCII.
function wideEncoding(bytes) {
  const others = bytes.filter((byte) => byte);
  const stray = others.length > 0.75 * bytes.length && strictly("utf-8", others) !== null; // a NUL or two in UTF-8
  if (stray) throw new FileProblem("binary", "");
  const plausible = ["utf-16le", "utf-16be"].flatMap((encoding) => {
    const text = strictly(encoding, bytes.subarray(0, bytes.length & ~1));
    const odd = text === null ? 1 : count(text, /[\p{Co}\p{Cn}\0-\x08\x0e-\x1f\x7f-\x9f]/gu);
    return odd ? [] : [{ encoding, ascii: count(text, /[\n\t -~]/g) }];
  });
  if (!plausible.length) throw new FileProblem("binary", "");
  return plausible.sort((a, b) => b.ascii - a.ascii)[0].encoding;
}

// Whether the pairs of bytes are the 2,350 syllables that people write. A Windows quote and the letter behind it make
// one of the 8,822 others, so "Don’t" of Western Windows is valid CP949 too.
function isKorean(bytes) {
  let common = 0, rare = 0;
  for (let at = 0; at < bytes.length - 1; at++) {
    if (bytes[at] < 0x81) continue;
    const lead = bytes[at], trail = bytes[++at];
    if (lead >= 0xb0 && lead <= 0xc8 && trail >= 0xa1) common++;
    else if (lead < 0xa1 || trail < 0xa1 || lead > 0xc8) rare++;
  }
  return common > 4 * rare;
}

// ---- JSON: an array, or one value a line

function readJson(text) {
  const whole = parsedJson(text);
  if (Array.isArray(whole)) return tableOf(whole, "JSON");
  if (whole && typeof whole === "object") {
    return tableOf(rowsOfObject(whole), "JSON");
  }
  const lines = text.split("\n").filter((line) => line.trim());
  if (!/^\s*[{[]/.test(lines[0] ?? "") || parsedJson(lines[0]) === undefined) return null;
  const values = lines.map(parsedJson);
  const broken = values.indexOf(undefined);
  if (broken >= 0) throw new FileProblem("brokenJson", broken + 1);
  return tableOf(values, "JSON Lines");
}

// An object of columns, {"text": ["a", "b"]} or {"text": {"0": "a", "1": "b"}}; one around a list of rows; or one row.
function rowsOfObject(whole) {
  const values = Object.values(whole);
  const keys = Object.keys(values[0] ?? {}).join();
  const columns = keys && values.every((value) => value && typeof value === "object" && Object.keys(value).join() === keys && Object.values(value).every((each) => typeof each !== "object" || each === null));
  if (columns) return Object.keys(values[0]).map((row) => Object.fromEntries(Object.keys(whole).map((name) => [name, whole[name][row]])));
  return values.find((value) => Array.isArray(value) && value.length) ?? [whole];
}

function parsedJson(text) {
  try { return JSON.parse(text.replace(/^\ufeff/, "")); }
  catch { return undefined; }
}

function tableOf(values, format) {
  const objects = values.map((value) => (value && typeof value === "object" ? value : { text: value }));
  const keys = [...new Set(objects.flatMap(Object.keys))];
  const cell = (value) => (value == null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
  return { format, records: objects.length ? [keys, ...objects.map((each) => keys.map((key) => cell(each[key])))] : [] };
}

// ---- Delimited text

function readDelimited(text) {
  const named = /^sep=([,;|\t])\n/i.exec(text); // Excel's own line for it
  const body = named ? text.slice(named[0].length) : text;
  const { delimiter, width } = named ? { delimiter: named[1], width: 0 } : delimiterOf(body);
  const { records, repaired } = parseDelimited(body, delimiter, width);
  return { format: delimiter ? "CSV" : "text", delimiter, keyed: false, records, notes: repaired ? [["quotes", repaired]] : [] };
}

// The delimiter that gives most records the same number of columns; "" for a text of one column.
function delimiterOf(text) {
  const end = text.length > SAMPLE.characters ? text.lastIndexOf("\n", SAMPLE.characters) + 1 || SAMPLE.characters : text.length;
  const sample = text.slice(0, end);
  const fits = DELIMITERS.flatMap((delimiter) => {
    const records = parseDelimited(sample, delimiter, 0, SAMPLE.records).records.filter((record) => !record.every(isEmpty));
    const fit = fitOf(records, delimiter);
    return fit ? [{ delimiter, ...fit }] : [];
  });
  const best = fits.sort((a, b) => b.share - a.share || b.width - a.width || DELIMITERS.indexOf(a.delimiter) - DELIMITERS.indexOf(b.delimiter))[0];
  return best ?? { delimiter: "", width: 1 };
}

function fitOf(records, delimiter) {
  const widths = records.map((record) => record.length);
  const common = mostFrequent(widths);
  const share = widths.filter((width) => width === common).length / widths.length;
  const header = records[0]?.length > 1 && namesColumns(records[0]);
  // A text with that delimiter and no quotes: no record is shorter than the header.
  if (header && widths.every((width) => width >= widths[0])) return { width: widths[0], share: Math.max(share, 0.9) };
  if (common < 2 || share < 0.6) return null;
  // "Good, but late": the commas of sentences.
  const inner = records.flatMap((record) => record.slice(1));
  const prose = delimiter !== "\t" && inner.filter((cell) => /^\s+\S/.test(cell)).length > 0.8 * inner.length;
  return prose && !header ? null : { width: common, share };
}

function mostFrequent(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}

// RFC 4180, but a quote that does not close where a cell can end opens nothing and is a character like any other; so a
// stray one loses no rows. `repaired` counts them. With a `width` also one whose cell would swallow whole records.
function parseDelimited(text, delimiter, width = 0, most = Infinity) {
  const records = [];
  let record = [], repaired = 0;
  for (let at = 0; at <= text.length && records.length < most; ) {
    const { cell, end, quoted, stray } = cellAt(text, at, delimiter, width);
    record.push(cell);
    repaired += stray;
    at = end + 1;
    if (end < text.length && text[end] === delimiter) continue;
    if (record.length > 1 || quoted || !isEmpty(cell)) records.push(record);
    record = [];
  }
  return { records, repaired };
}

function cellAt(text, at, delimiter, width) {
  let opening = at;
  while (text[opening] === " ") opening++;
  const quote = text[opening] === '"';
  const found = quote ? quotedCell(text, opening, delimiter) : null;
  if (found && !swallowsRecords(text, at, found.end, delimiter, width)) return { ...found, quoted: true, stray: 0 };
  let end = text.indexOf("\n", at);
  if (end < 0) end = text.length;
  const cell = text.slice(at, end);
  const length = delimiter ? cell.indexOf(delimiter) : -1;
  if (length >= 0) end = at + length;
  return { cell: text.slice(at, end), end, quoted: false, stray: quote && delimiter ? 1 : 0 };
}

function quotedCell(text, opening, delimiter) {
  for (let from = opening + 1, escaped = false; ; ) {
    const quote = text.indexOf('"', from);
    if (quote < 0 || quote > opening + LONGEST_QUOTED) return null;
    if (text[quote + 1] === '"') { from = quote + 2; continue; }
    let end = quote + 1;
    while (text[end] === " ") end++;
    if (end >= text.length || text[end] === "\n" || text[end] === delimiter) {
      const cell = text.slice(opening + 1, quote).replaceAll('""', '"');
      return { cell: escaped ? cell.replaceAll('\\"', '"') : cell, end };
    }
    if (text[quote - 1] !== "\\") return null;
    escaped = true;
    from = quote + 1;
  }
}

// Whether every line of a quoted cell would be a record by itself: then two stray quotes happened to fit together.
function swallowsRecords(text, at, end, delimiter, width) {
  if (width < 2 || !text.slice(at, end).includes("\n")) return false;
  const last = text.indexOf("\n", end);
  const lines = text.slice(text.lastIndexOf("\n", at - 1) + 1, last < 0 ? text.length : last).split("\n");
  if (lines.length < 3 && delimiter !== "\t") return false; // one comma in each of two lines happens in any review
  return lines.every((line) => line.split(delimiter).length === width);
}

// ---- Which row names the columns, and which column is the text

const TEXT_NAMES = ["text", "reviewtext", "review", "reviewcontent", "reviewbody", "content", "contents", "comment", "comments", "document", "body",
  "message", "feedback", "opinion", "sentence", "tweet", "description", "내용", "리뷰내용", "후기내용", "후기", "댓글", "상품평", "구매평", "리뷰", "본문", "의견",
  "한줄평", "감상평", "문장", "텍스트", "글"];
const OTHER_NAMES = new Set(["id", "no", "index", "date", "time", "at", "created", "createdat", "timestamp", "user", "userid", "username", "author", "name", "title", "label",
  "rating", "ratings", "score", "stars", "star", "sentiment", "class", "category", "target", "polarity", "source", "language", "lang", "product", "productid", "asin", "reviewid",
  "번호", "순번", "날짜", "일자", "작성일", "작성일시", "등록일", "작성자", "아이디", "이름", "제목", "라벨", "레이블", "평점", "별점", "점수", "감성", "분류", "상품", "상품명", "언어", "출처"]);
const LIKE_TEXT = /text|review|content|comment|document|message|feedback|opinion|내용|후기|댓글|상품평|구매평|리뷰|본문|의견|문장/;
const UNLIKE_TEXT = /id$|date|time|url|link|count|score|rating|star|title|user|author|name|lang|label|length|번호|일시|일자|날짜|점수|별점|평점|작성|제목|라벨|수$/;
const MECHANICAL = [
  /^[-+₩$€£]?[\d.,\s]+[%원점]?$/, // numbers
  /^\d{1,4}\s?[-./년]\s?\d{1,2}\s?[-./월]\s?\d{1,4}.{0,30}$/, /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d{4}/i, /^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2},? \d{4}/i,
  /^(https?:\/\/|www\.)\S+$/i, /^[^\s@]+@[^\s@]+\.[^\s@]+$/,
  /^(?=\S*\d)[\w.:-]{4,}$/, /^(true|false|yes|no|null|nan|n\/a)$/i, // ids and flags
];
const isMechanical = (cell) => MECHANICAL.some((pattern) => pattern.test(cell.trim()));
const plainName = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

function namesColumns(record) {
  if (record.some((cell) => cell.length > 60 || isMechanical(cell))) return false;
  const names = record.map(plainName);
  const known = (name) => TEXT_NAMES.includes(name) || (names.length > 1 && OTHER_NAMES.has(name));
  return names.some(known) || (/^[\w.-]+$/.test(record.join("_")) && names.some((name) => LIKE_TEXT.test(name)));
}

function guessHeader(records) {
  const [first, ...rest] = records.slice(0, SAMPLE.records);
  if (namesColumns(first)) return true;
  if (first.length < 2 || !rest.length || first.some((cell) => cell.length > 60 || isMechanical(cell))) return false;
  const below = first.map((_, column) => rest.map((record) => record[column] ?? "").filter((cell) => !isEmpty(cell)));
  if (first.some((cell, column) => below[column].includes(cell))) return false; // a label like those below
  const contrast = (cells, cell) => cells.length > 0 && !isEmpty(cell) && (cells.every(isMechanical) || meanLength(cells) > Math.max(3 * cell.length, 20));
  return first.some((cell, column) => contrast(below[column], cell));
}

const meanLength = (cells) => cells.reduce((sum, cell) => sum + cell.length, 0) / (cells.length || 1);

// A column with a known name, else with a name like one, else any: of these the one with the longest texts that differ.
function guessColumn(records, header, width) {
  const rows = records.slice(header ? 1 : 0, SAMPLE.records);
  const columns = Array.from({ length: width }, (_, column) => {
    const cells = rows.map((record) => record[column] ?? "").filter((cell) => !isEmpty(cell));
    const prose = cells.filter((cell) => !isMechanical(cell)).length >= 0.5 * cells.length;
    const weight = meanLength(cells) * (new Set(cells).size / (rows.length || 1)); // long, varied, and there
    return { column, name: header ? plainName(records[0][column] ?? "") : "", weight: prose ? weight : 0 };
  });
  const filled = columns.filter((each) => each.weight > 0);
  const rank = ({ name }) => TEXT_NAMES.indexOf(name);
  const known = filled.filter((each) => rank(each) >= 0).sort((a, b) => rank(a) - rank(b))[0];
  if (known) return known.column;
  const alike = filled.filter(({ name }) => LIKE_TEXT.test(name) && !UNLIKE_TEXT.test(name));
  return (alike.length ? alike : filled).sort((a, b) => b.weight - a.weight)[0]?.column ?? 0;
}

const guessWidth = (records, header) => Math.max(header ? records[0].length : 1, mostFrequent(records.map((record) => record.length)));

// A record of `width` cells. What it has beyond is a text with the delimiter in it and no quotes.
function fitted(record, width, column, delimiter) {
  const beyond = record.length - width;
  if (beyond <= 0) return [...record, ...Array(-beyond).fill("")];
  if (record.slice(width).every(isEmpty)) return record.slice(0, width);
  const text = record.slice(column, column + beyond + 1).join(delimiter);
  return [...record.slice(0, column), text, ...record.slice(column + beyond + 1)];
}

// ---- The table back, for a spreadsheet

// What the file had stays as it was; a cell that we add and a spreadsheet would run as a formula is kept as text.
function toCsv(names, rows, added, addedRows) {
  const quoted = (value) => '"' + String(value).replaceAll('"', '""') + '"';
  const defused = (value) => quoted(typeof value === "number" ? value : String(value).replace(/^[=+\-@\t\r]/, "'$&"));
  const taken = new Set(names);
  const free = added.map((name) => (taken.has(name) ? `predicted_${name}` : name));
  const line = (row, more) => [...row.map(quoted), ...more.map(defused)].join(",");
  return "\ufeff" + [line(names, free), ...rows.map((row, at) => line(row, addedRows[at]))].join("\r\n") + "\r\n";
}
