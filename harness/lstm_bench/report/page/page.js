// Tables sort and filter, commands can be copied. Without this they are plain tables and plain text.
"use strict";

const FILTERED = 8; // rows from which on a table can be filtered

const key = (row, column) => {
  const cell = row.cells[column];
  return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim();
};

// Numbers before words, what is empty last, whichever the direction.
const compare = (a, b, sign) => {
  if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
};

const sort = (table, head) => {
  const sign = head.ariaSort === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
  rows.sort(([a], [b]) => compare(a, b, sign));
  body.append(...rows.map(([, row]) => row));
};

const sortable = (table) => {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(table, head));
    head.replaceChildren(button);
  }
};

const filterable = (table) => {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < FILTERED) return;
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const box = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  box.className = "filter";
  input.type = "search";
  label.append("Filter", input);
  box.append(label, count);
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      shown += !row.hidden;
    });
    count.textContent = shown < rows.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
  };
  input.addEventListener("input", filter);
  filter();
  table.parentElement.before(box);
};

const select = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
};

// Where a page may not write to the clipboard, the command is marked, for the keyboard to copy.
const copyable = (command) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${command.textContent}`);
  command.title = command.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      select(command);
      button.textContent = "Marked";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  command.after(button);
};

for (const table of document.querySelectorAll("table.data")) {
  filterable(table); // first: a row's text is still without buttons
  sortable(table);
}
document.querySelectorAll(".command").forEach(copyable);
