/**
 * @param {string} name
 * @param {string} [text]
 * @param {string} [className]
 */
export function create(name, text, className) {
  const created = document.createElement(name);
  if (text !== undefined) created.textContent = text;
  if (className !== undefined) created.className = className;
  return created;
}

/**
 * @param {string} title
 * @param {string} hint
 */
export function cardHead(title, hint) {
  const head = create("header");
  head.append(create("h2", title), create("p", hint, "hint"));
  return head;
}

/**
 * Whether each run is healthy, and why: a line a run, with its name where there are several.
 *
 * @param {readonly { name: string, verdict?: import("../../observing/verdict.js").RunVerdict | undefined }[]} runs
 */
export function createVerdicts(runs) {
  const list = create("div", undefined, "verdicts");
  list.setAttribute("role", "status");
  for (const { name, verdict } of runs) {
    if (!verdict) continue;
    const { kind, text } = verdict;
    const colon = text.indexOf(":");
    const line = create("p", undefined, `verdict ${kind}`);
    if (runs.length > 1) line.append(`${name}: `);
    line.append(create("strong", text.slice(0, colon)), text.slice(colon));
    list.append(line);
  }
  return list;
}

/**
 * Warnings, and what could not be read.
 *
 * @param {readonly string[]} warnings
 * @param {readonly string[]} remarks
 */
export function createNotes(warnings, remarks) {
  const list = create("ul", undefined, "notes");
  for (const warning of warnings) list.append(create("li", warning, "warning"));
  for (const remark of remarks) list.append(create("li", remark));
  list.hidden = list.childElementCount === 0;
  return list;
}
